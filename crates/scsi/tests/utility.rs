//! Commands of utilities: timestamp, echo buffer, defects, task management functions, WRITE AND VERIFY, PRE-FETCH.

mod common;

use command::Unit;
use common::*;
use zoned::{Failed, Geometry, Op};

#[test]
fn the_timestamp_is_zero_at_power_on_and_can_be_set() {
    let disk = Disk::new(small());
    let report = || {
        disk.run(&[0xA3, 0x0F, 0, 0, 0, 0, 0, 0, 0, 12, 0, 0])
            .good()
    };
    let milliseconds = |data: &[u8]| data[4..10].iter().fold(0, |n, &b| n << 8 | u64::from(b));
    let first = report();
    assert_eq!(first[..4], [0, 10, 0, 0]);
    assert!(milliseconds(&first) < 1 << 40, "it began at zero");
    let set = |list: &[u8]| {
        let cdb = [0xA4, 0x0F, 0, 0, 0, 0, 0, 0, 0, list.len() as u8, 0, 0];
        disk.run_with(&cdb, list).sense()
    };
    assert_eq!(set(&[0, 0, 0, 0, 0xAB, 0, 0, 0, 0, 5, 0, 0]), "ok");
    let second = report();
    assert_eq!((second[2], second[4]), (2, 0xAB));
    assert!(milliseconds(&second) >= 0xAB00_0000_0005);
    assert!(milliseconds(&report()) >= milliseconds(&second));
    assert_eq!(set(&[0; 11]), "5/1A/00");
    assert_eq!(set(&[]), "ok");
    disk.unit.reset();
    disk.run(&[0; 6]);
    assert_eq!(report()[2], 0);
}

#[test]
fn the_echo_buffer_gives_back_what_was_written() {
    let disk = Disk::new(small());
    let read = |mode: u8, id: u8| disk.run(&[0x3C, mode, id, 0, 0, 0, 0, 0x20, 0, 0]);
    assert_eq!(read(0x0A, 0).sense(), "5/2C/00");
    assert_eq!(read(0x0B, 0).good(), [0, 0, 0x10, 0]);
    assert_eq!(read(0x03, 7).good(), [0; 4]);
    for mode in [0x00, 0x02, 0x05, 0x1C] {
        assert_eq!(read(mode, 0).sense(), "5/24/00", "mode {mode:02X}h");
        let write = [0x3B, mode, 0, 0, 0, 0, 0, 0, 1, 0];
        assert_eq!(disk.run_with(&write, &[1]).sense(), "5/24/00");
    }
    let text: Vec<u8> = (0..4096).map(|at| at as u8).collect();
    let write = [0x3B, 0x0A, 0, 0, 0, 0, 0, 0x10, 0, 0];
    disk.run_with(&write, &text).good();
    assert_eq!(read(0x0A, 0).good(), text);
    let read_16 = |mode: u8, id: u8| {
        let cdb = [0x9B, mode, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x20, 0, id, 0];
        disk.run(&cdb)
    };
    assert_eq!(read_16(0x0A, 0).good(), text);
    assert_eq!(read_16(0x03, 7).good(), [0; 4]);
    let offset = [0x9B, 0x0A, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 8, 0, 0];
    assert_eq!(disk.run(&offset).sense(), "5/24/00");
    let long = [0x3B, 0x0A, 0, 0, 0, 0, 0, 0x10, 1, 0];
    assert_eq!(disk.run_with(&long, &[0; 4097]).sense(), "5/24/00");
    assert!(disk.run_sized(&write, &text[1..], 0).is_none());
    disk.unit.reset();
    disk.run(&[0; 6]);
    assert_eq!(read(0x0A, 0).sense(), "5/2C/00");
}

#[test]
fn there_are_no_defects() {
    let disk = Disk::new(small());
    for format in 0..6 {
        let lists = 0x18 | format;
        let short = disk.run(&[0x37, 0, lists, 0, 0, 0, 0, 0, 8, 0]).good();
        assert_eq!(short, [0, lists, 0, 0]);
        let long = disk
            .run(&[0xB7, lists, 0, 0, 0, 0, 0, 0, 0, 8, 0, 0])
            .good();
        assert_eq!(long, [0, lists, 0, 0, 0, 0, 0, 0]);
    }
    assert_eq!(
        disk.run(&[0x37, 0, 6, 0, 0, 0, 0, 0, 8, 0]).sense(),
        "5/24/00"
    );
}

#[test]
fn task_management_functions() {
    let disk = Disk::new(small());
    let report = |options, length| disk.run(&[0xA3, 0x0D, options, 0, 0, 0, 0, 0, 0, length, 0, 0]);
    assert_eq!(report(0, 255).good(), [0xDC, 0x03, 0, 0]);
    assert_eq!(report(0x80, 255).good()[..4], [0xDC, 0x03, 0, 12]);
    assert_eq!(report(0x80, 255).good().len(), 16);
    assert_eq!(report(0, 3).sense(), "5/24/00");
}

#[test]
fn write_and_verify_is_stable_and_reads_what_it_wrote() {
    let disk = Disk::new(Geometry {
        conventional_zones: 0,
        ..small()
    });
    let len = 8 * disk.geometry().block_size as usize;
    let ten = |bytchk: u8, lba: u8| [0x2E, bytchk, 0, 0, 0, lba, 0, 0, 8, 0];
    match disk.plan(&ten(0, 0), &vec![7; len]).op() {
        Op::Write { stable, .. } => assert!(stable),
        op => panic!("{op:?}"),
    }
    disk.run_with(&ten(0, 0), &vec![7; len]).good();
    disk.run_with(&ten(2, 8), &vec![8; len]).good();
    assert_eq!(disk.run(&read16(8, 8)).good(), vec![8; len]);
    assert_eq!(disk.run_with(&ten(0, 0), &vec![7; len]).sense(), "5/21/04");
    assert!(disk.run_sized(&ten(0, 16), &[0; 512], 0).is_none());

    let mut sixteen = write16(16, 8);
    sixteen[..2].copy_from_slice(&[0x8E, 2]);
    let plan = disk.plan(&sixteen, &vec![9; len]);
    let failed = plan.finish(Err(Failed::Write { offset: 0 }));
    assert_eq!(failed.sense[2], 3, "what failed is not verified");
    disk.run_with(&sixteen, &vec![9; len]).good();
    let twelve = [0xAE, 0, 0, 0, 0, 24, 0, 0, 0, 8, 0, 0];
    disk.run_with(&twelve, &vec![1; len]).good();
    assert_eq!(disk.zone(0).write_pointer, Some(32));
}

#[test]
fn pre_fetch_needs_blocks_that_there_are() {
    let disk = Disk::new(small());
    let last = disk.geometry().blocks - 1;
    for (lba, count, sense) in [(0, 8, "ok"), (last, 0, "ok"), (last, 2, "5/21/00")] {
        let mut cdb = read16(lba, count);
        cdb[0] = 0x90;
        assert_eq!(disk.run(&cdb).sense(), sense);
    }
    disk.run(&[0x34, 0x02, 0, 0, 0, 0, 0, 0, 8, 0]).good();
}
