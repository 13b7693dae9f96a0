//! The zone state machine: conditions, open limits, resets, and what outlives a power cycle.

mod common;

use std::sync::atomic::{AtomicU64, Ordering};

use common::*;
use zoned::{check_word, decode, fresh_word, Condition, Failed, Geometry, Machine, Op, Zone};
use Condition::{Closed, Empty, ExplicitlyOpen, Full, ImplicitlyOpen};

fn start(zone: u64) -> u64 {
    zone * 64
}

#[test]
fn writes_open_zones_and_fill_them() {
    let disk = Disk::new(small());
    disk.write_blocks(start(4), 8, 1).good();
    assert_eq!(
        (disk.condition(4), disk.zone(4).write_pointer),
        (ImplicitlyOpen, Some(start(4) + 8))
    );
    disk.write_blocks(start(4) + 8, 56, 1).good();
    assert_eq!(
        (disk.condition(4), disk.zone(4).write_pointer),
        (Full, None)
    );
    assert_eq!(disk.open_zones(), 0);
}

#[test]
fn the_last_zone_may_be_smaller() {
    let disk = Disk::new(small());
    assert_eq!(disk.zone(15).len, 32);
    assert_eq!(disk.write_blocks(start(15), 40, 1).sense(), "5/21/00");
    disk.write_blocks(start(15), 32, 1).good();
    assert_eq!(disk.condition(15), Full);
}

#[test]
fn implicitly_open_zones_make_room() {
    let disk = Disk::new(small());
    for zone in 4..8 {
        disk.write_blocks(start(zone), 8, 1).good();
    }
    assert_eq!(
        (4..8).map(|zone| disk.condition(zone)).collect::<Vec<_>>(),
        [Closed, ImplicitlyOpen, ImplicitlyOpen, ImplicitlyOpen]
    );
    for zone in 8..11 {
        disk.run(&zone_out(OPEN, start(zone))).good();
    }
    assert_eq!(disk.open_zones(), 3);
    assert_eq!(disk.run(&zone_out(OPEN, start(4))).sense(), "7/55/0E");
    assert_eq!(disk.write_blocks(start(4) + 8, 8, 1).sense(), "7/55/0E");
}

#[test]
fn opening_an_implicitly_open_zone_takes_no_room() {
    let disk = Disk::new(small());
    disk.run(&zone_out(OPEN, start(4))).good();
    disk.run(&zone_out(OPEN, start(5))).good();
    disk.write_blocks(start(6), 8, 1).good();
    disk.run(&zone_out(OPEN, start(6))).good();
    assert_eq!((disk.condition(6), disk.open_zones()), (ExplicitlyOpen, 3));
    disk.run(&zone_out(OPEN, start(6))).good();
    assert_eq!(disk.write_blocks(start(7), 8, 1).sense(), "7/55/0E");
    disk.write_blocks(start(6) + 8, 56, 1).good();
    disk.write_blocks(start(7), 8, 1).good();
}

#[test]
fn close_depends_on_what_is_written() {
    let disk = Disk::new(small());
    disk.run(&zone_out(OPEN, start(4))).good();
    disk.run(&zone_out(CLOSE, start(4))).good();
    assert_eq!(disk.condition(4), Empty);
    disk.write_blocks(start(4), 8, 1).good();
    disk.run(&zone_out(CLOSE, start(4))).good();
    assert_eq!(disk.condition(4), Closed);
}

#[test]
fn operations_that_change_nothing_succeed() {
    let disk = Disk::new(small());
    disk.write_blocks(start(4), 64, 1).good();
    for action in [FINISH, CLOSE, OPEN] {
        disk.run(&zone_out(action, start(4))).good();
        assert_eq!(disk.condition(4), Full);
    }
    for action in [CLOSE, RESET] {
        disk.run(&zone_out(action, start(5))).good();
        assert_eq!(disk.condition(5), Empty);
    }
}

