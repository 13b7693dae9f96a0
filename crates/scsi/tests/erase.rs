//! FORMAT UNIT and SANITIZE: what they leave, what is told meanwhile, and of one that did not end.

mod common;

use command::{Command, Unit};
use common::*;
use zoned::testing::Bytes;
use zoned::{Condition, Geometry, Submitted};

const FORMAT: [u8; 6] = [0x04, 0, 0, 0, 0, 0];
/// With a parameter list.
const FORMAT_LIST: [u8; 6] = [0x04, 0x10, 0, 0, 0, 0];
const FORMAT_LONG_LIST: [u8; 6] = [0x04, 0x30, 0, 0, 0, 0];
const IMMEDIATE: [u8; 4] = [0, 0x02, 0, 0];
const READY: [u8; 6] = [0; 6];

const OVERWRITE: u8 = 0x01;
const CRYPTOGRAPHIC: u8 = 0x03;
const EXIT: u8 = 0x1F;
const AUSE: u8 = 0x20;
const IMMED: u8 = 0x80;

fn sanitize(byte_1: u8, len: u16) -> [u8; 10] {
    let [high, low] = len.to_be_bytes();
    [0x48, byte_1, 0, 0, 0, 0, 0, high, low, 0]
}

/// An overwrite with these bytes, once.
fn overwrite(disk: &Disk, pattern: &[u8]) -> String {
    let len = pattern.len() as u16;
    let list = [&[1, 0], &len.to_be_bytes()[..], pattern].concat();
    let cdb = sanitize(OVERWRITE, len + 4);
    disk.run_with(&cdb, &list).sense()
}

/// Data in a conventional zone and in two others, of which one is full.
fn with_data() -> Disk {
    let disk = Disk::new(small());
    for lba in [0, 4 * 64, 5 * 64] {
        disk.write_blocks(lba, 8, 0xA5).good();
    }
    disk.run(&zone_out(FINISH, 5 * 64)).good();
    disk
}

/// So large that it takes a while: 256 GiB.
fn large() -> Disk {
    Disk::new(Geometry {
        blocks: 1 << 29,
        zone_blocks: 1 << 19,
        conventional_zones: 0,
        ..small()
    })
}

fn blocks(disk: &Disk, lba: u64) -> Vec<u8> {
    disk.run(&read16(lba, 8)).good()
}

#[track_caller]
fn is_empty(disk: &Disk) {
    let wanted = |zone: usize| match zone {
        0..4 => Condition::NotWritePointer,
        _ => Condition::Empty,
    };
    for zone in 0..disk.zones().len() {
        assert_eq!(disk.condition(zone), wanted(zone), "zone {zone}");
    }
    for lba in [4 * 64, 5 * 64] {
        assert_eq!(blocks(disk, lba), [0; 4096]);
    }
}

/// REQUEST SENSE: sense key and codes, and the progress.
fn told(disk: &Disk) -> (u8, u8, u8, u16) {
    let sense = disk.run(&[0x03, 0, 0, 0, 18, 0]).good();
    let progress = u16::from_be_bytes([sense[16], sense[17]]);
    (sense[2], sense[12], sense[13], progress)
}

#[track_caller]
fn await_end(disk: &Disk, qualifier: u8) {
    let mut last = 0;
    let mut seen = 0;
    loop {
        let (key, code, now, progress) = told(disk);
        if (key, code, now) != (2, 4, qualifier) {
            break;
        }
        assert!(progress >= last, "it goes on");
        (last, seen) = (progress, seen + 1);
        std::thread::sleep(std::time::Duration::from_millis(20));
    }
    assert!(seen > 1 && last > 0, "progress was seen");
}

#[test]
fn a_format_empties_the_disk() {
    for cdb in [FORMAT, [0x04, 0x08, 0, 0, 1, 0]] {
        let disk = with_data();
        disk.run(&cdb).good();
        is_empty(&disk);
        assert_eq!(blocks(&disk, 0), [0; 4096]);
        disk.run(&READY).good();
        disk.again().run(&READY).good();
    }
    let disk = with_data();
    disk.make_read_only(4);
    disk.run(&FORMAT).good();
    assert_eq!(disk.condition(4), Condition::ReadOnly);
    assert_eq!(disk.condition(5), Condition::Empty);
}

