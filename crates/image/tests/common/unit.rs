//! SCSI commands to a disk, each run to its end.
#![allow(dead_code)] // each test uses a part

use std::ops::{Deref, Range};
use std::path::Path;
use std::sync::Arc;

use command::{Command, Unit as _};
use image::{Cache, Disk, Error};
use memory::Scatter;
use scsi::{LogicalUnit, Status};
use zoned::{Data, Degraded, Geometry, Identity, Operation, Refusal, Target, ZonedDisk};

/// A disk, and a logical unit over it.
pub struct Unit {
    disk: Arc<Disk>,
    unit: LogicalUnit<Scatter>,
}

/// Status and sense data.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Completion {
    pub status: Status,
    pub sense: Vec<u8>,
}

/// How a command ended, and how many bytes it moved.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outcome {
    pub completion: Completion,
    pub written: u64,
    pub consumed: u64,
    pub overrun: bool,
}

impl Deref for Unit {
    type Target = Disk;

    fn deref(&self) -> &Disk {
        &self.disk
    }
}

impl Unit {
    pub fn create(path: &Path, geometry: &Geometry, identity: &Identity) -> Result<(), Error> {
        Disk::create(path, geometry, identity)
    }

    pub fn open(path: &Path, cache: Cache) -> Result<Unit, Error> {
        Disk::open(path, cache).map(Unit::new)
    }

    pub fn new(disk: Disk) -> Unit {
        let disk = Arc::new(disk);
        Unit {
            unit: LogicalUnit::new(disk.clone(), disk.identity().clone()),
            disk,
        }
    }

    pub fn execute(&self, cdb: &[u8], out: Scatter, into: Scatter) -> Outcome {
        let command = Command::new(cdb, None, out, into);
        let outcome = self.unit.execute(&command).wait().expect("an outcome");
        let status = match outcome.status {
            0x00 => Status::Good,
            0x02 => Status::CheckCondition,
            other => panic!("status {other:#x}"),
        };
        Outcome {
            completion: Completion {
                status,
                sense: outcome.sense,
            },
            written: outcome.written,
            consumed: outcome.consumed,
            overrun: outcome.overrun,
        }
    }

    /// Runs a command with its data each in one piece.
    pub fn run(&self, cdb: &[u8], out: &[u8], in_length: usize) -> (Outcome, Vec<u8>) {
        let into = Scatter::from_bytes(vec![0xee; in_length]);
        let outcome = self.execute(cdb, Scatter::from_bytes(out.to_vec()), into.clone());
        let data = into.to_vec(outcome.written);
        (outcome, data)
    }

    fn submit(&self, operation: Operation) -> Result<(), Refusal> {
        let submitted = self.disk.submit(operation.into(), &Scatter::default());
        submitted.wait().expect("a completion").result.map(drop)
    }

    fn degrade(&self, zones: Range<u32>, to: Degraded) -> Result<(), Refusal> {
        let target = target(zones);
        self.submit(Operation::Degrade { target, to })
    }

    pub fn make_read_only(&self, zones: Range<u32>) -> Result<(), Refusal> {
        self.degrade(zones, Degraded::ReadOnly)
    }

    pub fn take_offline(&self, zones: Range<u32>) -> Result<(), Refusal> {
        self.degrade(zones, Degraded::Offline)
    }

    pub fn recommend_reset(&self, zone: u32) {
        let target = target(zone..zone + 1);
        let recommended = self.submit(Operation::RecommendReset { target });
        recommended.expect("a sequential zone");
    }
}

fn target(zones: Range<u32>) -> Target {
    Target::Zones {
        first: zones.start,
        count: zones.len() as u32,
    }
}

/// Scattered memory of pieces of these sizes, one after the other.
pub fn scattered(sizes: impl IntoIterator<Item = usize>) -> Scatter {
    use vm_memory::{GuestAddress, GuestMemoryMmap};
    const APART: usize = 8192;
    let sizes: Vec<usize> = sizes.into_iter().collect();
    let whole = sizes.len() * APART;
    let map = GuestMemoryMmap::from_ranges(&[(GuestAddress(0), whole)]).expect("memory");
    let mut data = Scatter::of(Arc::new(memory::Guest::new(map, Vec::new())));
    for (number, size) in sizes.into_iter().enumerate().filter(|(_, size)| *size > 0) {
        assert!(data.push(GuestAddress((number * APART) as u64), size));
    }
    assert!(data.len() > 0);
    data
}
