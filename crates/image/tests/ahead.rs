//! Space ahead of write pointers: allocated while a zone is written, given back when the disk is closed, and never
//! read.

mod common;

use std::os::unix::fs::MetadataExt;
use std::path::Path;

use common::{cdb16, fresh_of, host_aware, open, pattern, read, run, sense, write, Disk};
use image::{Cache, Loss};
use rustix::fs::{statfs, FsWord};
use scsi::Status;
use zoned::{Geometry, Kind};

const MIB: usize = 1 << 20;
/// Blocks of a zone.
const ZONE: u64 = 4 * MIB as u64 / 512;
/// What the file system may take for itself.
const ITS_OWN: u64 = 64 << 10;

/// 8 zones of 4 MiB, of which the first is conventional.
fn geometry() -> Geometry {
    Geometry {
        blocks: 8 * ZONE,
        zone_blocks: ZONE,
        conventional_zones: 1,
        ..common::geometry()
    }
}

fn allocated(path: &Path) -> u64 {
    path.metadata().unwrap().blocks() * 512
}

/// What the file takes is what it took before, and so many bytes. On btrfs nothing is allocated ahead.
fn takes(path: &Path, before: u64, bytes: usize) {
    if statfs(path).unwrap().f_type == libc::BTRFS_SUPER_MAGIC as FsWord {
        return;
    }
    let (taken, bytes) = (allocated(path) - before, bytes as u64);
    let most = bytes + ITS_OWN;
    assert!((bytes..=most).contains(&taken), "{taken}, and not {bytes}");
}

/// Writes, the first block alone: a zone gets its slot by that.
fn good(disk: &Disk, lba: u64, data: &[u8]) {
    let (first, rest) = data.split_at(4096);
    for (lba, part) in [(lba, first), (lba + 8, rest)] {
        assert_eq!(write(disk, lba, part).completion.status, Status::Good);
    }
}

#[test]
fn a_zone_that_is_written_on_has_space_ahead_until_the_disk_is_closed() {
    let (_dir, path, disk) = fresh_of(&geometry(), Cache::Host);
    let before = allocated(&path);
    let data = pattern(MIB + 8192, 1);
    let (first, rest) = data.split_at(MIB);
    good(&disk, ZONE, first);
    takes(&path, before, MIB);
    good(&disk, ZONE + 2048, &rest[..4096]);
    takes(&path, before, 2 * MIB);
    good(&disk, ZONE + 2048 + 8, &rest[4096..]);
    takes(&path, before, 2 * MIB);
    let held = |disk: &Disk| {
        let back = read(disk, ZONE, 4096).1;
        assert!(back[..data.len()] == data && back[data.len()..].iter().all(|byte| *byte == 0));
    };
    held(&disk);
    drop(disk);
    takes(&path, before, data.len());
    held(&open(&path, Cache::Host));
    takes(&path, before, data.len());
}

#[test]
fn a_zone_that_is_reset_or_filled_keeps_none() {
    let (_dir, path, disk) = fresh_of(&geometry(), Cache::Host);
    let before = allocated(&path);
    for zone in [1, 2] {
        good(&disk, zone * ZONE, &pattern(MIB + 4096, 1));
    }
    takes(&path, before, 4 * MIB);
    let mut reset = cdb16(0x94, 4, ZONE, 0);
    reset[10..].fill(0);
    let (outcome, _) = run(&disk, &reset, &[], 0);
    assert_eq!(outcome.completion.status, Status::Good);
    takes(&path, before, 2 * MIB);
    // Its slot is another zone's, and nothing of that is taken back.
    let conventional = pattern(4 * MIB, 2);
    good(&disk, 0, &conventional);
    good(&disk, 2 * ZONE + 2048 + 8, &pattern(3 * MIB - 4096, 3));
    takes(&path, before, 8 * MIB);
    drop(disk);
    takes(&path, before, 8 * MIB);
    let disk = open(&path, Cache::Host);
    assert!(read(&disk, 0, ZONE as u32).1 == conventional);
}

#[test]
fn no_more_than_a_zone_has_is_allocated() {
    const CAPACITY: usize = MIB + MIB / 2;
    let geometry = Geometry {
        kind: Kind::Zns,
        zone_capacity: Some(CAPACITY as u64 / 512),
        conventional_zones: 0,
        max_open: None,
        ..geometry()
    };
    let (_dir, path, disk) = fresh_of(&geometry, Cache::Host);
    let before = allocated(&path);
    good(&disk, 0, &pattern(MIB + 4096, 1));
    takes(&path, before, CAPACITY);
    good(&disk, 2048 + 8, &pattern(MIB / 2 - 4096, 2));
    assert_eq!(sense(&write(&disk, ZONE / 4, &[1; 512])).0, 5);
    takes(&path, before, CAPACITY);
}

#[test]
fn where_blocks_are_written_anywhere_nothing_is_allocated_ahead() {
    let host_aware = Geometry {
        blocks: 8 * ZONE,
        zone_blocks: ZONE,
        ..host_aware()
    };
    for geometry in [geometry(), host_aware] {
        let (_dir, path, disk) = fresh_of(&geometry, Cache::Host);
        let before = allocated(&path);
        good(&disk, 0, &pattern(MIB + 4096, 1));
        takes(&path, before, MIB + 4096);
    }
}

#[test]
fn zeroes_and_patterns_are_written_into_it_too() {
    let (_dir, path, disk) = fresh_of(&geometry(), Cache::Host);
    good(&disk, ZONE, &pattern(MIB + 4096, 1));
    let same = |from: u64, block: &[u8]| {
        let (outcome, _) = run(&disk, &cdb16(0x93, 0, ZONE + from, 64), block, 0);
        assert_eq!(outcome.completion.status, Status::Good);
    };
    same(2048 + 8, &[7; 512]);
    same(2048 + 72, &[0; 512]);
    good(&disk, ZONE + 2048 + 136, &[9; 4096]);
    drop(disk);
    let disk = open(&path, Cache::Host);
    let back = read(&disk, ZONE + 2048 + 8, 136).1;
    assert!(back[..32768] == [7; 32768] && back[32768..65536] == [0; 32768]);
    assert_eq!(back[65536..], [9; 4096]);
}

#[test]
fn a_power_cut_and_what_is_written_after_it_keep_what_is_below_the_write_pointer() {
    let (_dir, path, disk) = fresh_of(&geometry(), Cache::Volatile);
    let before = allocated(&path);
    good(&disk, ZONE, &pattern(4096, 1));
    disk.sync().unwrap();
    good(&disk, ZONE + 8, &pattern(2 * MIB + 4096, 2));
    disk.power_cut(Loss::All).unwrap();
    common::ready(&disk);
    let data = pattern(2 * MIB + 8192, 3);
    for (lba, part) in (ZONE + 8..).step_by(8).zip(data.chunks(4096)) {
        good(&disk, lba, part);
    }
    drop(disk);
    takes(&path, before, 4096 + data.len());
    let disk = open(&path, Cache::Host);
    assert!(read(&disk, ZONE + 8, (data.len() / 512) as u32).1 == data);
}
