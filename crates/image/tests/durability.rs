//! What an image holds after its process was killed, after its host crashed, after damage, after a power cut.

mod common;

use std::fs;
use std::path::{Path, PathBuf};

use common::{
    cdb16, fresh_of, geometry, open, pattern, read, ready, run, sense, start, write, Disk,
};
use image::{inspect, Cache, ErrorKind, Loss};
use memory::Scatter;
use scsi::Status;
use tempfile::TempDir;
use zoned::{Condition, Geometry, Kind, Operation, Zone, ZonedDisk};

const PAGE: usize = 4096;
const TABLE: usize = 2 * PAGE;
const STAMP: usize = 3 * PAGE;
const JOURNAL: usize = STAMP + PAGE;
const CHECKPOINTS: [usize; 2] = [STAMP + (1 << 20), STAMP + (1 << 20) + 2 * PAGE];
const TABLE_BYTES: usize = 17 * 8;

fn fresh(cache: Cache) -> (TempDir, PathBuf, Disk) {
    fresh_of(&geometry(), cache)
}

fn flush(disk: &Disk) {
    let (outcome, _) = run(disk, &cdb16(0x91, 0, 0, 0), &[], 0);
    assert_eq!(outcome.completion.status, Status::Good);
}

fn reset(disk: &Disk, zone: u64) {
    let (outcome, _) = run(disk, &cdb16(0x94, 4, start(zone), 0), &[], 0);
    assert_eq!(outcome.completion.status, Status::Good);
}

fn pointer(disk: &Disk, zone: usize) -> u64 {
    let zone = disk.zones()[zone];
    zone.write_pointer.unwrap_or(zone.start + zone.len) - zone.start
}

/// The image as it is on the host now, as a killed process leaves it.
fn killed(path: &Path) -> PathBuf {
    let copy = path.with_extension("killed");
    fs::copy(path, &copy).unwrap();
    copy
}

/// The same after a crash of the host that lost nothing but its boot.
fn crashed(path: &Path) -> PathBuf {
    let copy = killed(path);
    let mut bytes = fs::read(&copy).unwrap();
    assert!(bytes[STAMP..].starts_with(b"\x89ZVLIVE\n"));
    bytes[STAMP + 10] ^= 1;
    fs::write(&copy, bytes).unwrap();
    copy
}

#[test]
fn a_killed_process_loses_nothing_and_a_crashed_host_what_was_not_flushed() {
    let (_dir, path, disk) = fresh(Cache::Host);
    let data = pattern(8192, 1);
    write(&disk, start(2), &data);
    flush(&disk);
    write(&disk, start(2) + 16, &data);
    run(&disk, &cdb16(0x8a, 8, start(3), 16), &data, 0); // FUA
    write(&disk, start(4), &data);

    let after_a_kill = open(&killed(&path), Cache::Host);
    assert_eq!(
        [2, 3, 4].map(|zone| pointer(&after_a_kill, zone)),
        [32, 16, 16]
    );
    assert_eq!(read(&after_a_kill, start(4), 16).1, data);
    drop(after_a_kill);

    let copy = crashed(&path);
    assert_eq!(
        inspect(&copy)
            .unwrap()
            .zones
            .get(4)
            .map(|zone| zone.condition),
        Some(Condition::Empty)
    );
    let after_a_crash = open(&copy, Cache::Host);
    assert_eq!(
        [2, 3, 4].map(|zone| pointer(&after_a_crash, zone)),
        [32, 16, 0]
    );
    assert_eq!(read(&after_a_crash, start(4), 16).1, [0; 8192]);
    assert_eq!(read(&after_a_crash, start(3), 16).1, data);
}

#[test]
fn resets_and_finishes_survive_a_crash_at_once() {
    let (_dir, path, disk) = fresh(Cache::Host);
    write(&disk, start(2), &pattern(8192, 1));
    write(&disk, start(3), &pattern(8192, 1));
    flush(&disk);
    reset(&disk, 2);
    run(&disk, &cdb16(0x94, 2, start(3), 0), &[], 0);
    run(&disk, &cdb16(0x94, 2, start(4), 0), &[], 0);
    let zones = open(&crashed(&path), Cache::Host).zones();
    let conditions = [2, 3, 4].map(|zone: usize| zones[zone].condition);
    assert_eq!(
        conditions,
        [Condition::Empty, Condition::Full, Condition::Full]
    );
}