#[test]
fn another_format_is_refused() {
    let disk = Disk::new(small());
    let refused = |cdb: &[u8], list: &[u8]| disk.run_with(cdb, list).sense();
    for (cdb, why) in [
        ([0x04, 0x80, 0, 0, 0, 0], "protection information"),
        ([0x04, 0, 0, 0, 2, 0], "a fast format that writes nothing"),
        ([0x04, 0x11, 0, 0, 0, 0], "a format of defects"),
    ] {
        assert_eq!(refused(&cdb, &[0; 8]), "5/24/00", "{why}");
    }
    for (list, why) in [
        ([1, 0, 0, 0], "protection information"),
        ([0, 0x88, 0, 0], "a pattern"),
        ([0, 0x01, 0, 0], "of the vendor"),
        ([0, 0, 0, 8], "defects"),
    ] {
        assert_eq!(refused(&FORMAT_LIST, &list), "5/26/00", "{why}");
    }
    let protected = [0, 0, 0, 0x10, 0, 0, 0, 0];
    assert_eq!(refused(&FORMAT_LONG_LIST, &protected), "5/26/00");
    assert!(disk.run_sized(&FORMAT_LIST, &[0; 3], 0).is_none());
    disk.run_with(&FORMAT_LONG_LIST, &[0; 8]).good();
    disk.run_with(&FORMAT_LIST, &[0, 0xF0, 0, 0]).good();

    disk.run(&[0x1B, 0, 0, 0, 0, 0]).good();
    assert_eq!(refused(&FORMAT, &[]), "2/04/02");
    assert_eq!(refused(&sanitize(CRYPTOGRAPHIC, 0), &[]), "2/04/02");
    disk.run(&[0x1B, 0, 0, 0, 1, 0]).good();
    let mut page = disk.run(&[0x1A, 0x08, 0x0A, 0, 255, 0]).good();
    page[0] = 0;
    page[2] = 0;
    page[4] &= 0x3F;
    page[8] |= 0x08;
    let select = [0x15, 0x10, 0, 0, page.len() as u8, 0];
    disk.run_with(&select, &page).good();
    assert_eq!(refused(&FORMAT, &[]), "7/27/02");
    assert_eq!(refused(&sanitize(CRYPTOGRAPHIC, 0), &[]), "7/27/02");
}

#[test]
fn a_format_in_the_background_is_told_of() {
    let disk = large();
    disk.run(&[0x1D, 0x20, 0, 0, 0, 0]).good();
    disk.run_with(&FORMAT_LIST, &IMMEDIATE).good();
    disk.unit.reset();
    assert_eq!(told(&disk).0, 6);
    for cdb in [READY, FORMAT, [0x1A, 0, 0x3F, 0, 255, 0]] {
        assert_eq!(disk.run(&cdb).sense(), "2/04/04");
    }
    disk.run(&[0x12, 0, 0, 0, 36, 0]).good();
    await_end(&disk, 0x04);
    disk.run(&READY).good();
    let results = disk.run(&[0x4D, 0, 0x50, 0, 0, 0, 0, 4, 0, 0]).good();
    assert_eq!(results[8], 0x22, "it ended the self-test");
}

#[test]
fn a_format_that_did_not_end_is_told_until_there_is_one_that_does() {
    let power_off = |disk: Disk| disk.again();
    let power_cut = |disk: Disk| {
        disk.ram.power_cycle(|_, word| word);
        assert_eq!(disk.run(&READY).sense(), "6/29/00");
        disk
    };
    for cut in [&power_off as &dyn Fn(Disk) -> Disk, &power_cut] {
        let disk = large();
        disk.run_with(&FORMAT_LIST, &IMMEDIATE).good();
        let disk = cut(disk);
        while told(&disk).0 == 2 {}
        assert_eq!(disk.run(&READY).sense(), "3/31/00");
        assert_eq!(disk.run(&read16(0, 8)).sense(), "3/31/00");
        disk.run(&[0x25, 0, 0, 0, 0, 0, 0, 0, 0, 0]).good();
        disk.run(&[0x1A, 0, 0x3F, 0, 255, 0]).good();
        let disk = disk.again();
        assert_eq!(disk.run(&READY).sense(), "3/31/00");
        disk.run(&FORMAT).good();
        disk.run(&READY).good();
        disk.again().run(&READY).good();
    }
}

#[test]
fn a_format_that_is_taken_back_has_not_ended() {
    for withdraw in [true, false] {
        let disk = large();
        let command = Command::new(&FORMAT, None, Bytes::default(), Bytes::default());
        let Submitted::Pending(pending) = disk.unit.execute(&command) else {
            panic!("it takes its time");
        };
        // Something was done of it.
        while disk.run(&READY).sense() != "2/04/04" {}
        let ticket = pending.ticket();
        if withdraw {
            assert!(ticket.withdraw());
        } else {
            ticket.hurry();
            let outcome = Submitted::Pending(pending).wait().unwrap();
            assert_eq!(outcome.sense[2], 0x0B);
        }
        while told(&disk).0 == 2 {}
        assert_eq!(disk.run(&READY).sense(), "3/31/00");
        assert_eq!(disk.run(&sanitize(CRYPTOGRAPHIC, 0)).sense(), "ok");
        disk.run(&READY).good();
    }
}

