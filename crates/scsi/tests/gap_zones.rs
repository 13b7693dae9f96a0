//! Zones whose capacity is below their size: a gap zone follows each sequential zone.

mod common;

use common::{
    read16, report_zones, small, verify16, word, write_same16, zone_out, zone_out_count, Disk,
    CLOSE, FINISH, OPEN, RESET,
};
use zoned::{check_word, Condition, Geometry};

const ZONE: u64 = 64;
const CAPACITY: u64 = 48;
const GAP: &str = "5/21/09";

fn geometry() -> Geometry {
    Geometry {
        zone_capacity: Some(CAPACITY),
        ..small()
    }
}

fn disk() -> Disk {
    Disk::new(geometry())
}

/// Type, condition, start, length and write pointer of each zone listed.
fn listed(data: &[u8]) -> Vec<(u8, u8, u64, u64, u64)> {
    let be64 = |bytes: &[u8], at: usize| u64::from_be_bytes(bytes[at..at + 8].try_into().unwrap());
    let zone = |d: &[u8]| (d[0], d[1] >> 4, be64(d, 16), be64(d, 8), be64(d, 24));
    data[64..].chunks_exact(64).map(zone).collect()
}

#[test]
fn the_page_and_the_report_tell_the_granularity() {
    let page = |disk: &Disk| disk.run(&[0x12, 1, 0xB6, 0, 64, 0]).good();
    let granularity = 64u64.to_be_bytes();
    assert_eq!(
        (page(&disk())[23], &page(&disk())[24..32]),
        (8, &granularity[..])
    );
    assert_eq!(page(&Disk::new(small()))[23..32], [0; 9]);
    let report = |disk: &Disk| disk.run(&report_zones(0, 64, 0)).good();
    assert_eq!(report(&disk())[16..24], granularity);
    assert_eq!(report(&Disk::new(small()))[16..24], [0; 8]);
}

#[test]
fn gap_zones_are_reported_as_zones() {
    let disk = disk();
    let data = disk.run(&report_zones(3 * ZONE, 4096, 0)).good();
    let zones = listed(&data);
    // A conventional zone has no gap, and the capacity ends in the last zone before its gap would begin.
    assert_eq!(zones.len(), 1 + 2 * 12 - 1);
    assert_eq!(
        zones[..3],
        [
            (1, 0, 3 * ZONE, ZONE, u64::MAX),
            (2, 1, 4 * ZONE, CAPACITY, 4 * ZONE),
            (5, 0, 4 * ZONE + CAPACITY, ZONE - CAPACITY, u64::MAX),
        ]
    );
    assert_eq!(zones[zones.len() - 1], (2, 1, 15 * ZONE, 32, 15 * ZONE));
    assert_eq!(data[4], 0, "nothing is the same");

    let kinds = |option| {
        let data = disk.run(&report_zones(0, 4096, option)).good();
        let kinds = |kind| listed(&data).iter().filter(|zone| zone.0 == kind).count();
        [kinds(1), kinds(2), kinds(5)]
    };
    assert_eq!(kinds(0x3E), [4, 12, 0], "all but the gap zones");
    assert_eq!(kinds(0x3F), [4, 0, 11], "by their condition");
    assert_eq!(kinds(0x01), [0, 12, 0]);
}

#[test]
fn a_report_may_start_in_a_gap_zone() {
    let disk = disk();
    for lba in [5 * ZONE + CAPACITY, 6 * ZONE - 1] {
        let data = disk.run(&report_zones(lba, 192, 0)).good();
        let starts: Vec<u64> = listed(&data).iter().map(|zone| zone.2).collect();
        assert_eq!(starts, [5 * ZONE + CAPACITY, 6 * ZONE]);
    }
}

#[test]
fn a_gap_zone_cannot_be_accessed() {
    let disk = disk();
    let gap = 6 * ZONE + CAPACITY;
    for lba in [gap, gap + 8, 7 * ZONE - 8] {
        assert_eq!(disk.run(&read16(lba, 8)).sense(), GAP);
        assert_eq!(disk.run(&verify16(lba, 8, false)).sense(), GAP);
        assert_eq!(disk.write_blocks(lba, 8, 1).sense(), GAP);
        assert_eq!(disk.run(&write_same16(lba, 8, true)).sense(), GAP);
    }
    assert_eq!(disk.run(&read16(gap - 1, 1)).sense(), "ok");
    assert_eq!(disk.run(&read16(gap - 1, 2)).sense(), GAP);
    assert_eq!(disk.run(&read16(6 * ZONE, 2 * ZONE as u32)).sense(), GAP);
    assert_eq!(disk.run(&read16(0, 4 * ZONE as u32)).sense(), "ok");
}

#[test]
fn a_gap_zone_cannot_be_managed() {
    let disk = disk();
    for action in [OPEN, CLOSE, FINISH, RESET] {
        let answer = disk.run(&zone_out(action, 6 * ZONE + CAPACITY));
        assert_eq!(answer.sense(), "5/24/00");
    }
    disk.run(&zone_out_count(FINISH, 6 * ZONE, 2)).good();
    let conditions: Vec<Condition> = (5..9).map(|zone| disk.condition(zone)).collect();
    let (empty, full) = (Condition::Empty, Condition::Full);
    assert_eq!(conditions, [empty, full, full, empty]);
}

#[test]
fn a_zone_is_full_at_its_capacity() {
    let disk = disk();
    let start = 6 * ZONE;
    disk.write_blocks(start, 40, 1).good();
    assert_eq!(disk.write_blocks(start + 40, 16, 1).sense(), "5/21/05");
    disk.write_blocks(start + 40, 8, 1).good();
    assert_eq!(disk.condition(6), Condition::Full);
    assert_eq!((disk.zone(6).start, disk.zone(6).len), (start, CAPACITY));
    let full = word(Condition::Full, CAPACITY / 8);
    assert!(check_word(&geometry(), 6, full).is_ok());
    assert!(check_word(&geometry(), 6, full + (1 << 8)).is_err());
    disk.run(&zone_out(RESET, start)).good();
    assert_eq!(disk.run(&read16(start, 48)).good(), vec![0; 48 * 512]);
}

#[test]
fn capacities_that_cannot_be_are_refused() {
    for capacity in [0, 4, 44, ZONE, 2 * ZONE] {
        let geometry = Geometry {
            zone_capacity: Some(capacity),
            ..small()
        };
        let message = geometry.validate().unwrap_err().to_string();
        let expected =
            format!("zone capacity is {capacity} logical blocks; it must be a multiple of 8");
        assert!(message.starts_with(&expected), "{message}");
    }
}