#[test]
fn a_failed_zone_survives_a_crash_at_once_without_data_that_were_not_flushed() {
    for cache in [Cache::Host, Cache::Volatile, Cache::Lying] {
        let (_dir, path, disk) = fresh(cache);
        let data = pattern(8192, 1);
        for zone in [2, 3, 4] {
            write(&disk, start(zone), &data);
        }
        disk.sync().unwrap();
        for zone in [2, 3, 4] {
            write(&disk, start(zone) + 16, &data);
        }
        disk.make_read_only(1..3).unwrap();
        disk.take_offline(3..4).unwrap();

        let after = open(&crashed(&path), Cache::Host);
        let conditions = [1, 2, 3, 4].map(|zone| after.zone(zone).condition);
        use Condition::{Closed, Offline, ReadOnly};
        assert_eq!(conditions, [ReadOnly, ReadOnly, Offline, Closed]);
        let expected = [&data[..], &[0; 8192]].concat();
        assert_eq!(read(&after, start(2), 32).1, expected);
        assert_eq!(pointer(&after, 4), 16);

        if cache == Cache::Host {
            continue;
        }
        let cut = disk.power_cut(Loss::All).unwrap();
        let lost = [2, 3, 4].map(|zone| (zone, 4, 2));
        let zones = cut.zones.iter();
        assert!(zones
            .map(|zone| (zone.zone, zone.before, zone.after))
            .eq(lost));
        ready(&disk);
        assert_eq!(disk.zone(2).condition, ReadOnly);
        assert_eq!(read(&disk, start(2), 32).1, expected);
    }
}

#[test]
fn a_journal_is_begun_anew_when_it_is_full() {
    let (_dir, path, disk) = fresh(Cache::Host);
    for round in 0..1100 {
        write(&disk, start(2), &pattern(4096, round));
        flush(&disk);
        reset(&disk, 2);
    }
    write(&disk, start(2), &pattern(4096, 9));
    flush(&disk);
    let after = open(&crashed(&path), Cache::Host);
    assert_eq!(read(&after, start(2), 8).1, pattern(4096, 9));
}

#[test]
fn every_flipped_byte_of_the_state_is_found_or_does_no_harm() {
    let (_dir, path, disk) = fresh(Cache::Host);
    write(&disk, start(2), &pattern(8192, 1));
    drop(disk);
    let whole = fs::read(&path).unwrap();
    let zones: Vec<Zone> = inspect(&path).unwrap().zones.iter().collect();
    let mut refused = 0;
    let ranges = [
        TABLE..TABLE + TABLE_BYTES,
        STAMP..STAMP + 28,
        JOURNAL..JOURNAL + 512,
        CHECKPOINTS[0]..CHECKPOINTS[0] + 24,
        CHECKPOINTS[0] + PAGE..CHECKPOINTS[0] + PAGE + TABLE_BYTES,
        CHECKPOINTS[1]..CHECKPOINTS[1] + 24,
        CHECKPOINTS[1] + PAGE..CHECKPOINTS[1] + PAGE + TABLE_BYTES,
    ];
    for at in ranges.into_iter().flatten() {
        let mut damaged = whole.clone();
        damaged[at] ^= 0x10;
        fs::write(&path, &damaged).unwrap();
        match Disk::open(&path, Cache::Host) {
            Ok(disk) => assert_eq!(disk.zones(), zones, "byte {at}"),
            Err(error) => {
                assert_eq!(error.kind(), ErrorKind::Corrupt, "byte {at}");
                assert!(
                    fs::read(&path).unwrap() == damaged,
                    "byte {at}: it was changed"
                );
                refused += 1;
            }
        }
    }
    // The checkpoint in use, as its journal has begun.
    assert_eq!(refused, 24 + TABLE_BYTES);
}

#[test]
fn a_damaged_record_before_others_is_found() {
    let (_dir, path, disk) = fresh(Cache::Host);
    for zone in 2..5 {
        write(&disk, start(zone), &pattern(4096, 1));
        flush(&disk);
    }
    let copy = crashed(&path);
    let mut bytes = fs::read(&copy).unwrap();
    bytes[JOURNAL + 2 * 512 + 30] ^= 1;
    fs::write(&copy, bytes).unwrap();
    let error = Disk::open(&copy, Cache::Host).err().expect("a refusal");
    assert_eq!(error.kind(), ErrorKind::Corrupt);
    assert!(error.to_string().contains("record 2"), "{error}");
    assert_eq!(inspect(&copy).unwrap_err().kind(), ErrorKind::Corrupt);
}

