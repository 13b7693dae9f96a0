//! Log pages: what they count, that it is kept, and how it is set back.

mod common;

use std::sync::atomic::Ordering;
use std::sync::Barrier;

use command::{Failure, Unit};
use common::*;
use scsi::LogicalUnit;
use zoned::{Condition, Failed, Geometry, Kind};

fn log_sense(disk: &Disk, code: u8, subpage: u8) -> Answer {
    disk.run(&[0x4D, 0, 0x40 | code, subpage, 0, 0, 0, 4, 0, 0])
}

/// The parameters of a page, by their codes.
fn parameters(disk: &Disk, code: u8, subpage: u8) -> Vec<(u16, Vec<u8>)> {
    let data = log_sense(disk, code, subpage).good();
    let len = usize::from(u16::from_be_bytes([data[2], data[3]]));
    assert_eq!(data.len(), 4 + len);
    assert_eq!(data[0] & 0x3F, code);
    let (mut rest, mut found) = (&data[4..], Vec::new());
    while !rest.is_empty() {
        let (head, after) = rest.split_at(4);
        let (value, after) = after.split_at(head[3].into());
        found.push((u16::from_be_bytes([head[0], head[1]]), value.to_vec()));
        rest = after;
    }
    found
}

fn counter(disk: &Disk, page: (u8, u8), code: u16) -> u64 {
    let parameters = parameters(disk, page.0, page.1);
    let (_, value) = parameters.iter().find(|found| found.0 == code).unwrap();
    value.iter().fold(0, |n, &byte| n << 8 | u64::from(byte))
}

const WRITES: (u8, u8) = (0x02, 0);
const READS: (u8, u8) = (0x03, 0);
const VERIFIES: (u8, u8) = (0x05, 0);
const ZONES: (u8, u8) = (0x14, 1);
const BYTES: u16 = 5;
const UNCORRECTED: u16 = 6;

fn sequential() -> Disk {
    Disk::new(Geometry {
        conventional_zones: 0,
        ..small()
    })
}

#[test]
fn every_page_that_is_listed_can_be_read() {
    let disk = Disk::new(small());
    let pages = log_sense(&disk, 0x00, 0xFF).good();
    assert_eq!(pages[..2], [0x40, 0xFF]);
    let pages: Vec<_> = pages[4..]
        .chunks(2)
        .map(|page| (page[0], page[1]))
        .collect();
    assert!(pages.is_sorted() && pages.contains(&(0x14, 1)));
    let first = log_sense(&disk, 0x00, 0).good();
    let without: Vec<u8> = pages
        .iter()
        .filter(|page| page.1 == 0)
        .map(|page| page.0)
        .collect();
    assert_eq!(first[4..], without);
    for (code, subpage) in pages.into_iter().filter(|page| page.0 != 0) {
        assert!(!parameters(&disk, code, subpage).is_empty());
        let of_code = log_sense(&disk, code, 0xFF).good();
        assert!(of_code[4..].chunks(2).any(|page| page == [code, subpage]));
    }
    for (code, subpage) in [(0x01, 0), (0x01, 0xFF), (0x02, 1), (0x14, 0)] {
        assert_eq!(log_sense(&disk, code, subpage).sense(), "5/24/00");
    }
}

#[test]
fn bytes_and_errors_are_counted() {
    let disk = sequential();
    let block = u64::from(disk.geometry().block_size);
    disk.write_blocks(0, 16, 1).good();
    disk.run(&read16(0, 8)).good();
    disk.run(&read16(0, 8)).good();
    disk.run(&verify16(0, 8, false)).good();
    let mut write_and_verify = write16(16, 8);
    write_and_verify[0] = 0x8E;
    disk.run_with(&write_and_verify, &vec![1; 8 * block as usize])
        .good();
    for (page, bytes) in [(WRITES, 24), (READS, 16), (VERIFIES, 16)] {
        assert_eq!(counter(&disk, page, BYTES), bytes * block);
        assert_eq!(counter(&disk, page, UNCORRECTED), 0);
    }
    disk.plan(&read16(0, 8), &[])
        .finish(Err(Failed::Read { offset: 0 }));
    disk.plan(&write16(24, 8), &[1; 4096])
        .finish(Err(Failed::Write { offset: 0 }));
    for (page, errors) in [(WRITES, 1), (READS, 1), (VERIFIES, 0)] {
        assert_eq!(counter(&disk, page, UNCORRECTED), errors);
    }
    disk.unit.protocol().refuse(Failure::Aborted);
    assert_eq!(counter(&disk, (0x06, 0), 0), 1);
}

