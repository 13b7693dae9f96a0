//! Several threads at once, as several queues would: nothing hangs, no write is lost, limits hold.

mod common;

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use common::*;
use zoned::{Condition, Kind};

/// Runs `work` in threads, and fails if they are not done in time.
fn within_a_minute(work: impl FnOnce() + Send + 'static) {
    let (done, waiting) = mpsc::channel();
    let worker = thread::spawn(move || {
        work();
        done.send(()).unwrap();
    });
    if let Err(mpsc::RecvTimeoutError::Timeout) = waiting.recv_timeout(Duration::from_secs(60)) {
        panic!("the threads hang");
    }
    worker.join().unwrap();
}

/// A small random number generator, one a thread.
struct Random(u64);

impl Random {
    fn below(&mut self, limit: u64) -> u64 {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1);
        (self.0 >> 33) % limit
    }
}

#[test]
fn a_zone_fails_after_the_write_under_way() {
    within_a_minute(|| {
        let disk = Disk::new(small());
        disk.run(&[0; 6]);
        let plan = disk.plan(&write16(4 * 64, 8), &[1; 4096]);
        thread::scope(|scope| {
            let failing = scope.spawn(|| disk.make_read_only(4));
            thread::sleep(Duration::from_millis(50));
            assert_eq!(disk.condition(4), Condition::ImplicitlyOpen);
            plan.finish(Ok(()));
            failing.join().unwrap();
        });
        assert_eq!(disk.condition(4), Condition::ReadOnly);
        // It is open no more, and what was written is there.
        for zone in 5..8 {
            assert_eq!(disk.run(&zone_out(3, zone * 64)).sense(), "ok");
        }
        disk.take_offline(4);
        disk.make_read_only(4);
        assert_eq!(disk.condition(4), Condition::Offline);
    });
}

#[test]
fn one_of_two_writes_at_the_same_place_wins() {
    within_a_minute(|| {
        let disk = Disk::new(small());
        for lba in (4 * 64..8 * 64).step_by(8) {
            let written = AtomicU64::new(0);
            thread::scope(|scope| {
                for fill in 1..=4 {
                    let (disk, written) = (&disk, &written);
                    scope.spawn(
                        move || match disk.write_blocks(lba, 8, fill).sense().as_str() {
                            "ok" => written.store(fill.into(), Ordering::Relaxed),
                            sense => assert!(matches!(sense, "5/21/04" | "5/24/00"), "{sense}"),
                        },
                    );
                }
            });
            let fill = written.load(Ordering::Relaxed) as u8;
            assert_eq!(disk.run(&read16(lba, 8)).good(), vec![fill; 4096]);
        }
    });
}

#[test]
fn a_zone_operation_waits_for_the_write_under_way() {
    within_a_minute(|| {
        for (action, after) in [(RESET, Condition::Empty), (FINISH, Condition::Full)] {
            let disk = Disk::new(small());
            let plan = disk.plan(&write16(4 * 64, 8), &[1; 4096]);
            let answered = AtomicBool::new(false);
            thread::scope(|scope| {
                for cdb in [zone_out(action, 4 * 64), zone_out_all(action)] {
                    let (disk, answered) = (&disk, &answered);
                    scope.spawn(move || {
                        disk.run(&cdb).good();
                        answered.store(true, Ordering::Relaxed);
                    });
                }
                thread::sleep(Duration::from_millis(50));
                assert!(!answered.load(Ordering::Relaxed));
                assert_eq!(sense_of(&plan.finish(Ok(()))), "ok");
            });
            assert_eq!(disk.condition(4), after);
        }
    });
}

