//! A namespace over a disk in memory.
#![allow(dead_code)]

pub mod host;

use std::sync::Arc;

use command::{Command, Outcome, Unit};
use nvme::{transfer, Namespace};
use zoned::testing::{Bytes, RamDisk};
use zoned::{Condition, Data, Geometry, Kind, ZonedDisk};

pub const ZONE: u64 = 64;
pub const CAPACITY: u64 = 48;
pub const ZONES: u64 = 16;

pub const FLUSH: u8 = 0x00;
pub const WRITE: u8 = 0x01;
pub const READ: u8 = 0x02;
pub const COMPARE: u8 = 0x05;
pub const WRITE_ZEROES: u8 = 0x08;
pub const MANAGE_DATASET: u8 = 0x09;
pub const VERIFY: u8 = 0x0C;
pub const SEND: u8 = 0x79;
pub const RECEIVE: u8 = 0x7A;
pub const APPEND: u8 = 0x7D;

pub const CLOSE: u32 = 0x01;
pub const FINISH: u32 = 0x02;
pub const OPEN: u32 = 0x03;
pub const RESET: u32 = 0x04;
pub const OFFLINE: u32 = 0x05;
pub const SET_EXTENSION: u32 = 0x10;
pub const ALL: u32 = 1 << 8;

/// 16 zones of 64 blocks of 512 bytes, of which 48 can be written; 3 may be open, 5 active.
pub fn zns() -> Geometry {
    Geometry {
        kind: Kind::Zns,
        block_size: 512,
        blocks: ZONES * ZONE,
        zone_blocks: ZONE,
        zone_capacity: Some(CAPACITY),
        conventional_zones: 0,
        max_open: Some(3),
        max_active: Some(5),
        unrestricted_reads: true,
        extension_bytes: 64,
    }
}

/// The same without zones.
pub fn conventional() -> Geometry {
    Geometry {
        kind: Kind::Conventional,
        zone_capacity: None,
        conventional_zones: ZONES as u32,
        max_open: None,
        max_active: None,
        extension_bytes: 0,
        ..zns()
    }
}

/// A submission queue entry: an opcode, and command dwords from 10 on.
pub fn entry(opcode: u8, dwords: &[u32]) -> [u8; 64] {
    let mut entry = [0; 64];
    entry[0] = opcode;
    entry[4] = 1;
    for (at, dword) in (40..).step_by(4).zip(dwords) {
        entry[at..at + 4].copy_from_slice(&dword.to_le_bytes());
    }
    entry
}

/// One of blocks.
pub fn blocks(opcode: u8, lba: u64, count: u32) -> [u8; 64] {
    entry(opcode, &[lba as u32, (lba >> 32) as u32, count - 1])
}

/// Zone Management Send.
pub fn send(action: u32, zone: u64) -> [u8; 64] {
    entry(SEND, &[(zone * ZONE) as u32, 0, 0, action])
}

/// Zone Management Receive: an action with its options, from a zone on, with room for `bytes`.
pub fn receive(options: u32, zone: u64, bytes: u32) -> [u8; 64] {
    entry(RECEIVE, &[(zone * ZONE) as u32, 0, bytes / 4 - 1, options])
}

pub struct Disk {
    pub ram: Arc<RamDisk<Bytes>>,
    pub namespace: Namespace<Bytes>,
}

impl Disk {
    pub fn new(geometry: Geometry) -> Disk {
        Disk::power_on(Arc::new(RamDisk::new(geometry)))
    }

    pub fn power_on(ram: Arc<RamDisk<Bytes>>) -> Disk {
        Disk {
            namespace: Namespace::new(ram.clone()),
            ram,
        }
    }

    /// How a command ended, and what the host received.
    pub fn execute(&self, entry: &[u8; 64], out: &[u8]) -> (Outcome, Vec<u8>) {
        self.execute_as(0, entry, out)
    }

    /// The same from another initiator.
    pub fn execute_as(&self, who: u8, entry: &[u8; 64], out: &[u8]) -> (Outcome, Vec<u8>) {
        let into = Bytes::new(vec![0; transfer(self.ram.geometry(), entry).into as usize]);
        let mut command = Command::new(entry, None, Bytes::new(out.to_vec()), into.clone());
        command.initiator = who;
        let outcome = self.namespace.execute(&command).wait().expect("an outcome");
        let mut data = vec![0; outcome.written as usize];
        into.read(0, &mut data);
        (outcome, data)
    }

    /// Status code type and status code, as `1/BC`; `ok` for success.
    pub fn status(&self, entry: &[u8; 64], out: &[u8]) -> String {
        self.status_as(0, entry, out)
    }

    pub fn status_as(&self, who: u8, entry: &[u8; 64], out: &[u8]) -> String {
        match self.execute_as(who, entry, out).0.status {
            0 => "ok".into(),
            status => format!("{:X}/{:02X}", status >> 8 & 7, status & 0xFF),
        }
    }

    /// The data of a command that must have succeeded.
    #[track_caller]
    pub fn good(&self, entry: &[u8; 64]) -> Vec<u8> {
        let (outcome, data) = self.execute(entry, &[]);
        assert_eq!(outcome.status, 0, "status {:#x}", outcome.status);
        data
    }

    pub fn write(&self, lba: u64, count: u32, fill: u8) -> String {
        self.status(&blocks(WRITE, lba, count), &filled(count, fill))
    }

    #[track_caller]
    pub fn read(&self, lba: u64, count: u32) -> Vec<u8> {
        self.good(&blocks(READ, lba, count))
    }

    pub fn condition(&self, zone: u64) -> Condition {
        self.ram.zone(zone as u32).condition
    }
}

pub fn filled(count: u32, fill: u8) -> Vec<u8> {
    vec![fill; count as usize * 512]
}