#[test]
fn violations_of_zones_are_counted() {
    let disk = Disk::new(Geometry {
        conventional_zones: 0,
        unrestricted_reads: false,
        max_open: Some(1),
        ..small()
    });
    let zone = disk.geometry().zone_blocks;
    assert_eq!(disk.write_blocks(8, 8, 1).sense(), "5/21/04");
    assert_eq!(disk.run(&read16(0, 8)).sense(), "5/21/06");
    disk.run(&zone_out(OPEN, 0)).good();
    assert_eq!(disk.run(&zone_out(OPEN, zone)).sense(), "7/55/0E");
    for code in [8, 9, 10] {
        assert_eq!(counter(&disk, ZONES, code), 1, "parameter {code}");
    }
}

#[test]
fn starts_are_counted() {
    let disk = Disk::new(small());
    assert_eq!(counter(&disk, (0x0E, 0), 4), 1);
    disk.run(&[0x1B, 0, 0, 0, 0, 0]).good();
    disk.run(&[0x1B, 0, 0, 0, 1, 0]).good();
    disk.run(&[0x1B, 0, 0, 0, 1, 0]).good();
    assert_eq!(counter(&disk, (0x0E, 0), 4), 2);
}

#[test]
fn what_is_counted_is_kept_and_set_back_by_log_select() {
    let disk = sequential();
    let block = u64::from(disk.geometry().block_size);
    disk.write_blocks(0, 8, 1).good();
    let again = LogicalUnit::new(disk.ram.clone(), identity());
    assert_eq!(again.protocol().name(), "SCSI");
    drop(again);
    // The unit is dropped, and another one powered on.
    let disk = disk.again();
    assert_eq!(counter(&disk, WRITES, BYTES), 8 * block);
    assert_eq!(
        counter(&disk, (0x0E, 0), 4),
        2,
        "powering on a unit that nobody uses does not count"
    );
    let select = |byte: u8, code: u8| disk.run(&[0x4C, byte, 0x40 | code, 0, 0, 0, 0, 0, 0, 0]);
    select(0, 0x02).good();
    assert_eq!(counter(&disk, WRITES, BYTES), 8 * block);
    disk.run(&read16(0, 8)).good();
    select(3, 0x02).good();
    assert_eq!(counter(&disk, WRITES, BYTES), 0);
    assert_eq!(counter(&disk, READS, BYTES), 8 * block);
    select(2, 0).good();
    assert_eq!(counter(&disk, READS, BYTES), 0);
    assert_eq!(select(2, 0x01).sense(), "5/24/00");
    let list = [0x4C, 0, 0x42, 0, 0, 0, 0, 0, 4, 0];
    assert_eq!(disk.run_with(&list, &[0; 4]).sense(), "5/24/00");
}

#[test]
fn statistics_of_zones_are_those_of_the_disks_life() {
    let disk = Disk::new(small());
    let zone = disk.geometry().zone_blocks;
    let statistics = |disk: &Disk| [0, 1, 2, 3, 5].map(|code| counter(disk, ZONES, code));
    assert_eq!(statistics(&disk), [0, 0, 0, 12, 0]);
    disk.run(&zone_out(OPEN, 4 * zone)).good();
    disk.write_blocks(5 * zone, 8, 1).good();
    disk.run(&zone_out(FINISH, 6 * zone)).good();
    assert_eq!(statistics(&disk), [2, 1, 1, 9, 0]);
    disk.run(&zone_out_all(RESET)).good();
    assert_eq!(statistics(&disk), [2, 1, 1, 9, 3]);
    let disk = disk.again();
    assert_eq!(statistics(&disk), [2, 1, 1, 9, 3]);
    disk.run(&zone_out(OPEN, 4 * zone)).good();
    disk.run(&[0x4C, 2, 0x54, 1, 0, 0, 0, 0, 0, 0]).good();
    assert_eq!(statistics(&disk), [1, 1, 0, 11, 0], "what is so now");

    let codes = |disk: &Disk| -> Vec<u16> {
        let parameters = parameters(disk, ZONES.0, ZONES.1);
        parameters.into_iter().map(|(code, _)| code).collect()
    };
    assert_eq!(codes(&disk), [0, 1, 2, 3, 5, 8, 9, 10]);
    let aware = Disk::new(Geometry {
        kind: Kind::HostAware,
        conventional_zones: 0,
        ..small()
    });
    aware.write_blocks(8, 8, 1).good();
    assert_eq!(codes(&aware), [0, 1, 2, 3, 4, 5, 8, 9, 10]);
    assert_eq!(counter(&aware, ZONES, 4), 1);
}

#[test]
fn commands_and_blocks_are_counted() {
    let disk = sequential();
    disk.write_blocks(0, 16, 1).good();
    disk.run(&read16(0, 8)).good();
    disk.run(&read16(0, 4)).good();
    disk.run(&verify16(0, 8, false)).good();
    assert_eq!(access(&disk), [2, 1, 16, 12, 0, 0, 0, 0]);
}

