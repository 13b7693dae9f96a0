//! A small disk with faults, and SCSI commands to it.
#![allow(dead_code)] // each test uses a part

use std::ops::Deref;
use std::sync::Arc;

use command::{Command, Outcome, Unit};
use faults::{Faults, FaultyDisk, FaultyUnit, Kind, Place, Rule, Selector};
use scsi::LogicalUnit;
use zoned::testing::{Bytes, RamDisk};
use zoned::{Data, Geometry, Identity, Kind as Medium, Submitted};

pub const ZONE: u64 = 2048;
pub const CONVENTIONAL: u64 = 2;

/// A disk in memory, its faults, and the unit that fails by them.
pub struct Disk {
    pub ram: Arc<RamDisk<Bytes>>,
    pub faults: Arc<Faults<Bytes>>,
    pub unit: FaultyUnit<Bytes>,
}

impl Deref for Disk {
    type Target = Faults<Bytes>;

    fn deref(&self) -> &Faults<Bytes> {
        &self.faults
    }
}

/// 16 zones of 1 MiB, two of them conventional, of 512-byte blocks; past its first unit attention.
pub fn disk() -> Disk {
    let geometry = Geometry {
        kind: Medium::HostManaged,
        block_size: 512,
        blocks: 16 * ZONE,
        zone_blocks: ZONE,
        zone_capacity: None,
        conventional_zones: CONVENTIONAL as u32,
        max_open: Some(4),
        max_active: None,
        unrestricted_reads: true,
        extension_bytes: 0,
    };
    let identity = Identity {
        vendor: "ZONEVM".into(),
        product: "SMR".into(),
        revision: "1".into(),
        serial: "1".into(),
        wwn: 3 << 60,
    };
    let ram = Arc::new(RamDisk::new(geometry));
    let faults = Arc::new(Faults::new(ram.clone(), scsi::commands()));
    let medium = Arc::new(FaultyDisk::new(faults.clone()));
    let unit = Arc::new(LogicalUnit::new(medium, identity));
    let unit = FaultyUnit::new(faults.clone(), unit);
    let disk = Disk { ram, faults, unit };
    while !run(&disk, &[0; 6], &[], 0).0.is_good() {}
    disk
}

/// The first LBA of a zone.
pub fn start(zone: u64) -> u64 {
    zone * ZONE
}

/// Runs a command that is answered.
pub fn run(disk: &Disk, cdb: &[u8], out: &[u8], room: usize) -> (Outcome, Vec<u8>) {
    let (submitted, into) = begin(disk, cdb, out, room);
    let outcome = submitted.wait().expect("an answer");
    let mut data = vec![0; outcome.written as usize];
    into.read(0, &mut data);
    (outcome, data)
}

/// Begins a command; also what it reads into.
pub fn begin(disk: &Disk, cdb: &[u8], out: &[u8], room: usize) -> (Submitted<Outcome>, Bytes) {
    let into = Bytes::new(vec![0xEE; room]);
    let command = Command::new(cdb, None, Bytes::new(out.to_vec()), into.clone());
    (disk.unit.execute(&command), into)
}

/// A 16-byte CDB with LBA and length where READ and WRITE have them.
pub fn cdb16(opcode: u8, lba: u64, blocks: u32) -> [u8; 16] {
    let mut cdb = [0; 16];
    cdb[0] = opcode;
    cdb[2..10].copy_from_slice(&lba.to_be_bytes());
    cdb[10..14].copy_from_slice(&blocks.to_be_bytes());
    cdb
}

pub fn read(disk: &Disk, lba: u64, blocks: u32) -> (Outcome, Vec<u8>) {
    run(disk, &cdb16(0x88, lba, blocks), &[], blocks as usize * 512)
}

pub fn write(disk: &Disk, lba: u64, blocks: u32) -> Outcome {
    let data = vec![0x5A; blocks as usize * 512];
    run(disk, &cdb16(0x8A, lba, blocks), &data, 0).0
}

/// CLOSE 1, FINISH 2, OPEN 3, RESET WRITE POINTER 4.
pub fn zone_out(disk: &Disk, action: u8, zone: u64) -> Outcome {
    let mut cdb = cdb16(0x94, start(zone), 0);
    cdb[1] = action;
    run(disk, &cdb, &[], 0).0
}

/// The descriptors of a REPORT ZONES.
pub fn report(disk: &Disk, option: u8) -> Vec<[u8; 64]> {
    let mut cdb = cdb16(0x95, 0, 4096);
    cdb[14] = option;
    let (outcome, data) = run(disk, &cdb, &[], 4096);
    assert!(outcome.is_good());
    data[64..]
        .chunks(64)
        .map(|zone| zone.try_into().unwrap())
        .collect()
}

/// `ok`, `busy`, or key, additional sense code and qualifier as `3/11/00`.
pub fn said(outcome: &Outcome) -> String {
    let sense = &outcome.sense;
    let (key, asc, ascq) = match (outcome.status, sense.first()) {
        (0x00, None) => return "ok".into(),
        (0x08, None) => return "busy".into(),
        (0x02, Some(0x70 | 0xF0)) => (sense[2], sense[12], sense[13]),
        (0x02, Some(0x72)) => (sense[1], sense[2], sense[3]),
        _ => panic!("status and sense data do not fit: {outcome:?}"),
    };
    format!("{key:X}/{asc:02X}/{ascq:02X}")
}

/// The INFORMATION field of fixed format sense data.
pub fn information(outcome: &Outcome) -> Option<u32> {
    let sense = &outcome.sense;
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
        commands: Some(Selector::parse(command, &scsi::commands()).expect("a command")),
        ..Rule::new(kind)
    }
}
