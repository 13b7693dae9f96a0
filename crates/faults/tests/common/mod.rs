//! A small disk with faults, and SCSI commands to it.
#![allow(dead_code)] // each test uses a part

use std::sync::Arc;
use std::time::Duration;

use faults::{Faulty, Kind, Place, Rule, Selector};
use image::{Cache, Disk, Outcome};
use vhost_user_scsi::Lun;
use vm_memory::VolatileSlice;
use zbc::{Geometry, Status};

pub const ZONE: u64 = 2048;
pub const CONVENTIONAL: u64 = 2;

/// 16 zones of 1 MiB, two of them conventional, of 512-byte blocks; past its first unit attention.
pub fn disk() -> Faulty {
    let geometry = Geometry {
        block_size: 512,
        blocks: 16 * ZONE,
        zone_blocks: ZONE,
        conventional_zones: CONVENTIONAL as u32,
        max_open: Some(4),
        zone_capacity: None,
        urswrz: true,
        host_aware: false,
    };
    let dir = std::env::temp_dir();
    let identity = image::random_identity();
    let disk = Disk::temporary(&dir, &geometry, &identity, Cache::default()).expect("an image");
    let disk = Faulty::new(Arc::new(disk));
    while run(&disk, &[0; 6], &[], 0).0.completion.status != Status::Good {}
    disk
}

/// The first LBA of a zone.
pub fn start(zone: u64) -> u64 {
    zone * ZONE
}

/// Runs a command that is answered, with its data each in two pieces.
pub fn run(disk: &Faulty, cdb: &[u8], out: &[u8], room: usize) -> (Outcome, Vec<u8>) {
    let (outcome, data) = try_to_run(disk, cdb, out, room, &|_| {});
    (outcome.expect("an answer"), data)
}

pub fn try_to_run(
    disk: &Faulty,
    cdb: &[u8],
    out: &[u8],
    room: usize,
    pause: &dyn Fn(Duration),
) -> (Option<Outcome>, Vec<u8>) {
    let mut out = out.to_vec();
    let mut into = vec![0xEE; room];
    let (first, second) = into.split_at_mut(room / 3);
    let outcome = disk.execute(
        cdb,
        &[VolatileSlice::from(&mut out[..])],
        &[VolatileSlice::from(first), VolatileSlice::from(second)],
        pause,
    );
    let written = outcome.as_ref().map_or(0, |outcome| outcome.written);
    into.truncate(written as usize);
    (outcome, into)
}

/// A 16-byte CDB with LBA and length where READ and WRITE have them.
pub fn cdb16(opcode: u8, lba: u64, blocks: u32) -> [u8; 16] {
    let mut cdb = [0; 16];
    cdb[0] = opcode;
    cdb[2..10].copy_from_slice(&lba.to_be_bytes());
    cdb[10..14].copy_from_slice(&blocks.to_be_bytes());
    cdb
}

pub fn read(disk: &Faulty, lba: u64, blocks: u32) -> (Outcome, Vec<u8>) {
    run(disk, &cdb16(0x88, lba, blocks), &[], blocks as usize * 512)
}

pub fn write(disk: &Faulty, lba: u64, blocks: u32) -> Outcome {
    let data = vec![0x5A; blocks as usize * 512];
    run(disk, &cdb16(0x8A, lba, blocks), &data, 0).0
}

/// CLOSE 1, FINISH 2, OPEN 3, RESET WRITE POINTER 4.
pub fn zone_out(disk: &Faulty, action: u8, zone: u64) -> Outcome {
    let mut cdb = cdb16(0x94, start(zone), 0);
    cdb[1] = action;
    run(disk, &cdb, &[], 0).0
}

/// The descriptors of a REPORT ZONES.
pub fn report(disk: &Faulty, option: u8) -> Vec<[u8; 64]> {
    let mut cdb = cdb16(0x95, 0, 4096);
    cdb[14] = option;
    let (outcome, data) = run(disk, &cdb, &[], 4096);
    assert_eq!(outcome.completion.status, Status::Good);
    data[64..]
        .chunks(64)
        .map(|zone| zone.try_into().unwrap())
        .collect()
}

/// `ok`, `busy`, or key, additional sense code and qualifier as `3/11/00`.
pub fn said(outcome: &Outcome) -> String {
    let sense = &outcome.completion.sense;
    let (key, asc, ascq) = match (outcome.completion.status, sense.first()) {
        (Status::Good, None) => return "ok".into(),
        (Status::Busy, None) => return "busy".into(),
        (Status::CheckCondition, Some(0x70 | 0xF0)) => (sense[2], sense[12], sense[13]),
        (Status::CheckCondition, Some(0x72)) => (sense[1], sense[2], sense[3]),
        _ => panic!("status and sense data do not fit: {outcome:?}"),
    };
    format!("{key:X}/{asc:02X}/{ascq:02X}")
}

/// The INFORMATION field of fixed format sense data.
pub fn information(outcome: &Outcome) -> Option<u32> {
    let sense = &outcome.completion.sense;
    (sense[0] == 0xF0).then(|| u32::from_be_bytes(sense[3..7].try_into().unwrap()))
}

pub fn at_zone(kind: Kind, zone: u32) -> Rule {
    Rule {
        place: Place::Zone(zone),
        ..Rule::new(kind)
    }
}

pub fn at_blocks(kind: Kind, lba: u64, blocks: u64) -> Rule {
    Rule {
        place: Place::Blocks(lba..lba + blocks),
        ..Rule::new(kind)
    }
}

pub fn at_command(kind: Kind, command: &str) -> Rule {
    Rule {
        commands: Some(Selector::parse(command).expect("a command")),
        ..Rule::new(kind)
    }
}
