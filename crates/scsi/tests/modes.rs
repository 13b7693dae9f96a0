//! Mode pages: what MODE SENSE says, what MODE SELECT changes and saves, and what comes of it.

mod common;

use command::{Command, Unit};
use common::*;
use scsi::LogicalUnit;
use zoned::testing::Bytes;
use zoned::{Op, Operation, ZonedDisk};

#[test]
fn mode_sense_headers_and_block_descriptors() {
    let disk = Disk::new(small());
    let blocks = small().blocks as u32;
    let data = disk.run(&[0x1A, 0, 0x3F, 0, 255, 0]).good();
    assert_eq!(data[..4], [3 + 8 + 112, 0, 0x10, 8]);
    assert_eq!(data[4..8], blocks.to_be_bytes());
    assert_eq!(data[8..12], 512u32.to_be_bytes());
    assert_eq!((data[12], data[24], data[40]), (0x81, 0x82, 0x88));
    assert_eq!(data.len(), 12 + 112);
    assert_eq!(
        disk.run(&[0x1A, 8, 0x3F, 0xFF, 255, 0]).good()[..5],
        [3 + 112 + 32, 0, 0x10, 0, 0x81]
    );

    let data = disk.run(&[0x5A, 0x10, 0x08, 0, 0, 0, 0, 1, 0, 0]).good();
    assert_eq!(data[..8], [0, 42, 0, 0x10, 1, 0, 0, 16]);
    assert_eq!(data[8..16], small().blocks.to_be_bytes());
    assert_eq!(data[20..24], 512u32.to_be_bytes());
    assert_eq!((data[24], data.len()), (0x88, 44));
    assert_eq!(
        disk.run(&[0x5A, 0, 0x08, 0, 0, 0, 0, 0, 4, 0]).good(),
        [0, 34, 0, 0x10]
    );
}

#[test]
fn mode_page_control() {
    let disk = Disk::new(small());
    let wce = |control: u8| disk.run(&[0x1A, 8, control << 6 | 8, 0, 255, 0]);
    assert_eq!(wce(0).good()[6], 0x04);
    assert_eq!(wce(1).good()[4..8], [0x88, 0x12, 0x04, 0]);
    assert_eq!(wce(2).good()[6], 0x04);
    assert_eq!(wce(3).good()[6], 0x04);
    assert_eq!(
        disk.run(&[0x1A, 8, 0x42, 0, 255, 0]).good()[6..],
        [0; 14],
        "nothing to change"
    );
    for (page, subpage) in [(0x03, 0), (0x08, 1), (0x3F, 2), (0x0A, 0xF2)] {
        assert_eq!(
            disk.run(&[0x1A, 8, page, subpage, 255, 0]).sense(),
            "5/24/00"
        );
    }
}

/// A MODE SELECT(6) parameter list with the caching page.
fn caching(wce: bool) -> Vec<u8> {
    let mut list = vec![0; 24];
    list[4..7].copy_from_slice(&[0x08, 0x12, u8::from(wce) << 2]);
    list
}

#[test]
fn without_the_write_cache_writes_are_durable() {
    let disk = Disk::new(small());
    let durable = |cdb: &[u8]| match disk.plan(cdb, &[0; 4096]).op() {
        Op::Write { stable, .. } => stable,
        op => panic!("{op:?}"),
    };
    assert!(!durable(&write16(0, 8)));
    let mut fua = write16(0, 8);
    fua[1] = 0x08;
    assert!(durable(&fua));
    let plan = disk.plan(&[0x15, 0x10, 0, 0, 24, 0], &caching(false));
    assert_eq!(plan.op(), Op::Flush, "what is cached becomes durable");
    drop(plan);
    assert!(durable(&write16(0, 8)));
    disk.run_with(&[0x15, 0x10, 0, 0, 24, 0], &caching(true))
        .good();
    assert!(!durable(&write16(0, 8)));
    disk.run_with(&[0x15, 0x10, 0, 0, 24, 0], &caching(false))
        .good();
    disk.unit.reset();
    disk.run(&[0; 6]);
    assert!(!durable(&write16(0, 8)), "a reset restores the default");
}