#[test]
fn all_concerns_only_zones_in_the_right_condition() {
    let disk = Disk::new(small());
    disk.write_blocks(start(4), 8, 1).good();
    disk.run(&zone_out(CLOSE, start(4))).good();
    disk.run(&zone_out_all(OPEN)).good();
    assert_eq!((disk.condition(4), disk.open_zones()), (ExplicitlyOpen, 1));
    disk.run(&zone_out_all(CLOSE)).good();
    assert_eq!((disk.condition(4), disk.open_zones()), (Closed, 0));
    disk.write_blocks(start(5), 8, 1).good();
    disk.run(&zone_out_all(FINISH)).good();
    assert_eq!(
        (disk.condition(4), disk.condition(5), disk.condition(6)),
        (Full, Full, Empty)
    );
    disk.run(&zone_out_all(RESET)).good();
    assert!(disk
        .zones()
        .into_iter()
        .skip(4)
        .all(|zone| zone.condition == Empty));
}

#[test]
fn open_all_opens_all_or_none() {
    let disk = Disk::new(small());
    for zone in 4..8 {
        disk.write_blocks(start(zone), 8, 1).good();
    }
    disk.run(&zone_out_all(CLOSE)).good();
    assert_eq!(disk.run(&zone_out_all(OPEN)).sense(), "7/55/0E");
    assert_eq!(disk.open_zones(), 0);
    disk.run(&zone_out(FINISH, start(4))).good();
    disk.run(&zone_out_all(OPEN)).good();
    assert_eq!(disk.open_zones(), 3);
}

#[test]
fn zone_count_names_several_zones() {
    let disk = Disk::new(small());
    disk.write_blocks(start(5), 8, 1).good();
    disk.run(&zone_out_count(OPEN, start(4), 3)).good();
    assert_eq!(disk.open_zones(), 3);
    assert_eq!(
        disk.run(&zone_out_count(OPEN, start(6), 3)).sense(),
        "7/55/0E"
    );
    disk.run(&zone_out_count(FINISH, start(4), 3)).good();
    assert!((4..7).all(|zone| disk.condition(zone) == Full));
    disk.run(&zone_out_count(RESET, start(4), 12)).good();
    assert!((4..16).all(|zone| disk.condition(zone) == Empty));
    assert_eq!(
        disk.run(&zone_out_count(RESET, start(4), 13)).sense(),
        "5/24/00"
    );
}

#[test]
fn reset_gives_the_space_of_written_zones_back() {
    let disk = Disk::new(small());
    for zone in [4, 5, 7, 15] {
        disk.write_blocks(start(zone), 8, 1).good();
    }
    disk.run(&zone_out(FINISH, start(9))).good();
    let plan = disk.plan(&zone_out_all(RESET), &[]);
    let zone = 64 * 512;
    let ranges = vec![
        (4 * zone, 2 * zone),
        (7 * zone, zone),
        (15 * zone, zone / 2),
    ];
    assert_eq!(
        plan.op(),
        Op::Discard {
            zones: vec![4, 5, 7, 9, 15],
            ranges,
        }
    );
    plan.finish(Ok(()));
    assert!(disk
        .zones()
        .into_iter()
        .skip(4)
        .all(|zone| zone.condition == Empty));
}

#[test]
fn a_reset_that_cannot_be_made_stable_has_not_happened() {
    let disk = Disk::new(small());
    disk.write_blocks(start(4), 8, 1).good();
    disk.run(&zone_out(FINISH, start(9))).good();
    let before = disk.zones();
    for cdb in [zone_out_all(RESET), zone_out(RESET, start(9))] {
        let failed = disk.plan(&cdb, &[]).finish(Err(Failed::NotStable));
        assert_eq!(sense_of(&failed), "3/0C/00");
        assert_eq!(disk.condition(9), Full);
    }
    let closed = Zone {
        condition: Closed,
        ..before[4]
    };
    assert_eq!(disk.zone(4), closed);
    disk.write_blocks(start(4) + 8, 8, 1).good();
    disk.run(&zone_out_all(RESET)).good();
    assert_eq!((disk.condition(4), disk.condition(9)), (Empty, Empty));
}

