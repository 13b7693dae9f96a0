//! What of sequential zones can be read: of any disk, and of one whose URSWRZ is zero.

mod common;

use common::{read16, small, verify16, word, write16, zone_out, Disk, CLOSE, FINISH, OPEN};
use zoned::{Condition, Geometry, Kind};

const ZONE: u64 = 64;
const INVALID_DATA: &str = "5/21/06";
const BOUNDARY: &str = "5/21/07";

fn disk() -> Disk {
    Disk::new(Geometry {
        unrestricted_reads: false,
        ..small()
    })
}

/// READ, and VERIFY in both its forms, which compares with zeroes: none of these may say anything else.
#[track_caller]
fn reads(disk: &Disk, lba: u64, blocks: u32) -> String {
    let zeroes = vec![0; blocks as usize * 512];
    let read = disk.run(&read16(lba, blocks)).sense();
    assert_eq!(disk.run(&verify16(lba, blocks, false)).sense(), read);
    let compared = disk.run_with(&verify16(lba, blocks, true), &zeroes);
    assert_eq!(compared.sense(), read);
    read
}

#[test]
fn the_page_says_so() {
    let page = |disk: &Disk| disk.run(&[0x12, 1, 0xB6, 0, 64, 0]).good();
    assert_eq!(page(&disk())[4], 0);
    assert_eq!(page(&Disk::new(small()))[4], 1);
}

#[test]
fn reads_end_below_the_write_pointer() {
    let disk = disk();
    let start = 6 * ZONE;
    assert_eq!(reads(&disk, start, 1), INVALID_DATA, "an empty zone");
    disk.run(&zone_out(OPEN, start)).good();
    assert_eq!(reads(&disk, start, 1), INVALID_DATA, "an open zone");
    disk.write_blocks(start, 16, 0).good();
    for _ in 0..2 {
        assert_eq!(reads(&disk, start, 16), "ok");
        assert_eq!(reads(&disk, start + 15, 2), INVALID_DATA);
        assert_eq!(reads(&disk, start + 16, 1), INVALID_DATA);
        assert_eq!(reads(&disk, start + 16, 0), "ok", "no block is read");
        disk.run(&zone_out(CLOSE, start)).good();
    }
    assert_eq!(disk.condition(6), Condition::Closed);
}

#[test]
fn a_full_zone_is_read_as_a_whole() {
    let disk = disk();
    let start = 6 * ZONE;
    disk.write_blocks(start, 8, 0).good();
    disk.run(&zone_out(FINISH, start)).good();
    assert_eq!(reads(&disk, start, ZONE as u32), "ok");
}

#[test]
fn reads_of_sequential_zones_do_not_cross() {
    let disk = disk();
    for zone in [4, 5] {
        disk.write_blocks(zone * ZONE, ZONE as u32, 0).good();
    }
    assert_eq!(reads(&disk, 5 * ZONE - 1, 1), "ok");
    assert_eq!(reads(&disk, 5 * ZONE - 1, 2), BOUNDARY);
    assert_eq!(reads(&disk, 4 * ZONE - 1, 2), BOUNDARY, "from another type");
    assert_eq!(reads(&disk, 3 * ZONE - 1, 2), "ok", "both conventional");
    assert_eq!(reads(&disk, 0, 4 * ZONE as u32), "ok");
}

#[test]
fn no_read_enters_a_sequential_write_required_zone_from_a_conventional_one() {
    let disk = Disk::new(small());
    assert_eq!(reads(&disk, 4 * ZONE - 1, 1), "ok");
    assert_eq!(reads(&disk, 4 * ZONE - 1, 2), BOUNDARY);
    assert_eq!(reads(&disk, 3 * ZONE, 3 * ZONE as u32), BOUNDARY);
    assert_eq!(reads(&disk, 5 * ZONE - 1, 2), "ok", "both sequential");
    let preferred = Disk::new(Geometry {
        kind: Kind::HostAware,
        ..small()
    });
    assert_eq!(reads(&preferred, 4 * ZONE - 1, 2), "ok");
}

#[test]
fn zones_without_a_write_pointer_have_errors_of_their_own() {
    let geometry = Geometry {
        unrestricted_reads: false,
        ..small()
    };
    let mut words = common::fresh(&geometry);
    words[6] = word(Condition::ReadOnly, 2).to_le().into();
    words[7] = word(Condition::Offline, 0).to_le().into();
    let disk = Disk::with_words(geometry, words);
    disk.run(&[0; 6]);
    assert_eq!(reads(&disk, 6 * ZONE, ZONE as u32), "ok");
    assert_eq!(reads(&disk, 7 * ZONE, 1), "7/2C/0E");
}

#[test]
fn writes_are_as_ever() {
    let disk = disk();
    disk.write_blocks(6 * ZONE, 8, 1).good();
    assert_eq!(disk.run(&read16(6 * ZONE, 8)).good(), [1; 8 * 512]);
    let answer = disk.run_with(&write16(6 * ZONE, 8), &[0; 8 * 512]);
    assert_eq!(answer.sense(), "5/21/04");
}