#[test]
fn a_power_cut_takes_no_more_than_what_was_not_flushed() {
    let data = pattern(64 * 4096, 7);
    for loss in [Loss::All, Loss::None, Loss::Random { seed: 3 }] {
        let (_dir, path, disk) = fresh(Cache::Volatile);
        write(&disk, 0, &data[..8 * 4096]);
        write(&disk, start(2), &data[..4 * 4096]);
        flush(&disk);
        let newer = pattern(8 * 4096, 8);
        write(&disk, 0, &newer);
        write(&disk, start(2) + 32, &data[4 * 4096..]);
        write(&disk, start(3), &data);
        let cut = disk.power_cut(loss).unwrap();

        let (outcome, _) = run(&disk, &[0; 6], &[], 0);
        assert_eq!(sense(&outcome), (6, 0x29, 0), "power on");
        let left = [2, 3].map(|zone| pointer(&disk, zone));
        let old = read(&disk, 0, 64).1;
        let kept = |block: usize| old[block * 4096] == newer[block * 4096];
        match loss {
            Loss::All => assert_eq!((left, cut.blocks.len()), ([32, 0], 8)),
            Loss::None => assert_eq!((left, cut.blocks.len()), ([512, 512], 0)),
            Loss::Random { .. } => {
                assert!((32..512).contains(&left[0]) && left[1] < 512, "{left:?}");
                assert!((1..8).contains(&cut.blocks.len()));
            }
        }
        for block in 0..8 {
            let lost = cut.blocks.contains(&(block as u64));
            assert_eq!(kept(block), !lost);
            let from = if lost { &data } else { &newer };
            let bytes = block * 4096..(block + 1) * 4096;
            assert_eq!(old[bytes.clone()], from[bytes]);
        }
        for zone in [2u64, 3] {
            let count = left[zone as usize - 2];
            let seen = read(&disk, start(zone), count as u32).1;
            assert_eq!(seen, data[..count as usize * 512]);
        }
        assert!(!disk
            .zones()
            .iter()
            .any(|zone| zone.condition == Condition::ImplicitlyOpen));
        // What is left is stable.
        let after = open(&crashed(&path), Cache::Volatile);
        assert_eq!([2, 3].map(|zone| pointer(&after, zone)), left);
    }
}

#[test]
fn the_same_seed_gives_the_same_power_cut() {
    let cut = |seed| {
        let (_dir, _path, disk) = fresh(Cache::Volatile);
        write(&disk, 0, &pattern(64 * 4096, 1));
        for zone in 2..6 {
            write(&disk, start(zone), &pattern(64 * 4096, 2));
        }
        disk.power_cut(Loss::Random { seed }).unwrap()
    };
    assert_eq!(cut(1), cut(1));
    assert_ne!(cut(1), cut(2));
}

#[test]
fn a_lying_disk_loses_what_it_said_was_stable() {
    let (_dir, _path, disk) = fresh(Cache::Lying);
    write(&disk, start(2), &pattern(8192, 1));
    flush(&disk);
    run(&disk, &cdb16(0x8a, 8, start(3), 16), &pattern(8192, 1), 0);
    disk.power_cut(Loss::All).unwrap();
    assert_eq!([2, 3].map(|zone| pointer(&disk, zone)), [0, 0]);
}

#[test]
fn a_disk_without_a_volatile_cache_refuses_a_power_cut() {
    let (_dir, _path, disk) = fresh(Cache::Host);
    let error = disk.power_cut(Loss::All).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Invalid);
}

/// A write whose write pointer moved, and whose driver was not told before zonevm was killed, is sent once more.
#[test]
fn a_write_that_is_sent_again_after_a_kill_is_told_that_its_place_is_taken() {
    let (_dir, path, disk) = fresh(Cache::Host);
    let data = pattern(8192, 1);
    write(&disk, start(2), &data);
    write(&disk, 0, &data);
    let after_a_kill = open(&killed(&path), Cache::Host);
    let again = write(&after_a_kill, start(2), &data);
    assert_eq!(sense(&again), (5, 0x21, 4));
    assert_eq!(pointer(&after_a_kill, 2), 16);
    assert_eq!(read(&after_a_kill, start(2), 16).1, data);
    // Where blocks are overwritten it is written once more.
    let again = write(&after_a_kill, 0, &data);
    assert_eq!(again.completion.status, Status::Good);
}

/// An append likewise is a second copy: its driver cannot know where the first one is.
#[test]
fn an_append_that_is_sent_again_is_a_second_copy() {
    let zns = Geometry {
        kind: Kind::Zns,
        blocks: geometry().blocks / geometry().zone_blocks * geometry().zone_blocks,
        conventional_zones: 0,
        ..geometry()
    };
    let identity = image::random_identity();
    let dir = std::env::temp_dir();
    let disk = image::Disk::temporary(&dir, &zns, &identity, Cache::Host).unwrap();
    let data = Scatter::from_bytes(pattern(4096, 1));
    let append = Operation::Append {
        zone: 3,
        count: 8,
        stable: false,
    };
    let lbas = [(); 2].map(|()| {
        let completion = disk.submit(append.into(), &data).wait().unwrap();
        completion.result.unwrap().lba.unwrap()
    });
    assert_eq!(lbas, [start(3), start(3) + 8]);
    let zone = disk.zone(3);
    assert_eq!(zone.write_pointer, Some(start(3) + 16));
}
