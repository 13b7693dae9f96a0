//! A small disk, and SCSI commands to it.

use std::path::{Path, PathBuf};

use image::Cache;
use scsi::Status;
use tempfile::TempDir;
use zoned::{Geometry, Kind};

mod unit;

#[allow(unused_imports)] // not every test needs all
pub use unit::{scattered, Outcome, Unit as Disk};

/// 16 zones of 1 MiB, two of them conventional, and a last one of half the size; 512-byte blocks.
pub fn geometry() -> Geometry {
    Geometry {
        kind: Kind::HostManaged,
        block_size: 512,
        blocks: 16 * 2048 + 1024,
        zone_blocks: 2048,
        conventional_zones: 2,
        max_open: Some(4),
        zone_capacity: None,
        max_active: None,
        unrestricted_reads: true,
        extension_bytes: 0,
    }
}

/// The same, host-aware.
#[allow(dead_code)] // not every test needs one
pub fn host_aware() -> Geometry {
    Geometry {
        kind: Kind::HostAware,
        ..geometry()
    }
}

/// The first LBA of a zone.
#[allow(dead_code)] // not every test needs it
pub fn start(zone: u64) -> u64 {
    zone * geometry().zone_blocks
}

/// A disk in a file without a name, past its first unit attention.
#[allow(dead_code)] // not every test needs one
pub fn temporary() -> Disk {
    let disk = image::Disk::temporary(
        &std::env::temp_dir(),
        &geometry(),
        &image::random_identity(),
        Cache::Host,
    );
    let disk = Disk::new(disk.expect("a temporary image"));
    ready(&disk);
    disk
}

/// Opens an image, past the first unit attention.
#[allow(dead_code)] // not every test needs one
pub fn open(path: &Path, cache: Cache) -> Disk {
    let disk = Disk::new(image::Disk::open(path, cache).unwrap());
    ready(&disk);
    disk
}

/// A new disk in a directory of its own.
#[allow(dead_code)] // not every test needs one
pub fn fresh_of(geometry: &Geometry, cache: Cache) -> (TempDir, PathBuf, Disk) {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("disk.img");
    image::Disk::create(&path, geometry, &image::random_identity()).unwrap();
    let disk = open(&path, cache);
    (dir, path, disk)
}

/// TEST UNIT READY, until unit attentions are told.
pub fn ready(disk: &Disk) {
    for _ in 0..4 {
        if run(disk, &[0; 6], &[], 0).0.completion.status == Status::Good {
            return;
        }
    }
    panic!("the disk does not become ready");
}

/// Runs a command with its data each in one piece.
pub fn run(disk: &Disk, cdb: &[u8], out: &[u8], in_length: usize) -> (Outcome, Vec<u8>) {
    disk.run(cdb, out, in_length)
}

/// A 16-byte CDB with LBA and length where READ, WRITE, VERIFY and WRITE SAME (16) have them.
pub fn cdb16(opcode: u8, flags: u8, lba: u64, blocks: u32) -> [u8; 16] {
    let mut cdb = [0; 16];
    cdb[0] = opcode;
    cdb[1] = flags;
    cdb[2..10].copy_from_slice(&lba.to_be_bytes());
    cdb[10..14].copy_from_slice(&blocks.to_be_bytes());
    cdb
}

/// READ(16).
pub fn read(disk: &Disk, lba: u64, blocks: u32) -> (Outcome, Vec<u8>) {
    run(
        disk,
        &cdb16(0x88, 0, lba, blocks),
        &[],
        blocks as usize * 512,
    )
}

/// WRITE(16).
pub fn write(disk: &Disk, lba: u64, data: &[u8]) -> Outcome {
    run(
        disk,
        &cdb16(0x8a, 0, lba, (data.len() / 512) as u32),
        data,
        0,
    )
    .0
}

/// Bytes that are different at every place.
pub fn pattern(length: usize, seed: u32) -> Vec<u8> {
    (0..length as u32)
        .map(|i| (i.wrapping_add(seed).wrapping_mul(2_654_435_761) >> 24) as u8)
        .collect()
}

/// Sense key, additional sense code and qualifier of fixed-format sense data.
#[allow(dead_code)] // not every test needs it
pub fn sense(outcome: &Outcome) -> (u8, u8, u8) {
    let sense = &outcome.completion.sense;
    (sense[2] & 0xf, sense[12], sense[13])
}
