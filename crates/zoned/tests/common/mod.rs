//! A ZNS namespace in memory, and requests to it.
#![allow(dead_code)] // each test uses a part

use zoned::testing::{Bytes, RamDisk};
use zoned::{
    Action, Answer, Blocks, Completion, Condition, Geometry, Kind, Operation, Refusal, Submitted,
    Target, ZonedDisk,
};

pub const BLOCK: usize = 512;
/// Blocks of a zone.
pub const ZONE: u64 = 32;
/// Blocks of a zone that can be written.
pub const CAPACITY: u64 = 24;

/// 8 zones, of which 2 may be open and 3 active.
pub fn zns() -> Geometry {
    Geometry {
        kind: Kind::Zns,
        block_size: BLOCK as u32,
        blocks: 8 * ZONE,
        zone_blocks: ZONE,
        zone_capacity: Some(CAPACITY),
        conventional_zones: 0,
        max_open: Some(2),
        max_active: Some(3),
        unrestricted_reads: true,
        extension_bytes: 64,
    }
}

/// A disk, and how it is asked.
pub struct Disk(pub RamDisk<Bytes>);

impl Disk {
    pub fn new(geometry: Geometry) -> Disk {
        Disk(RamDisk::new(geometry))
    }

    pub fn submit(&self, operation: Operation, data: Vec<u8>) -> Submitted<Completion> {
        self.0.submit(operation.into(), &Bytes::new(data))
    }

    pub fn ask(&self, operation: Operation, data: Vec<u8>) -> Result<Answer, Refusal> {
        let submitted = self.submit(operation, data);
        submitted.wait().expect("a completion").result
    }

    pub fn write(&self, lba: u64, count: u64, fill: u8) -> Result<(), Refusal> {
        self.ask(write(lba, count), filled(count, fill)).map(drop)
    }

    pub fn append(&self, zone: u32, count: u64, fill: u8) -> Result<u64, Refusal> {
        let answer = self.ask(append(zone, count), filled(count, fill))?;
        Ok(answer.lba.expect("where it was written"))
    }

    pub fn read(&self, lba: u64, count: u64) -> Result<Vec<u8>, Refusal> {
        let blocks = Blocks { lba, count };
        let into = Bytes::new(filled(count, 0xEE));
        let read = Operation::Read {
            blocks,
            stable: false,
        };
        let submitted = self.0.submit(read.into(), &into);
        submitted.wait().expect("a completion").result?;
        Ok(into.to_vec())
    }

    pub fn act(&self, action: Action, zone: u32) -> Result<(), Refusal> {
        self.ask(manage(action, zone), Vec::new()).map(drop)
    }

    pub fn act_on_all(&self, action: Action) -> Result<(), Refusal> {
        let target = Target::All;
        self.ask(Operation::Manage { action, target }, Vec::new())
            .map(drop)
    }

    pub fn condition(&self, zone: u32) -> Condition {
        self.0.zone(zone).condition
    }

    pub fn active(&self) -> u32 {
        let zones = 0..self.0.geometry().zones();
        zones
            .filter(|&zone| self.condition(zone).is_active())
            .count() as u32
    }
}

pub fn filled(count: u64, fill: u8) -> Vec<u8> {
    vec![fill; count as usize * BLOCK]
}

pub fn write(lba: u64, count: u64) -> Operation {
    Operation::Write {
        blocks: Blocks { lba, count },
        stable: false,
    }
}

pub fn append(zone: u32, count: u64) -> Operation {
    Operation::Append {
        zone,
        count,
        stable: false,
    }
}

pub fn manage(action: Action, zone: u32) -> Operation {
    let target = Target::Zones {
        first: zone,
        count: 1,
    };
    Operation::Manage { action, target }
}

pub fn start(zone: u32) -> u64 {
    u64::from(zone) * ZONE
}