#[test]
fn finish_makes_stable_what_it_changes() {
    let disk = Disk::new(small());
    let plan = disk.plan(&zone_out(FINISH, start(4)), &[]);
    assert_eq!(plan.op(), Op::Flush);
    plan.finish(Ok(()));
    assert!(disk.try_plan(&zone_out(FINISH, start(4)), &[]).is_none());
}

#[test]
fn power_off_and_on_closes_zones_and_may_cut_them_back() {
    let disk = Disk::new(small());
    for zone in [4, 5, 6] {
        disk.write_blocks(start(zone), 16, 1).good();
    }
    disk.run(&zone_out(OPEN, start(5))).good();
    disk.ram.power_cycle(|zone, word| match zone {
        4 => zoned::cut_back(word, 0, 1),
        5 => zoned::cut_back(word, 0, 0),
        _ => word,
    });
    assert_eq!(disk.run(&[0; 6]).sense(), "6/29/00");
    assert_eq!(disk.open_zones(), 0);
    let pointers =
        [4, 5, 6].map(|zone| disk.zone(zone).write_pointer.unwrap() - start(zone as u64));
    assert_eq!(pointers, [8, 0, 16]);
    for zone in [7, 8, 9] {
        disk.run(&zone_out(OPEN, start(zone))).good();
    }
    assert_eq!(disk.run(&zone_out(OPEN, start(10))).sense(), "7/55/0E");
}

#[test]
fn what_was_before_a_reset_is_never_read_again() {
    let disk = Disk::new(small());
    disk.write_blocks(start(4), 64, 0xEE).good();
    let plan = disk.plan(&zone_out(RESET, start(4)), &[]);
    let failed = plan.finish(Err(Failed::Write { offset: 0 }));
    assert_eq!(
        sense_of(&failed),
        "ok",
        "the space is lost, the zone is empty"
    );
    assert_eq!(disk.run(&read16(start(4), 64)).good(), vec![0; 64 * 512]);
    disk.write_blocks(start(4), 8, 0x11).good();
    disk.run(&zone_out(FINISH, start(4))).good();
    let data = disk.run(&read16(start(4), 64)).good();
    assert_eq!(
        (&data[..4096], &data[4096..]),
        (&[0x11; 4096][..], &[0; 56 * 512][..])
    );
}

#[test]
fn a_dropped_plan_leaves_the_zone_as_it_was() {
    let disk = Disk::new(small());
    disk.write_blocks(start(4), 8, 1).good();
    drop(disk.plan(&write16(start(4) + 8, 8), &[1; 4096]));
    drop(disk.plan(&write16(start(5), 8), &[1; 4096]));
    assert_eq!(disk.zone(4).write_pointer, Some(start(4) + 8));
    assert_eq!((disk.condition(5), disk.open_zones()), (Empty, 1));
    disk.write_blocks(start(4) + 8, 8, 1).good();
}

#[test]
fn a_zone_under_write_is_open_with_its_old_write_pointer() {
    let disk = Disk::new(small());
    let plan = disk.plan(&write16(start(4), 8), &[1; 4096]);
    assert_eq!(
        (disk.condition(4), disk.zone(4).write_pointer),
        (ImplicitlyOpen, Some(start(4)))
    );
    assert_eq!(disk.run(&read16(start(4), 8)).good(), vec![0; 4096]);
    plan.finish(Ok(()));
    assert_eq!(disk.zone(4).write_pointer, Some(start(4) + 8));
}

#[test]
fn write_same_moves_the_write_pointer() {
    let disk = Disk::new(small());
    disk.run_with(&write_same16(start(4), 16, false), &[0x5A; 512])
        .good();
    assert_eq!(disk.zone(4).write_pointer, Some(start(4) + 16));
    assert_eq!(disk.run(&read16(start(4), 16)).good(), vec![0x5A; 16 * 512]);
    disk.run(&write_same16(start(4) + 16, 8, true)).good();
    assert_eq!(disk.zone(4).write_pointer, Some(start(4) + 24));
    assert_eq!(
        disk.run_with(&write_same16(start(4), 8, false), &[0; 512])
            .sense(),
        "5/21/04"
    );
    assert_eq!(
        disk.run_with(&write_same16(0, 0, false), &[0; 512]).sense(),
        "5/24/00",
        "WSNZ"
    );
    assert!(disk
        .run_sized(&write_same16(0, 8, false), &[0; 511], 0)
        .is_none());
}