#[test]
fn mode_select_takes_back_what_mode_sense_gave() {
    let disk = Disk::new(small());
    for cdb in [
        [0x5A, 0x10, 0x3F, 0, 0, 0, 0, 1, 0, 0],
        [0x5A, 0, 0x3F, 0xFF, 0, 0, 0, 1, 0, 0],
    ] {
        let list = disk.run(&cdb).good();
        disk.run_with(&[0x55, 0x10, 0, 0, 0, 0, 0, 0, list.len() as u8, 0], &list)
            .good();
    }
    disk.run(&[0x15, 0x10, 0, 0, 0, 0]).good();
}

#[test]
fn mode_select_refuses_what_cannot_be_changed() {
    let disk = Disk::new(small());
    let select = |list: &[u8]| {
        disk.run_with(&[0x15, 0x10, 0, 0, list.len() as u8, 0], list)
            .sense()
    };
    let with = |at: usize, byte: u8| {
        let mut list = caching(true);
        list[at] = byte;
        list
    };
    assert_eq!(
        select(&with(7, 1)),
        "5/26/00",
        "a field that is not changeable"
    );
    assert_eq!(select(&with(4, 3)), "5/26/00", "an unknown page");
    assert_eq!(select(&with(5, 0x0A)), "5/26/00", "a wrong page length");
    assert_eq!(select(&with(1, 5)), "5/26/00", "a medium type");
    assert_eq!(select(&with(3, 7)), "5/26/00", "a wrong descriptor length");
    assert_eq!(select(&caching(true)[..20]), "5/1A/00", "half a page");
    assert_eq!(select(&[0, 0, 0]), "5/1A/00", "half a header");
    let mut resized = vec![0, 0, 0, 8, 0, 0, 0, 0, 0, 0, 0x10, 0];
    assert_eq!(select(&resized), "5/26/00", "another block size");
    resized[10] = 2;
    assert_eq!(select(&resized), "ok");
    resized[7] = 1;
    assert_eq!(select(&resized), "5/26/00", "another capacity");
    assert_eq!(
        disk.run(&[0x15, 0x00, 0, 0, 4, 0]).sense(),
        "5/24/00",
        "PF is zero"
    );
    assert!(disk
        .run_sized(&[0x15, 0x10, 0, 0, 24, 0], &[0; 23], 0)
        .is_none());
}

/// What MODE SENSE says of a page: its bytes, without header and block descriptor.
fn page(disk: &Disk, control: u8, code: u8, subpage: u8) -> Vec<u8> {
    let data = disk.run(&[0x1A, 8, control << 6 | code, subpage, 255, 0]);
    data.good()[4..].to_vec()
}

const CURRENT: u8 = 0;
const CHANGEABLE: u8 = 1;
const DEFAULT: u8 = 2;
const SAVED: u8 = 3;

/// Changes a page by MODE SELECT(6): byte `at` becomes `value`.
fn select(disk: &Disk, save: bool, code: u8, at: usize, value: u8) -> Answer {
    let mut list = vec![0; 4];
    list.extend(page(disk, CURRENT, code, 0));
    list[4 + at] = value;
    let cdb = [0x15, 0x10 | u8::from(save), 0, 0, list.len() as u8, 0];
    disk.run_with(&cdb, &list)
}

#[test]
fn saved_values_are_those_after_a_reset_and_a_power_cycle() {
    let disk = Disk::new(small());
    let wce = |control| page(&disk, control, 0x08, 0)[2];
    select(&disk, true, 0x08, 2, 0).good();
    select(&disk, false, 0x08, 2, 4).good();
    let values = [CURRENT, SAVED, DEFAULT].map(wce);
    assert_eq!(values, [4, 0, 4]);
    disk.unit.reset();
    disk.run(&[0; 6]);
    assert_eq!(wce(CURRENT), 0);

    let again = LogicalUnit::new(disk.ram.clone(), identity());
    let disk = Disk {
        unit: again,
        ..disk
    };
    disk.run(&[0; 6]);
    let wce = |control| page(&disk, control, 0x08, 0)[2];
    assert_eq!([CURRENT, SAVED, DEFAULT].map(wce), [0, 0, 4]);
}

