//! Slots: a file grows with what is written, a slot is used again, and no zone sees what was in it before.

mod common;

use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::Arc;
use std::time::Duration;

use common::{cdb16, fresh_of, geometry, host_aware, open, pattern, read, run, start, write, Disk};
use image::{check, export, inspect, resize, snapshot, Cache, Loss};
use scsi::Status;
use zoned::{Condition, Geometry};

const ZONE: u64 = 1 << 20;

fn length(path: &Path) -> u64 {
    path.metadata().unwrap().len()
}

fn reset(disk: &Disk, zone: u64) {
    let mut cdb = cdb16(0x94, 4, start(zone), 0);
    cdb[10..14].fill(0);
    let (outcome, _) = run(disk, &cdb, &[], 0);
    assert_eq!(outcome.completion.status, Status::Good);
}

fn fill(disk: &Disk, zone: u64, seed: u32) {
    let outcome = write(disk, start(zone), &pattern(ZONE as usize, seed));
    assert_eq!(outcome.completion.status, Status::Good);
}

fn holds(disk: &Disk, zone: u64, seed: u32) -> bool {
    let (outcome, data) = read(disk, start(zone), 2048);
    outcome.completion.status == Status::Good && data == pattern(ZONE as usize, seed)
}

#[test]
fn a_file_is_as_long_as_what_was_written_at_one_time() {
    let (_dir, path, disk) = fresh_of(&geometry(), Cache::Host);
    let empty = length(&path);
    for round in 0..20 {
        let zones = [2 + round % 13, 3 + round % 13];
        for zone in zones {
            fill(&disk, zone, zone as u32);
        }
        assert!(zones.iter().all(|&zone| holds(&disk, zone, zone as u32)));
        assert_eq!(length(&path), empty + 2 * ZONE, "in round {round}");
        zones.iter().for_each(|&zone| reset(&disk, zone));
    }
    fill(&disk, 14, 14);
    drop(disk);
    let disk = open(&path, Cache::Host);
    fill(&disk, 9, 9);
    assert!(holds(&disk, 14, 14) && holds(&disk, 9, 9));
    assert_eq!(length(&path), empty + 2 * ZONE);
    drop(disk);
    assert_eq!(check(&path).unwrap(), []);
}

#[test]
fn the_last_zone_takes_no_more_than_it_has() {
    let (_dir, path, disk) = fresh_of(&geometry(), Cache::Host);
    let empty = length(&path);
    write(&disk, start(16), &pattern(4096, 16));
    assert_eq!(length(&path), empty + ZONE / 2);
    fill(&disk, 5, 5);
    assert_eq!(length(&path), empty + 2 * ZONE);
}

#[test]
fn a_conventional_zone_reads_as_zeroes_in_a_slot_that_was_used() {
    let (_dir, path, disk) = fresh_of(&geometry(), Cache::Volatile);
    fill(&disk, 5, 5);
    // What was written stays in the file, of no zone.
    disk.power_cut(Loss::All).unwrap();
    drop(disk);
    let disk = open(&path, Cache::Host);
    write(&disk, start(1) + 8, &pattern(4096, 1));
    let (_, data) = read(&disk, start(1), 2048);
    assert_eq!(data[4096..8192], pattern(4096, 1));
    assert!(data[..4096]
        .iter()
        .chain(&data[8192..])
        .all(|byte| *byte == 0));
    drop(disk);
    let (_, again) = read(&open(&path, Cache::Host), start(1), 2048);
    assert!(again == data);
}

#[test]
fn a_zone_keeps_its_slot_over_a_power_cut() {
    for geometry in [geometry(), host_aware()] {
        let (_dir, path, disk) = fresh_of(&geometry, Cache::Volatile);
        fill(&disk, 4, 4);
        write(&disk, start(0), &pattern(4096, 1));
        disk.sync().unwrap();
        write(&disk, start(0), &pattern(4096, 2));
        write(&disk, start(1), &pattern(4096, 3));
        write(&disk, start(6), &pattern(4096, 6));
        disk.power_cut(Loss::All).unwrap();
        common::ready(&disk);
        for (lba, expected) in [
            (start(0), pattern(4096, 1)),
            (start(1), vec![0; 4096]),
            (start(6), vec![0; 4096]),
        ] {
            assert!(read(&disk, lba, 8).1 == expected, "LBA {lba}");
        }
        write(&disk, start(1), &pattern(4096, 7));
        write(&disk, start(6), &pattern(4096, 8));
        fill(&disk, 8, 8);
        drop(disk);
        assert_eq!(check(&path).unwrap(), []);
        let disk = open(&path, Cache::Host);
        assert!(holds(&disk, 4, 4) && holds(&disk, 8, 8));
        assert!(read(&disk, start(1), 8).1 == pattern(4096, 7));
        assert!(read(&disk, start(6), 8).1 == pattern(4096, 8));
    }
}

