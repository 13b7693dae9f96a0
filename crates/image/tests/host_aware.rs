//! A host-aware disk in an image: what is written anywhere in its zones survives as it should, and no more.

mod common;

use std::path::PathBuf;

use common::{cdb16, fresh_of, host_aware, open, pattern, read, ready, run, start, write, Disk};
use image::{export, inspect, set_zones, Cache, ErrorKind, Loss};
use scsi::Status;
use tempfile::TempDir;
use zoned::{Condition, Kind};

/// The zone that is written.
const ZONE: usize = 5;
const BLOCK: usize = 512;

fn fresh(cache: Cache) -> (TempDir, PathBuf, Disk) {
    fresh_of(&host_aware(), cache)
}

fn good(disk: &Disk, code: u8, byte_1: u8, lba: u64) {
    let (outcome, _) = run(disk, &cdb16(code, byte_1, lba, 0), &[], 0);
    assert_eq!(outcome.completion.status, Status::Good);
}

fn flush(disk: &Disk) {
    good(disk, 0x91, 0, 0);
}

fn reset(disk: &Disk) {
    good(disk, 0x94, 4, start(ZONE as u64));
}

/// Blocks below the write pointer, and NON_SEQ.
fn state(disk: &Disk) -> (u64, bool) {
    let zone = disk.zones()[ZONE];
    (
        zone.write_pointer.unwrap() - zone.start,
        zone.non_sequential,
    )
}

/// The first 64 KiB of the zone.
fn content(disk: &Disk) -> Vec<u8> {
    read(disk, start(ZONE as u64), 128).1
}

/// Writes at block `at` of the zone.
fn put(disk: &Disk, content: &mut [u8], at: usize, data: &[u8]) {
    write(disk, start(ZONE as u64) + at as u64, data);
    content[at * BLOCK..][..data.len()].copy_from_slice(data);
}

#[test]
fn the_zone_is_as_it_was_when_the_disk_is_opened_again() {
    let (_dir, path, disk) = fresh(Cache::Host);
    let mut wanted = vec![0; 128 * BLOCK];
    put(&disk, &mut wanted, 0, &pattern(3 * BLOCK, 1));
    put(&disk, &mut wanted, 21, &pattern(2 * BLOCK, 2));
    put(&disk, &mut wanted, 1, &pattern(BLOCK, 3));
    drop(disk);
    let disk = open(&path, Cache::Host);
    assert_eq!(state(&disk), (23, true));
    assert!(content(&disk) == wanted);
    drop(disk);
    assert_eq!(inspect(&path).unwrap().geometry.kind, Kind::HostAware);
    let raw = path.with_extension("raw");
    export(&path, &raw, &mut |_, _| true).unwrap();
    let bytes = std::fs::read(raw).unwrap();
    assert!(bytes[start(ZONE as u64) as usize * BLOCK..][..128 * BLOCK] == wanted);
}

#[test]
fn a_power_cut_takes_blocks_that_were_not_flushed_and_nothing_else() {
    for seed in 0..40 {
        let (_dir, _path, disk) = fresh(Cache::Volatile);
        let mut stable = vec![0; 128 * BLOCK];
        put(&disk, &mut stable, 0, &pattern(11 * BLOCK, 1));
        flush(&disk);
        let mut newest = stable.clone();
        put(&disk, &mut newest, 4, &pattern(2 * BLOCK, 2));
        put(&disk, &mut newest, 70, &pattern(9 * BLOCK, 3));
        put(&disk, &mut newest, 30, &pattern(20 * BLOCK, 4));
        disk.power_cut(Loss::Random { seed }).unwrap();
        ready(&disk);
        let (pointer, _) = state(&disk);
        assert!((11..=79).contains(&pointer));
        let seen = content(&disk);
        let below = pointer as usize * BLOCK;
        assert!(seen[below..].iter().all(|&byte| byte == 0));
        for at in (0..below).step_by(4096) {
            let block = at..(at + 4096).min(below);
            let seen = &seen[block.clone()];
            assert!(
                seen == &stable[block.clone()] || seen == &newest[block],
                "seed {seed}, byte {at}"
            );
        }
    }
}

#[test]
fn a_power_cut_brings_nothing_back_from_before_a_reset() {
    for seed in 0..20 {
        let (_dir, _path, disk) = fresh(Cache::Volatile);
        let mut before = vec![0; 128 * BLOCK];
        put(&disk, &mut before, 0, &pattern(32 * BLOCK, 1));
        flush(&disk);
        put(&disk, &mut before, 8, &pattern(8 * BLOCK, 2));
        reset(&disk);
        let mut newest = vec![0; 128 * BLOCK];
        put(&disk, &mut newest, 8, &pattern(16 * BLOCK, 3));
        disk.power_cut(Loss::Random { seed }).unwrap();
        ready(&disk);
        for (seen, newest) in content(&disk).chunks(4096).zip(newest.chunks(4096)) {
            let end = seen
                .iter()
                .rposition(|&byte| byte != 0)
                .map_or(0, |at| at + 1);
            assert!(seen[..end] == newest[..end], "seed {seed}");
        }
    }
}

#[test]
fn a_power_cut_leaves_a_finished_zone_full() {
    for loss in [Loss::All, Loss::Random { seed: 1 }, Loss::None] {
        for before in [0, 5] {
            let (_dir, _path, disk) = fresh(Cache::Volatile);
            let mut stable = vec![0; 128 * BLOCK];
            put(&disk, &mut stable, 0, &pattern(before * BLOCK, 1));
            good(&disk, 0x94, 2, start(ZONE as u64));
            let mut newest = stable.clone();
            put(&disk, &mut newest, 30, &pattern(BLOCK, 2));
            let cut = disk.power_cut(loss).unwrap();
            ready(&disk);
            assert_eq!(disk.zones()[ZONE].condition, Condition::Full);
            let seen = content(&disk);
            assert!(seen == stable || seen == newest);
            assert!(loss != Loss::All || seen == stable && cut.blocks.is_empty());
        }
    }
}

#[test]
fn a_power_cut_that_loses_nothing_leaves_all() {
    let (_dir, _path, disk) = fresh(Cache::Volatile);
    let mut wanted = vec![0; 128 * BLOCK];
    put(&disk, &mut wanted, 5, &pattern(3 * BLOCK, 1));
    assert!(disk.power_cut(Loss::None).unwrap().zones.is_empty());
    ready(&disk);
    assert_eq!(state(&disk), (8, true));
    assert!(content(&disk) == wanted);
}

#[test]
fn a_zone_is_set_to_any_logical_block() {
    let (_dir, path, disk) = fresh(Cache::Host);
    drop(disk);
    let set = |bytes| set_zones(&path, 5..=5, Condition::Closed, Some(bytes));
    assert_eq!(set(100).unwrap_err().kind(), ErrorKind::Invalid);
    set(3 * BLOCK as u64).unwrap();
    assert_eq!(state(&open(&path, Cache::Host)), (3, false));
}