#[test]
fn what_was_saved_and_cannot_be_is_left_out() {
    let disk = Disk::new(small());
    let of = |kept: &[u8]| {
        let data = Bytes::new(kept.to_vec());
        let save = Operation::Save { kind: 1 }.into();
        disk.ram.submit(save, &data).wait().unwrap();
        let unit = LogicalUnit::new(disk.ram.clone(), identity());
        let command = Command::new(&[0; 6], None, Bytes::default(), Bytes::default());
        unit.execute(&command).wait().unwrap();
        let into = Bytes::new(vec![0; 255]);
        let sense = [0x1A, 8, 0xC8, 0, 255, 0];
        let command = Command::new(&sense, None, Bytes::default(), into.clone());
        unit.execute(&command).wait().unwrap();
        into.to_vec()[6]
    };
    let mut caching = vec![0x08, 0x12];
    caching.resize(20, 0);
    assert_eq!(of(&caching), 0);
    assert_eq!(of(&caching[..19]), 4, "cut short");
    assert_eq!(
        of(&[&[0x3E, 0], &caching[..]].concat()),
        4,
        "an unknown page"
    );
    caching[5] = 1;
    assert_eq!(of(&caching), 4, "what cannot be changed");
    assert_eq!(of(&[]), 4);
}

#[test]
fn what_is_changeable_can_be_changed_and_is_all_that_can() {
    let disk = Disk::new(small());
    for code in [0x01, 0x02, 0x08, 0x0A, 0x1A, 0x1C] {
        let (now, changeable) = (
            page(&disk, CURRENT, code, 0),
            page(&disk, CHANGEABLE, code, 0),
        );
        for at in 2..now.len() {
            for bit in 0..8 {
                let answer = select(&disk, false, code, at, now[at] ^ 1 << bit);
                let can = changeable[at] >> bit & 1 == 1;
                // MRIE has values that are not supported.
                let is_method = (code, at) == (0x1C, 3);
                let expected = if can && !is_method { "ok" } else { "5/26/00" };
                assert_eq!(
                    answer.sense(),
                    expected,
                    "page {code:02X}h, byte {at}, bit {bit}"
                );
                disk.unit.reset();
                disk.run(&[0; 6]);
            }
        }
    }
    let extension = page(&disk, CHANGEABLE, 0x0A, 1);
    assert_eq!(extension[..4], [0xCA, 1, 0, 0x1C]);
    assert_eq!(extension[4..], [0; 28]);
}

#[test]
fn software_write_protection_refuses_what_changes_the_medium() {
    let disk = Disk::new(small());
    select(&disk, false, 0x0A, 4, 0x08).good();
    assert_eq!(disk.run(&[0x1A, 8, 0x08, 0, 4, 0]).good()[2], 0x90, "WP");
    assert_eq!(disk.write_blocks(0, 8, 1).sense(), "7/27/02");
    assert_eq!(disk.run(&zone_out_all(RESET)).sense(), "7/27/02");
    disk.run(&read16(0, 8)).good();
    disk.run(&report_zones(0, 64, 0)).good();
    select(&disk, false, 0x0A, 4, 0).good();
    disk.write_blocks(0, 8, 1).good();
}

#[test]
fn a_failure_is_predicted_on_request_for_a_test() {
    let disk = Disk::new(small());
    let told = || {
        let sense = disk.run(&[0x03, 0, 0, 0, 18, 0]).good();
        (sense[2], sense[12], sense[13])
    };
    assert_eq!(told(), (0, 0, 0));
    select(&disk, false, 0x1C, 2, 0x14).good();
    assert_eq!(told(), (0, 0x5D, 0xFF));
    assert_eq!(select(&disk, false, 0x1C, 2, 0x1C).sense(), "5/26/00");
    select(&disk, false, 0x1C, 3, 0).good();
    assert_eq!(told(), (0, 0, 0), "no reporting");
}
