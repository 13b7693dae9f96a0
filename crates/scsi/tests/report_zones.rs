//! REPORT ZONES: reporting options, PARTIAL, SAME, allocation lengths.

mod common;

use std::sync::atomic::Ordering;

use common::*;
use zoned::{Condition, Geometry};

/// Zone numbers, of 64-block zones, in the answer.
fn numbers(data: &[u8]) -> Vec<u64> {
    data[64..]
        .chunks_exact(64)
        .map(|zone| be64(zone, 16) / 64)
        .collect()
}

fn be32(data: &[u8], at: usize) -> u32 {
    u32::from_be_bytes(data[at..at + 4].try_into().unwrap())
}

fn be64(data: &[u8], at: usize) -> u64 {
    u64::from_be_bytes(data[at..at + 8].try_into().unwrap())
}

/// Zones 4 to 10: empty, implicitly open, explicitly open, closed, full, read-only, offline.
fn varied() -> Disk {
    let words = fresh(&small());
    words[9].store(word(Condition::ReadOnly, 1).to_le(), Ordering::Relaxed);
    words[10].store(word(Condition::Offline, 0).to_le(), Ordering::Relaxed);
    let disk = Disk::with_words(small(), words);
    disk.run(&[0; 6]);
    disk.write_blocks(5 * 64, 8, 1).good();
    disk.run(&zone_out(OPEN, 6 * 64)).good();
    disk.write_blocks(7 * 64, 16, 1).good();
    disk.run(&zone_out(CLOSE, 7 * 64)).good();
    disk.write_blocks(8 * 64, 64, 1).good();
    disk
}

#[test]
fn a_recommendation_to_reset_lasts_until_the_reset() {
    let disk = varied();
    let reset_bits = |disk: &Disk| -> Vec<usize> {
        let data = disk.run(&report_zones(0, 4096, 0x00)).good();
        (0..16)
            .filter(|zone| data[64 + 64 * zone + 1] & 1 == 1)
            .collect()
    };
    for zone in [5, 7, 8] {
        disk.recommend_reset(zone);
    }
    assert_eq!(reset_bits(&disk), [5, 7, 8]);
    assert_eq!(
        numbers(&disk.run(&report_zones(0, 4096, 0x10)).good()),
        [5, 7, 8]
    );
    disk.write_blocks(5 * 64 + 8, 8, 1).good();
    disk.run(&zone_out(FINISH, 7 * 64)).good();
    disk.run(&zone_out(RESET, 8 * 64)).good();
    assert_eq!(reset_bits(&disk), [5, 7]);
    disk.run(&zone_out_all(RESET)).good();
    assert_eq!(reset_bits(&disk), [0; 0]);
}

#[test]
fn every_reporting_option() {
    let disk = varied();
    let rows: [(u8, Vec<u64>); 12] = [
        (0x00, (0..16).collect()),
        (0x01, vec![4, 11, 12, 13, 14, 15]),
        (0x02, vec![5]),
        (0x03, vec![6]),
        (0x04, vec![7]),
        (0x05, vec![8]),
        (0x06, vec![9]),
        (0x07, vec![10]),
        (0x10, vec![]),
        (0x11, vec![]),
        (0x3E, (0..16).collect()),
        (0x3F, vec![0, 1, 2, 3]),
    ];
    for option in 0..0x40 {
        let answer = disk.run(&report_zones(0, 4096, option));
        match rows.iter().find(|row| row.0 == option) {
            Some((_, wanted)) => {
                let data = answer.good();
                assert_eq!(numbers(&data), *wanted, "option {option:#x}");
                assert_eq!(be32(&data, 0) as usize, wanted.len() * 64);
                assert_eq!(be64(&data, 8), small().blocks - 1);
            }
            None => assert_eq!(answer.sense(), "5/24/00", "option {option:#x}"),
        }
    }
}

#[test]
fn descriptors() {
    let data = varied().run(&report_zones(0, 4096, 0)).good();
    let descriptor = |zone: usize| &data[64 + 64 * zone..128 + 64 * zone];
    let rows = [
        (0, 1, 0x00, u64::MAX),
        (4, 2, 0x10, 4 * 64),
        (5, 2, 0x20, 5 * 64 + 8),
        (6, 2, 0x30, 6 * 64),
        (7, 2, 0x40, 7 * 64 + 16),
        (8, 2, 0xE0, u64::MAX),
        (9, 2, 0xD0, u64::MAX),
        (10, 2, 0xF0, u64::MAX),
    ];
    for (zone, kind, condition, write_pointer) in rows {
        let descriptor = descriptor(zone);
        assert_eq!(
            (descriptor[0], descriptor[1]),
            (kind, condition),
            "zone {zone}"
        );
        assert_eq!(be64(descriptor, 8), 64);
        assert_eq!(be64(descriptor, 16), zone as u64 * 64);
        assert_eq!(be64(descriptor, 24), write_pointer, "zone {zone}");
    }
    assert_eq!(be64(descriptor(15), 8), 32);
}

#[test]
fn starts_at_the_zone_of_the_lba() {
    let data = varied().run(&report_zones(14 * 64 + 63, 4096, 0)).good();
    assert_eq!(numbers(&data), [14, 15]);
}

#[test]
fn the_list_length_counts_all_zones_unless_partial() {
    let disk = Disk::new(small());
    for (allocation_length, returned) in [(0, 0), (3, 3), (64, 64), (100, 100), (192, 192)] {
        let data = disk.run(&report_zones(0, allocation_length, 0)).good();
        assert_eq!(data.len(), returned);
        if let Some(len) = data.get(..4) {
            assert_eq!(be32(len, 0), 16 * 64);
        }
    }
    let whole = disk.run(&report_zones(0, 4096, 0)).good();
    for (allocation_length, listed) in [(63, 0), (64, 0), (127, 63), (200, 136), (4096, 1024)] {
        let data = disk.run(&report_zones(0, allocation_length, 0x80)).good();
        assert_eq!(be32(&data, 0), listed, "what is transferred");
        let len = whole.len().min(allocation_length as usize);
        assert_eq!(data.len(), len, "the last descriptor may be cut");
        assert_eq!(data[8..], whole[8..len]);
    }
    let data = disk.run(&report_zones(0, 4096, 0x80 | 0x3F)).good();
    assert_eq!(numbers(&data), [0, 1, 2, 3]);
}

#[test]
fn the_data_in_buffer_cuts_like_the_allocation_length() {
    let disk = Disk::new(small());
    let answer = disk.run_sized(&report_zones(0, 4096, 0), &[], 100).unwrap();
    assert_eq!(answer.good().len(), 100);
}

#[test]
fn same() {
    let mixed_lengths = small();
    let even = Geometry {
        blocks: 16 * 64,
        ..small()
    };
    let same = |geometry: &Geometry, lba, options| {
        Disk::new(geometry.clone())
            .run(&report_zones(lba, 64, options))
            .good()[4]
    };
    assert_eq!(same(&mixed_lengths, 0, 0), 0, "types and lengths differ");
    assert_eq!(same(&mixed_lengths, 0, 0x3F), 1, "conventional zones only");
    assert_eq!(same(&mixed_lengths, 4 * 64, 0), 2, "the last is smaller");
    assert_eq!(same(&even, 0, 0), 3, "types differ");
    assert_eq!(same(&even, 4 * 64, 0), 1);
}