/// Two zones take turns at one slot while both are read.
#[test]
fn a_read_never_sees_another_zone() {
    let disk = Arc::new(common::temporary());
    let over = AtomicBool::new(false);
    let block = |zone: u64| [zone as u8; ZONE as usize];
    std::thread::scope(|scope| {
        let (reading, over) = (&disk, &over);
        let readers: Vec<_> = [5, 6]
            .map(|zone| {
                scope.spawn(move || {
                    let mut seen = 0u64;
                    while !over.load(Ordering::Relaxed) {
                        let (_, data) = read(reading, start(zone), 2048);
                        let strange = data.iter().find(|byte| ![0, zone as u8].contains(byte));
                        assert_eq!(strange, None, "zone {zone}");
                        seen += u64::from(data[0] > 0);
                    }
                    seen
                })
            })
            .into();
        for _ in 0..100 {
            for zone in [5, 6] {
                let written = write(&disk, start(zone), &block(zone));
                assert_eq!(written.completion.status, Status::Good);
                std::thread::sleep(Duration::from_millis(1));
                reset(&disk, zone);
            }
        }
        over.store(true, Ordering::Relaxed);
        let seen: u64 = readers
            .into_iter()
            .map(|reader| reader.join().unwrap())
            .sum();
        assert!(seen > 0, "no reader saw data");
    });
}

#[test]
fn sixty_terabytes_take_what_is_written() {
    let zone_blocks = 1 << 19;
    let blocks = 60_000_000_000_000 / 512 / zone_blocks * zone_blocks;
    let geometry = Geometry {
        blocks,
        zone_blocks,
        conventional_zones: 10,
        ..geometry()
    };
    let (dir, path, disk) = fresh_of(&geometry, Cache::Host);
    let last = blocks - zone_blocks;
    for lba in [8, last] {
        let outcome = write(&disk, lba, &pattern(1 << 20, lba as u32));
        assert_eq!(outcome.completion.status, Status::Good);
    }
    drop(disk);
    assert!(length(&path) < 1 << 30, "{} bytes", length(&path));
    assert_eq!(check(&path).unwrap(), []);
    let copy = dir.path().join("copy.img");
    snapshot(&path, &copy, false, &mut |_, _| true).unwrap();
    for image in [&path, &copy] {
        let disk = open(image, Cache::Host);
        for lba in [8, last] {
            assert!(read(&disk, lba, 2048).1 == pattern(1 << 20, lba as u32));
        }
        assert_eq!(disk.zone(geometry.zones() - 1).condition, Condition::Closed);
    }
    assert!(inspect(&copy).unwrap().allocated < 16 << 20);
    // ext4's files end at 16 TiB.
    let raw = dir.path().join("raw");
    match export(&copy, &raw, &mut |_, _| true) {
        Ok(()) => assert_eq!(length(&raw), geometry.bytes()),
        Err(error) => {
            assert_eq!(error.kind(), image::ErrorKind::TooLarge);
            assert!(!raw.exists());
        }
    }
}

#[test]
fn a_resized_disk_has_its_data_in_the_first_slots() {
    let (_dir, path, disk) = fresh_of(&geometry(), Cache::Host);
    let empty = length(&path);
    for zone in [3, 4, 5, 6] {
        fill(&disk, zone, zone as u32);
    }
    reset(&disk, 3);
    reset(&disk, 5);
    drop(disk);
    resize(&path, 8 * ZONE, &mut |_, _| true).unwrap();
    assert_eq!(length(&path), empty + 2 * ZONE);
    let disk = open(&path, Cache::Host);
    assert!(holds(&disk, 4, 4) && holds(&disk, 6, 6));
    fill(&disk, 7, 7);
    assert_eq!(length(&path), empty + 3 * ZONE);
}
