//! A host-aware disk: its sequential zones are written anywhere, and it says so.

mod common;

use common::{
    read16, report_zones, small, word, write16, write_same16, zone_out, zone_out_all, Disk, CLOSE,
    FINISH, OPEN, RESET,
};
use zoned::{check_word, cut_back, Condition, Failed, Geometry, Kind};

const ZONE: u64 = 64;

fn geometry() -> Geometry {
    Geometry {
        kind: Kind::HostAware,
        ..small()
    }
}

/// A disk whose medium is full of what was never written through it.
fn disk() -> Disk {
    let disk = Disk::new(geometry());
    disk.ram.poke(0, &vec![0xDD; geometry().bytes() as usize]);
    disk
}

/// Condition, blocks below the write pointer, NON_SEQ.
fn state(disk: &Disk, number: usize) -> (Condition, Option<u64>, bool) {
    let zone = disk.zone(number);
    let written = zone.write_pointer.map(|pointer| pointer - zone.start);
    (zone.condition, written, zone.non_sequential)
}

#[track_caller]
fn holds(disk: &Disk, lba: u64, runs: &[(u32, u8)]) {
    let blocks = runs.iter().map(|run| run.0).sum();
    let data = disk.run(&read16(lba, blocks)).good();
    let wanted: Vec<u8> = runs
        .iter()
        .flat_map(|&(blocks, fill)| vec![fill; blocks as usize * 512])
        .collect();
    assert!(
        data == wanted,
        "blocks {lba} to {}",
        lba + u64::from(blocks)
    );
}

#[test]
fn inquiry_and_pages_say_so() {
    let disk = disk();
    assert_eq!(disk.run(&[0x12, 0, 0, 0, 96, 0]).good()[0], 0x00);
    let characteristics = disk.run(&[0x12, 1, 0xB1, 0, 64, 0]).good();
    assert_eq!((characteristics[0], characteristics[8] >> 4 & 3), (0x00, 1));
    let zoned = disk.run(&[0x12, 1, 0xB6, 0, 64, 0]).good();
    let limits = [3, u32::MAX, u32::MAX].map(u32::to_be_bytes).concat();
    assert_eq!(
        zoned[8..20],
        limits,
        "an optimal number of open zones, no limit"
    );
}

#[test]
fn zones_are_sequential_write_preferred() {
    let report = disk().run(&report_zones(0, 4096, 0)).good();
    let types: Vec<u8> = report[64..].chunks(64).map(|zone| zone[0]).collect();
    assert_eq!(types[..5], [1, 1, 1, 1, 3]);
}

#[test]
fn writes_at_the_write_pointer_are_sequential_in_any_blocks() {
    let disk = disk();
    let start = 6 * ZONE;
    disk.write_blocks(start, 1, 1).good();
    assert_eq!(state(&disk, 6), (Condition::ImplicitlyOpen, Some(1), false));
    disk.write_blocks(start + 1, 2, 2).good();
    assert_eq!(state(&disk, 6), (Condition::ImplicitlyOpen, Some(3), false));
    holds(&disk, start, &[(1, 1), (2, 2), (61, 0)]);
    disk.write_blocks(start + 3, 61, 3).good();
    assert_eq!(state(&disk, 6), (Condition::Full, None, false));
}

#[test]
fn a_write_below_the_write_pointer_leaves_it() {
    let disk = disk();
    let start = 6 * ZONE;
    disk.write_blocks(start, 10, 1).good();
    disk.write_blocks(start + 2, 3, 2).good();
    assert_eq!(state(&disk, 6), (Condition::ImplicitlyOpen, Some(10), true));
    holds(&disk, start, &[(2, 1), (3, 2), (5, 1), (54, 0)]);
    disk.write_blocks(start + 8, 4, 3).good();
    assert_eq!(state(&disk, 6), (Condition::ImplicitlyOpen, Some(12), true));
}

#[test]
fn what_a_write_skips_reads_as_zeroes() {
    for same in [false, true] {
        let disk = disk();
        let start = 6 * ZONE;
        disk.write_blocks(start, 3, 1).good();
        if same {
            disk.run_with(&write_same16(start + 21, 2, false), &[2; 512])
                .good();
        } else {
            disk.write_blocks(start + 21, 2, 2).good();
        }
        assert_eq!(state(&disk, 6), (Condition::ImplicitlyOpen, Some(23), true));
        holds(&disk, start, &[(3, 1), (18, 0), (2, 2), (41, 0)]);
    }
}

#[test]
fn a_full_zone_is_overwritten_and_stays_full() {
    let disk = disk();
    let start = 6 * ZONE;
    disk.write_blocks(start, 64, 1).good();
    disk.write_blocks(start + 9, 1, 2).good();
    assert_eq!(state(&disk, 6), (Condition::Full, None, true));
    holds(&disk, start, &[(9, 1), (1, 2), (54, 1)]);
}

#[test]
fn a_finished_zone_reads_as_zeroes_where_it_was_not_written() {
    let disk = disk();
    let start = 6 * ZONE;
    disk.write_blocks(start, 2, 1).good();
    disk.run(&zone_out(FINISH, start)).good();
    assert_eq!(state(&disk, 6), (Condition::Full, None, false));
    disk.write_blocks(start + 30, 1, 2).good();
    assert_eq!(state(&disk, 6), (Condition::Full, None, true));
    holds(&disk, start, &[(2, 1), (28, 0), (1, 2), (33, 0)]);
}

