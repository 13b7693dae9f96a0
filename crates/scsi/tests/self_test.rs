//! Self-tests: time passes, the medium is read, results are kept, and one that runs can be aborted.

mod common;

use std::time::{Duration, Instant};

use command::{Command, Unit};
use common::*;
use zoned::testing::Bytes;
use zoned::Submitted;

fn send(disk: &Disk, code: u8) -> String {
    disk.run(&[0x1D, code << 5, 0, 0, 0, 0]).sense()
}

/// The self-test results log page: 20 results.
fn results(disk: &Disk) -> Vec<Vec<u8>> {
    let data = disk.run(&[0x4D, 0, 0x50, 0, 0, 0, 0, 4, 0, 0]).good();
    assert_eq!(data.len(), 4 + 20 * 20);
    data[4..]
        .chunks(20)
        .map(|result| result[4..].to_vec())
        .collect()
}

/// REQUEST SENSE: sense key and codes, and the progress.
fn told(disk: &Disk) -> (u8, u8, u8, u16) {
    let sense = disk.run(&[0x03, 0, 0, 0, 18, 0]).good();
    let progress = u16::from_be_bytes([sense[16], sense[17]]);
    (sense[2], sense[12], sense[13], progress)
}

fn await_end(disk: &Disk) {
    let begun = Instant::now();
    let mut last = 0;
    while results(disk)[0][0] & 0x0F == 0x0F {
        let (key, code, qualifier, progress) = told(disk);
        if (key, code, qualifier) == (2, 4, 9) {
            assert!(progress >= last, "it goes on");
            last = progress;
        }
        assert!(begun.elapsed() < Duration::from_secs(300), "it never ends");
        std::thread::sleep(Duration::from_millis(20));
    }
    assert!(last > 0, "progress was seen");
}

#[test]
fn a_short_test_passes_after_a_while_and_is_kept() {
    let disk = Disk::new(small());
    disk.write_blocks(disk.geometry().conventional_end(), 64, 1)
        .good();
    assert_eq!(results(&disk)[0], [0; 16]);
    assert_eq!(send(&disk, 1), "ok");
    assert_eq!(results(&disk)[0][0], 0x2F);
    assert_eq!(send(&disk, 2), "2/04/09", "one at a time");
    disk.run(&[0; 6]).good();
    await_end(&disk);
    let passed = results(&disk)[0].clone();
    assert_eq!((passed[0], &passed[4..12]), (0x20, &[0xFF; 8][..]));
    assert_eq!(told(&disk), (0, 0, 0, 0));

    let disk = disk.again();
    assert_eq!(results(&disk)[0], passed);
}

#[test]
fn a_test_is_aborted_by_command_and_by_a_reset() {
    let disk = Disk::new(small());
    assert_eq!(send(&disk, 4), "5/24/00", "none runs");
    assert_eq!(send(&disk, 2), "ok");
    assert_eq!(send(&disk, 4), "ok");
    while results(&disk)[0][0] & 0x0F == 0x0F {}
    assert_eq!(results(&disk)[0][0], 0x41);
    while send(&disk, 2) != "ok" {}
    disk.unit.reset();
    disk.run(&[0; 6]);
    while results(&disk)[0][0] & 0x0F == 0x0F {}
    assert_eq!(results(&disk)[0][0], 0x42);
    assert_eq!(results(&disk)[1][0], 0x41);
}

#[test]
fn one_in_the_foreground_ends_with_the_command() {
    let disk = Disk::new(small());
    let begun = Instant::now();
    assert_eq!(send(&disk, 5), "ok");
    assert!(begun.elapsed() >= Duration::from_secs(2));
    assert_eq!(results(&disk)[0][0], 0xA0);
}

#[test]
fn the_default_test_and_diagnostic_pages() {
    let disk = Disk::new(small());
    disk.run(&[0x1D, 0x04, 0, 0, 0, 0]).good();
    assert_eq!(results(&disk)[0], [0; 16]);
    for code in [3, 7] {
        assert_eq!(send(&disk, code), "5/24/00");
    }
    assert_eq!(disk.run(&[0x1D, 0x24, 0, 0, 0, 0]).sense(), "5/24/00");
    assert_eq!(
        disk.run_with(&[0x1D, 0x20, 0, 0, 4, 0], &[0; 4]).sense(),
        "5/24/00"
    );
    disk.run_with(&[0x1D, 0x10, 0, 0, 4, 0], &[0; 4]).good();
    assert_eq!(
        disk.run_with(&[0x1D, 0x10, 0, 0, 4, 0], &[0x40, 0, 0, 0])
            .sense(),
        "5/26/00"
    );
    let pages = disk.run(&[0x1C, 1, 0, 0, 255, 0]).good();
    assert_eq!(pages, [0, 0, 0, 1, 0]);
    assert_eq!(disk.run(&[0x1C, 1, 0x40, 0, 255, 0]).sense(), "5/24/00");
    disk.run(&[0x1B, 0, 0, 0, 0, 0]).good();
    assert_eq!(send(&disk, 1), "2/04/02");
}

#[test]
fn one_in_the_foreground_can_be_taken_back_and_hurried() {
    let disk = Disk::new(small());
    for withdraw in [true, false] {
        let command = Command::new(
            &[0x1D, 0xC0, 0, 0, 0, 0],
            None,
            Bytes::default(),
            Bytes::default(),
        );
        let Submitted::Pending(pending) = disk.unit.execute(&command) else {
            panic!("it takes its time");
        };
        let ticket = pending.ticket();
        let begun = Instant::now();
        if withdraw {
            assert!(ticket.withdraw());
        } else {
            ticket.hurry();
            let outcome = Submitted::Pending(pending).wait().unwrap();
            assert_eq!(outcome.sense[2], 0x0B);
        }
        while results(&disk)[0][0] & 0x0F == 0x0F {}
        assert_eq!(results(&disk)[0][0], 0xC2);
        assert!(begun.elapsed() < Duration::from_secs(10));
    }
}
