//! Arbitrary bytes as an image's header and zone state: whatever they are, looking at it, checking, repairing and
//! opening it end, and agree with each other.
#![no_main]

use std::fs::{self, File};
use std::os::unix::fs::FileExt;
use std::path::PathBuf;
use std::sync::OnceLock;

use crc32c::{crc32c, crc32c_append};
use image::{check, inspect, random_identity, repair, Cache, Disk, ErrorKind};
use libfuzzer_sys::fuzz_target;
use zoned::{Geometry, Kind};

const PAGE: usize = 4096;
const ZONES: usize = 8;
/// The areas that the header lists: offsets and sizes.
const AREAS: usize = 168;
const JOURNAL: usize = 3 * PAGE;
const RECORDS: usize = JOURNAL + PAGE;
/// The journal is cut to a page of records, and the checkpoints follow it.
const CHECKPOINTS: [usize; 2] = [RECORDS + PAGE, RECORDS + 3 * PAGE];
const STATE: usize = RECORDS + 5 * PAGE;

/// What is sealed again after the patches, so that they get past the checksums.
const HEADER: u8 = 1;
const COPY: u8 = 2;
const STABLE: u8 = 4;

/// A small image's header and state.
fn base() -> &'static (PathBuf, Vec<u8>, u64) {
    static BASE: OnceLock<(PathBuf, Vec<u8>, u64)> = OnceLock::new();
    BASE.get_or_init(|| {
        let path = PathBuf::from(format!("/dev/shm/zonevm-fuzz-{}", std::process::id()));
        let geometry = Geometry {
            kind: Kind::HostManaged,
            block_size: 4096,
            blocks: 8 * ZONES as u64,
            zone_blocks: 8,
            conventional_zones: 2,
            max_open: Some(2),
            zone_capacity: None,
            max_active: None,
            unrestricted_reads: true,
            extension_bytes: 0,
        };
        Disk::create(&path, &geometry, &random_identity()).unwrap();
        let whole = fs::read(&path).unwrap();
        fs::remove_file(&path).unwrap();
        let mut state = whole[..RECORDS + PAGE].to_vec();
        state.resize(STATE, 0);
        let stored = |index: usize| u64_at(&whole, AREAS + 16 * index) as usize;
        put(&mut state, AREAS + 16 + 8, 2 * PAGE as u64);
        for (index, at) in CHECKPOINTS.into_iter().enumerate() {
            let from = stored(2 + index);
            state[at..at + 2 * PAGE].copy_from_slice(&whole[from..from + 2 * PAGE]);
            put(&mut state, AREAS + 16 * (2 + index), at as u64);
        }
        seal(&mut state, 0);
        state.copy_within(..PAGE, PAGE);
        // Long enough for a slot of each zone.
        (path, state, (whole.len() + ZONES * 8 * PAGE) as u64)
    })
}

fn u64_at(bytes: &[u8], at: usize) -> u64 {
    u64::from_le_bytes(bytes[at..at + 8].try_into().unwrap())
}

fn put(bytes: &mut [u8], at: usize, value: u64) {
    bytes[at..at + 8].copy_from_slice(&value.to_le_bytes());
}

fn seal(state: &mut [u8], page: usize) {
    let crc = crc32c(&state[page..page + PAGE - 4]);
    state[page + PAGE - 4..page + PAGE].copy_from_slice(&crc.to_le_bytes());
}

fn seal_stable(state: &mut [u8]) {
    for at in CHECKPOINTS {
        let words = &state[at + PAGE..at + PAGE + 8 * ZONES];
        let crc = crc32c_append(crc32c(&state[at..at + 20]), words);
        state[at + 20..at + 24].copy_from_slice(&crc.to_le_bytes());
    }
    for at in (RECORDS..RECORDS + PAGE).step_by(512) {
        let entries = state[at + 4] as usize % 16;
        let crc = crc32c(&state[at + 4..at + 24 + 16 * entries]);
        state[at..at + 4].copy_from_slice(&crc.to_le_bytes());
    }
}

fuzz_target!(|input: (u8, u32, Vec<(u16, u8, u64)>)| {
    let (sealed, length, patches) = input;
    let (path, state, whole) = base();
    let mut state = state.clone();
    for (at, shift, value) in patches {
        // Mostly where something is.
        let at = match shift % 8 {
            0 => usize::from(at) % STATE,
            1 => usize::from(at) % 256,
            page => {
                usize::from(at) % 80
                    + PAGE * (usize::from(page) - 2)
                    + shift as usize / 128 * 5 * PAGE
            }
        };
        put(&mut state, at.min(STATE - 8), value);
    }
    if sealed & HEADER != 0 {
        seal(&mut state, 0);
    }
    if sealed & COPY != 0 {
        state.copy_within(..PAGE, PAGE);
    }
    if sealed & STABLE != 0 {
        seal_stable(&mut state);
    }
    let length = if length % 4 == 0 {
        u64::from(length / 4)
    } else {
        *whole
    };
    let file = File::create(path).unwrap();
    file.write_all_at(&state, 0).unwrap();
    file.set_len(length).unwrap();
    drop(file);

    let _ = inspect(path);
    let findings = check(path);
    let planned = repair(path, true);
    let done = repair(path, false);
    assert_eq!(planned.is_ok(), done.is_ok());
    if let (Ok(found), Ok(done)) = (&findings, &done) {
        assert_eq!(found, done);
        assert_eq!(check(path).unwrap(), [], "after {done:?}");
        inspect(path).unwrap();
    }
    let whole = done.is_ok();
    match Disk::open(path, Cache::Host) {
        Ok(disk) => drop(disk),
        Err(error) => assert!(!whole || error.kind() == ErrorKind::TooLarge, "{error}"),
    }
    let _ = fs::remove_file(path);
});