#[test]
fn a_write_crosses_zones_of_any_type() {
    let disk = disk();
    disk.write_blocks(4 * ZONE + 5, 1, 9).good();
    disk.write_blocks(3 * ZONE + 60, 4 + 64 + 2, 1).good();
    assert_eq!(state(&disk, 3), (Condition::NotWritePointer, None, false));
    assert_eq!(state(&disk, 4), (Condition::Full, None, true));
    assert_eq!(state(&disk, 5), (Condition::ImplicitlyOpen, Some(2), false));
    holds(&disk, 3 * ZONE + 60, &[(70, 1), (62, 0)]);
    disk.write_blocks(5 * ZONE + 60, 6, 2).good();
    holds(&disk, 5 * ZONE, &[(2, 1), (58, 0), (6, 2)]);
}

#[test]
fn a_write_into_a_zone_that_failed_writes_nothing_anywhere() {
    for (fail, sense) in [
        (Condition::ReadOnly, "7/27/08"),
        (Condition::Offline, "7/2C/0E"),
    ] {
        let disk = disk();
        match fail {
            Condition::ReadOnly => disk.make_read_only(6),
            _ => disk.take_offline(6),
        }
        assert_eq!(disk.write_blocks(5 * ZONE + 60, 8, 1).sense(), sense);
        assert_eq!(state(&disk, 5), (Condition::Empty, Some(0), false));
    }
}

#[test]
fn a_write_that_fails_leaves_every_zone_as_it_was() {
    let disk = disk();
    let out = [1; 8 * 512];
    let plan = disk.plan(&write16(5 * ZONE + 60, 8), &out);
    assert_eq!(disk.open_zones(), 2);
    plan.finish(Err(Failed::Write { offset: 0 }));
    assert_eq!(state(&disk, 5), (Condition::Empty, Some(0), false));
    assert_eq!(state(&disk, 6), (Condition::Empty, Some(0), false));
}

#[test]
fn a_reset_forgets_that_writes_were_out_of_sequence() {
    let disk = disk();
    let start = 6 * ZONE;
    disk.write_blocks(start + 5, 1, 1).good();
    disk.run(&zone_out(CLOSE, start)).good();
    assert_eq!(state(&disk, 6), (Condition::Closed, Some(6), true));
    disk.run(&zone_out(FINISH, start)).good();
    assert_eq!(state(&disk, 6), (Condition::Full, None, true));
    disk.run(&zone_out(RESET, start)).good();
    assert_eq!(state(&disk, 6), (Condition::Empty, Some(0), false));
}

#[test]
fn report_zones_lists_those_written_out_of_sequence() {
    let disk = disk();
    disk.write_blocks(6 * ZONE + 1, 1, 1).good();
    disk.write_blocks(7 * ZONE, 1, 1).good();
    let report = disk.run(&report_zones(0, 4096, 0x11)).good();
    assert_eq!(report.len(), 2 * 64);
    assert_eq!(report[64 + 1], 0x22, "implicitly open, NON_SEQ");
    assert_eq!(report[64 + 16..64 + 24], (6 * ZONE).to_be_bytes());
}

#[test]
fn any_number_of_zones_is_open() {
    let disk = disk();
    for zone in 4..10 {
        disk.write_blocks(zone * ZONE, 1, 1).good();
    }
    for zone in 10..16 {
        disk.run(&zone_out(OPEN, zone * ZONE)).good();
    }
    assert_eq!(disk.open_zones(), 12);
    disk.run(&zone_out_all(CLOSE)).good();
    disk.run(&zone_out_all(OPEN)).good();
    assert_eq!(disk.open_zones(), 6);
}

#[test]
fn nothing_else_can_be_written_out_of_sequence() {
    let non_sequential = word(Condition::Closed, 8) | 1 << 4;
    assert!(check_word(&geometry(), 6, non_sequential).is_ok());
    assert!(check_word(&small(), 6, non_sequential).is_err());
    assert!(check_word(&geometry(), 6, word(Condition::Full, 0) | 1 << 4).is_err());
    assert!(check_word(&geometry(), 0, word(Condition::NotWritePointer, 0) | 1 << 4).is_err());
}

#[test]
fn it_has_neither_gap_zones_nor_restricted_reads() {
    let gaps = Geometry {
        zone_capacity: Some(32),
        ..geometry()
    };
    let restricted = Geometry {
        unrestricted_reads: false,
        ..geometry()
    };
    assert!(gaps.validate().is_err());
    assert!(restricted.validate().is_err());
}

#[test]
fn a_zone_that_lost_data_has_a_word_that_can_be() {
    for condition in [
        Condition::Closed,
        Condition::Full,
        Condition::ReadOnly,
        Condition::Offline,
    ] {
        for (left, stable) in [(0, 0), (1, 0), (7, 0), (8, 0), (9, 0), (0, 0xE), (7, 0xE)] {
            let cut = cut_back(word(condition, 8) | 1 << 4, stable, left);
            assert_eq!(
                check_word(&geometry(), 6, cut),
                Ok(()),
                "{condition:?}, {left}"
            );
            assert_eq!(zoned::written(cut), left.min(8));
        }
    }
}