#[test]
fn sanitize_leaves_nothing() {
    let disk = with_data();
    disk.run(&sanitize(CRYPTOGRAPHIC, 0)).good();
    is_empty(&disk);
    assert_eq!(blocks(&disk, 0), [0; 4096]);

    let disk = with_data();
    assert_eq!(overwrite(&disk, b"gone "), "ok");
    is_empty(&disk);
    let block: Vec<u8> = b"gone ".iter().copied().cycle().take(512).collect();
    for lba in [0, 3 * 64 + 56] {
        assert_eq!(blocks(&disk, lba), block.repeat(8));
    }
    assert_eq!(overwrite(&disk, &[7; 512]), "ok");
    assert_eq!(blocks(&disk, 0), [7; 4096]);
}

#[test]
fn sanitize_checks_what_it_is_told() {
    let disk = Disk::new(small());
    let sense = |cdb: &[u8], list: &[u8]| disk.run_with(cdb, list).sense();
    for action in [CRYPTOGRAPHIC, EXIT] {
        assert_eq!(sense(&sanitize(action, 4), &[0; 4]), "5/24/00");
    }
    for len in [0, 4, 517] {
        assert_eq!(sense(&sanitize(OVERWRITE, len), &[1; 517]), "5/24/00");
    }
    for list in [
        [0, 0, 0, 1, 9],
        [0x21, 0, 0, 1, 9],
        [1, 0, 0, 0, 9],
        [1, 0, 0, 2, 9],
    ] {
        assert_eq!(sense(&sanitize(OVERWRITE, 5), &list), "5/26/00");
    }
    for byte_1 in [0x02, 0x41, 0x1E] {
        assert_eq!(sense(&sanitize(byte_1, 0), &[]), "5/24/00");
    }
    assert!(disk
        .run_sized(&sanitize(OVERWRITE, 5), &[1, 0, 0, 1], 0)
        .is_none());
    assert_eq!(sense(&sanitize(OVERWRITE, 5), &[0x82, 0, 0, 1, 9]), "ok");
    assert_eq!(sense(&sanitize(EXIT, 0), &[]), "ok", "none failed");
}

#[test]
fn a_sanitize_operation_goes_on_when_power_is_back() {
    let disk = large();
    disk.write_blocks(0, 8, 1).good();
    disk.run(&sanitize(CRYPTOGRAPHIC | IMMED, 0)).good();
    disk.ram.power_cycle(|_, word| word);
    assert_eq!(disk.run(&READY).sense(), "6/29/00");
    assert_eq!(disk.run(&READY).sense(), "2/04/1B");
    assert_eq!(
        disk.run(&sanitize(CRYPTOGRAPHIC, 0)).sense(),
        "2/04/1B",
        "one at a time"
    );
    assert_eq!(disk.run(&FORMAT).sense(), "2/04/1B");
    disk.run(&[0x1A, 0, 0x3F, 0, 255, 0]).good();
    disk.run(&[0x25, 0, 0, 0, 0, 0, 0, 0, 0, 0]).good();
    disk.unit.reset();
    assert_eq!(disk.run(&READY).sense(), "6/29/03");
    assert_eq!(disk.run(&READY).sense(), "2/04/1B");

    let ram = disk.ram.clone();
    drop(disk.unit);
    let unit = scsi::LogicalUnit::new(ram.clone(), identity());
    let disk = Disk { ram, unit };
    while disk.run(&READY).sense() != "2/04/1B" {}
    await_end(&disk, 0x1B);
    disk.run(&READY).good();
    assert_eq!(disk.condition(0), Condition::Empty);
    disk.again().run(&READY).good();
}

#[test]
fn a_zone_that_has_failed_cannot_be_sanitized() {
    for (fail, zone) in [
        (Disk::make_read_only as fn(&Disk, u32), 1),
        (Disk::take_offline, 4),
    ] {
        let disk = with_data();
        fail(&disk, zone);
        assert_eq!(disk.run(&sanitize(CRYPTOGRAPHIC, 0)).sense(), "3/31/03");
        let disk = disk.again();
        for cdb in [READY, FORMAT] {
            assert_eq!(disk.run(&cdb).sense(), "3/31/03");
        }
        assert_eq!(disk.run(&sanitize(EXIT, 0)).sense(), "5/24/00");
        let unrestricted = sanitize(CRYPTOGRAPHIC | AUSE, 0);
        assert_eq!(disk.run(&unrestricted).sense(), "5/24/00");
        disk.run(&[0x1A, 0, 0x3F, 0, 255, 0]).good();

        let disk = with_data();
        fail(&disk, zone);
        assert_eq!(disk.run(&unrestricted).sense(), "3/31/03");
        let disk = disk.again();
        assert_eq!(disk.run(&READY).sense(), "3/31/03");
        assert_eq!(disk.run(&unrestricted).sense(), "3/31/03");
        disk.run(&sanitize(EXIT, 0)).good();
        disk.run(&READY).good();
        disk.again().run(&READY).good();
    }
}