#[test]
fn a_write_waits_for_room_that_busy_zones_take() {
    within_a_minute(|| {
        let disk = Disk::new(small());
        let plans: Vec<_> = (4..7)
            .map(|zone| disk.plan(&write16(zone * 64, 8), &[1; 4096]))
            .collect();
        thread::scope(|scope| {
            let writer = scope.spawn(|| disk.write_blocks(7 * 64, 8, 1).good());
            thread::sleep(Duration::from_millis(50));
            assert!(!writer.is_finished());
            for plan in plans {
                plan.finish(Ok(()));
            }
            writer.join().unwrap();
        });
        assert_eq!(
            (disk.condition(4), disk.open_zones()),
            (Condition::Closed, 3)
        );
    });
}

#[test]
fn writes_resets_and_reads_from_all_sides() {
    within_a_minute(|| {
        let disk = Disk::new(small());
        let running = AtomicU64::new(4);
        thread::scope(|scope| {
            for seed in 0..4 {
                let (disk, running) = (&disk, &running);
                scope.spawn(move || {
                    let mut random = Random(seed);
                    for _ in 0..4000 {
                        step(disk, &mut random);
                    }
                    running.fetch_sub(1, Ordering::Relaxed);
                });
            }
            while running.load(Ordering::Relaxed) > 0 {
                for zone in disk.zones() {
                    let inside = zone.start..zone.start + zone.len;
                    assert!(zone
                        .write_pointer
                        .is_none_or(|at| inside.contains(&at) && at % 8 == 0));
                }
            }
        });
        assert!(disk.open_zones() <= 3);
        disk.run(&zone_out_all(RESET)).good();
        assert!(disk
            .zones()
            .into_iter()
            .skip(4)
            .all(|zone| zone.condition == Condition::Empty));
        for zone in 4..7 {
            disk.run(&zone_out(OPEN, zone * 64)).good();
        }
        assert_eq!(
            disk.run(&zone_out(OPEN, 7 * 64)).sense(),
            "7/55/0E",
            "the limit is exact"
        );
    });
}

/// One command: mostly writes at the write pointer, with all that could be in their way.
fn step(disk: &Disk, random: &mut Random) {
    let zone = 4 + random.below(12);
    let action = [OPEN, CLOSE, FINISH, RESET][random.below(4) as usize];
    let sense = match random.below(40) {
        0 => disk.run(&zone_out_all(action)).sense(),
        1 => disk
            .run(&zone_out_count(
                action,
                zone * 64,
                1 + random.below(3) as u16,
            ))
            .sense(),
        2..=5 => disk.run(&zone_out(action, zone * 64)).sense(),
        6..=12 => disk.run(&read16(zone * 64 - 16, 48)).sense(),
        _ => match disk.zone(zone as usize).write_pointer {
            Some(at) => disk.write_blocks(at, 8, zone as u8).sense(),
            None => disk.run(&zone_out(RESET, zone * 64)).sense(),
        },
    };
    assert!(
        matches!(
            sense.as_str(),
            "ok" | "5/21/04" | "5/21/05" | "5/21/07" | "5/24/00" | "7/55/0E"
        ),
        "{sense}"
    );
}

#[test]
fn writes_across_zones_and_resets_get_along() {
    within_a_minute(|| {
        let disk = Disk::new(zoned::Geometry {
            kind: Kind::HostAware,
            ..small()
        });
        thread::scope(|scope| {
            for number in 1..=4 {
                let disk = &disk;
                scope.spawn(move || {
                    let mut random = Random(number);
                    for _ in 0..2000 {
                        let zone = 4 + random.below(11);
                        if random.below(8) == 0 {
                            disk.run(&zone_out(RESET, zone * 64)).good();
                        } else {
                            let lba = zone * 64 + random.below(64);
                            let blocks = 1 + random.below(96.min(15 * 64 + 32 - lba));
                            disk.write_blocks(lba, blocks as u32, number as u8).good();
                        }
                    }
                });
            }
        });
        disk.run(&zone_out_all(CLOSE)).good();
        assert_eq!(disk.open_zones(), 0);
        for zone in 4..16 {
            disk.run(&zone_out(OPEN, zone * 64)).good();
        }
    });
}