/// Parameter 1 of page 19h.
fn access(disk: &Disk) -> Vec<u64> {
    let parameters = parameters(disk, 0x19, 0);
    let numbers = parameters[0].1.chunks(8);
    numbers
        .map(|bytes| u64::from_be_bytes(bytes.try_into().unwrap()))
        .collect()
}

#[test]
fn blocks_are_set_back_with_their_own_page_only() {
    let disk = sequential();
    let block = u64::from(disk.geometry().block_size);
    let reset = |disk: &Disk, code: u8| {
        let cdb = [0x4C, 2, 0x40 | code, 0, 0, 0, 0, 0, 0, 0];
        disk.run(&cdb).good();
    };
    disk.write_blocks(0, 16, 1).good();
    disk.run(&read16(0, 8)).good();
    for code in [0x02, 0x03] {
        reset(&disk, code);
    }
    assert_eq!(access(&disk)[..4], [1, 1, 16, 8]);
    disk.write_blocks(16, 8, 1).good();
    let disk = disk.again();
    assert_eq!(access(&disk)[..4], [1, 2, 24, 8]);
    reset(&disk, 0x19);
    assert_eq!(access(&disk)[..4], [0; 4]);
    assert_eq!(counter(&disk, WRITES, BYTES), 8 * block);
    disk.run(&read16(0, 4)).good();
    assert_eq!(access(&disk)[..4], [1, 0, 0, 4]);
    reset(&disk, 0);
    assert_eq!(access(&disk)[..4], [0; 4]);
}

#[test]
fn the_port_has_one_phy() {
    let disk = Disk::new(small());
    let [(1, port)] = &parameters(&disk, 0x18, 0)[..] else {
        panic!("one port");
    };
    assert_eq!(port[..4], [6, 0, 0, 1]);
    let phy = &port[4..];
    assert_eq!((phy.len(), phy[3]), (52, 48));
    assert_eq!(phy[4..8], [0x10, 0x0B, 0x08, 0]);
    let wwn = identity().wwn;
    assert_eq!(phy[8..16], (wwn + 1).to_be_bytes());
    assert!(phy[24..].iter().all(|&byte| byte == 0));
}

#[test]
fn a_conventional_zone_is_never_one_less_that_is_empty() {
    let words = fresh(&small());
    words[0].store(word(Condition::ReadOnly, 0).to_le(), Ordering::Relaxed);
    let disk = Disk::with_words(small(), words);
    disk.run(&[0; 6]);
    assert_eq!(counter(&disk, ZONES, 3), 12);
    disk.make_read_only(4);
    assert_eq!(counter(&disk, ZONES, 3), 11);
}

#[test]
fn transitions_of_power_are_counted() {
    let disk = Disk::new(small());
    for [condition, modifier] in [[2, 0], [2, 0], [2, 1], [3, 1]] {
        let cdb = [0x1B, 0, 0, modifier, condition << 4, 0];
        disk.run(&cdb).good();
    }
    disk.run(&read16(0, 1)).good();
    let counted = [1, 2, 3, 4, 8, 9].map(|code| counter(&disk, (0x1A, 0), code));
    assert_eq!(counted, [1, 1, 1, 0, 0, 1]);
}

#[test]
fn commands_that_come_at_once_wake_the_unit_once() {
    const ROUNDS: u64 = 4000;
    const THREADS: usize = 4;
    let disk = Disk::new(small());
    let (asleep, awake) = (Barrier::new(THREADS + 1), Barrier::new(THREADS + 1));
    std::thread::scope(|scope| {
        for _ in 0..THREADS {
            scope.spawn(|| {
                for _ in 0..ROUNDS {
                    asleep.wait();
                    disk.run_sized(&read16(0, 1), &[], 512).unwrap().good();
                    awake.wait();
                }
            });
        }
        for _ in 0..ROUNDS {
            disk.run(&[0x1B, 0, 0, 0, 0x20, 0]).good();
            asleep.wait();
            awake.wait();
        }
    });
    assert_eq!(counter(&disk, (0x1A, 0), 1), ROUNDS);
}

#[test]
fn page_control_and_parameter_pointer() {
    let disk = sequential();
    disk.write_blocks(0, 8, 1).good();
    let sense = |control: u8, pointer: u8| {
        disk.run(&[0x4D, 0, control << 6 | 0x02, 0, 0, 0, pointer, 1, 0, 0])
    };
    assert_eq!(sense(1, 5).good().len(), 4 + 2 * 12);
    assert_eq!(sense(1, 7).sense(), "5/24/00");
    assert!(sense(3, 5).good()[8..16].iter().all(|&byte| byte == 0));
    for control in [0, 2] {
        assert_eq!(sense(control, 0).sense(), "5/24/00", "no thresholds");
    }
}