#[test]
fn no_limit_on_open_zones() {
    let disk = Disk::new(Geometry {
        max_open: None,
        ..small()
    });
    disk.run(&zone_out_count(OPEN, start(4), 12)).good();
    assert_eq!(disk.open_zones(), 12);
}

#[test]
fn a_power_cycle_closes_open_zones() {
    let disk = Disk::new(small());
    disk.write_blocks(start(4), 8, 1).good();
    disk.run(&zone_out(OPEN, start(5))).good();
    disk.write_blocks(start(6), 64, 1).good();
    let words = disk
        .ram
        .words()
        .into_iter()
        .map(|word| AtomicU64::new(word.to_le()));
    let again = Disk::with_words(small(), words.collect());
    let conditions = [4, 5, 6].map(|zone| again.condition(zone));
    assert_eq!(conditions, [Closed, Empty, Full]);
    assert_eq!(again.zone(4).write_pointer, Some(start(4) + 8));
}

#[test]
fn words_that_no_disk_can_have_are_refused() {
    let geometry = small();
    for zone in 0..geometry.zones() {
        assert_eq!(
            check_word(&geometry, zone, fresh_word(&geometry, zone)),
            Ok(())
        );
    }
    let good = [
        (4, word(ImplicitlyOpen, 0)),
        (4, word(ExplicitlyOpen, 7)),
        (4, word(Closed, 1)),
        (4, word(Full, 0)),
        (4, word(Full, 8)),
        (15, word(Full, 4)),
        (4, word(Condition::ReadOnly, 8)),
        (0, word(Condition::Offline, 0)),
    ];
    for (zone, word) in good {
        assert_eq!(check_word(&geometry, zone, word), Ok(()), "{word:#x}");
    }
    let bad = [
        (0, word(Empty, 0)),
        (0, word(Condition::NotWritePointer, 1)),
        (4, word(Condition::NotWritePointer, 0)),
        (4, word(Empty, 1)),
        (4, word(Closed, 0)),
        (4, word(Closed, 8)),
        (4, word(Full, 9)),
        (15, word(ImplicitlyOpen, 4)),
        (4, 0x5),
        (4, word(Empty, 0) | 1 << 4),
        (4, word(Empty, 0) | 1 << 40),
        (4, u64::MAX),
    ];
    for (zone, word) in bad {
        let error = check_word(&geometry, zone, word).unwrap_err().to_string();
        assert!(
            error.starts_with(&format!("zone {zone} has the state word {word:#018x}")),
            "{error}"
        );
    }
}

#[test]
fn words_say_what_report_zones_tells() {
    let geometry = small();
    let zone = decode(&geometry, 4, word(Closed, 3));
    assert_eq!(
        (zone.start, zone.len, zone.conventional),
        (start(4), 64, false)
    );
    assert_eq!(
        (zone.condition, zone.write_pointer),
        (Closed, Some(start(4) + 24))
    );
    assert_eq!(decode(&geometry, 4, word(Full, 8)).write_pointer, None);
    assert_eq!(
        decode(&geometry, 0, word(Condition::NotWritePointer, 0)).write_pointer,
        None
    );
}

struct Nobody;

impl zoned::Waits for Nobody {
    fn begin(&self) -> bool {
        true
    }
}

#[test]
fn a_disk_needs_a_sound_table() {
    let words = fresh(&small());
    words[4].store(word(Closed, 0).to_le(), Ordering::Relaxed);
    let Err(error) = Machine::<_, Nobody>::new(small(), words) else {
        panic!("a closed zone without data was accepted");
    };
    assert!(error.to_string().contains("zone 4"), "{error}");
    let Err(error) = Machine::<_, Nobody>::new(small(), Vec::<AtomicU64>::new()) else {
        panic!("an empty table was accepted");
    };
    assert!(error.to_string().contains("0 words"), "{error}");
}
