//! A logical unit over a disk in memory.
#![allow(dead_code)]

use std::sync::atomic::AtomicU64;
use std::sync::mpsc::{channel, Receiver};
use std::sync::Arc;

use command::{Command, Outcome, Unit};
use scsi::{LogicalUnit, Status};
use zoned::testing::{Bytes, RamDisk};
use zoned::{
    fresh_word, Condition, Data, Degraded, Failed, Geometry, Identity, Kind, Op, Operation, Target,
    Zone, ZonedDisk,
};

pub type Words = Vec<AtomicU64>;

/// Status and sense data.
#[derive(Debug)]
pub struct Completion {
    pub status: Status,
    pub sense: Vec<u8>,
}

impl Completion {
    fn of(outcome: Outcome) -> Completion {
        let status = match outcome.status {
            0x00 => Status::Good,
            0x02 => Status::CheckCondition,
            0x18 => Status::ReservationConflict,
            other => panic!("status {other:#x}"),
        };
        Completion {
            status,
            sense: outcome.sense,
        }
    }
}

/// What a command came to.
#[derive(Debug)]
pub struct Answer {
    pub data: Vec<u8>,
    pub completion: Completion,
}

impl Answer {
    /// The data of a command that must have succeeded.
    #[track_caller]
    pub fn good(self) -> Vec<u8> {
        assert_eq!(
            self.completion.status,
            Status::Good,
            "{}",
            sense_of(&self.completion)
        );
        assert!(self.completion.sense.is_empty());
        self.data
    }

    /// Key, additional sense code and qualifier as `5/21/04`; `ok` if the command succeeded.
    pub fn sense(&self) -> String {
        sense_of(&self.completion)
    }
}

pub fn sense_of(completion: &Completion) -> String {
    let sense = &completion.sense;
    let (key, asc, ascq) = match (completion.status, sense.first()) {
        (Status::Good, None) => return "ok".into(),
        (Status::ReservationConflict, None) => return "conflict".into(),
        (Status::CheckCondition, Some(0x70 | 0xF0)) => (sense[2], sense[12], sense[13]),
        (Status::CheckCondition, Some(0x72)) => (sense[1], sense[2], sense[3]),
        _ => panic!("status and sense data do not fit: {completion:?}"),
    };
    format!("{key:X}/{asc:02X}/{ascq:02X}")
}

pub fn identity() -> Identity {
    Identity {
        vendor: "ZONEVM".into(),
        product: "SMR".into(),
        revision: "0001".into(),
        serial: "serial-1".into(),
        wwn: 0x3000_1234_5678_9ABC,
    }
}

/// 16 zones of 64 blocks of 512 bytes (the last one has 32), 4 of them conventional; 3 may be open.
pub fn small() -> Geometry {
    Geometry {
        kind: Kind::HostManaged,
        block_size: 512,
        blocks: 15 * 64 + 32,
        zone_blocks: 64,
        conventional_zones: 4,
        max_open: Some(3),
        zone_capacity: None,
        max_active: None,
        unrestricted_reads: true,
        extension_bytes: 0,
    }
}

pub fn fresh(geometry: &Geometry) -> Words {
    (0..geometry.zones())
        .map(|zone| AtomicU64::new(fresh_word(geometry, zone).to_le()))
        .collect()
}

/// A zone word, by the layout that the image format documents.
pub fn word(condition: Condition, written: u64) -> u64 {
    condition as u64 | written << 8
}

pub struct Disk {
    pub ram: Arc<RamDisk<Bytes>>,
    pub unit: LogicalUnit<Bytes>,
}

/// A command whose I/O waits.
pub struct InFlight<'a> {
    disk: &'a Disk,
    number: u64,
    outcome: Receiver<Outcome>,
}

impl InFlight<'_> {
    pub fn op(&self) -> Op {
        self.disk.ram.op(self.number)
    }

    /// Carries the I/O out, or has it fail.
    pub fn finish(self, result: Result<(), Failed>) -> Completion {
        match result {
            Ok(()) => self.disk.ram.release(self.number),
            Err(failed) => self.disk.ram.fail(self.number, failed),
        }
        Completion::of(self.outcome.try_recv().expect("it has ended"))
    }
}

/// A command that is forgotten fails.
impl Drop for InFlight<'_> {
    fn drop(&mut self) {
        if self.disk.ram.held().contains(&self.number) {
            self.disk.ram.fail(self.number, Failed::NotStable);
        }
    }
}

impl Disk {
    /// A disk whose POWER ON unit attention was seen.
    pub fn new(geometry: Geometry) -> Disk {
        let words = fresh(&geometry);
        let disk = Disk::with_words(geometry, words);
        assert_eq!(disk.run(&[0; 6]).sense(), "6/29/00");
        disk
    }

    pub fn with_words(geometry: Geometry, words: Words) -> Disk {
        let ram = Arc::new(RamDisk::with_words(geometry, words));
        Disk {
            unit: LogicalUnit::new(ram.clone(), identity()),
            ram,
        }
    }

    /// The power off and on: the logical unit is another, and its unit attention was seen.
    pub fn again(self) -> Disk {
        let Disk { ram, unit } = self;
        drop(unit);
        let unit = LogicalUnit::new(ram.clone(), identity());
        let disk = Disk { ram, unit };
        assert_eq!(disk.run(&[0; 6]).sense(), "6/29/00");
        disk
    }

    /// Runs a command without data-out.
    pub fn run(&self, cdb: &[u8]) -> Answer {
        self.run_with(cdb, &[])
    }

    pub fn run_with(&self, cdb: &[u8], out: &[u8]) -> Answer {
        self.run_as(0, cdb, out)
    }

    /// Runs a command of an initiator.
    pub fn run_as(&self, initiator: u8, cdb: &[u8], out: &[u8]) -> Answer {
        self.run_sized_as(initiator, cdb, out, 1 << 25)
            .expect("the buffers are large enough")
    }

    /// Runs a command; `None` if a buffer is too small.
    pub fn run_sized(&self, cdb: &[u8], out: &[u8], in_len: u64) -> Option<Answer> {
        self.run_sized_as(0, cdb, out, in_len)
    }

    fn run_sized_as(&self, initiator: u8, cdb: &[u8], out: &[u8], in_len: u64) -> Option<Answer> {
        let into = Bytes::new(vec![0; in_len as usize]);
        let mut command = Command::new(cdb, None, Bytes::new(out.to_vec()), into.clone());
        command.initiator = initiator;
        let outcome = self.unit.execute(&command).wait().expect("an outcome");
        if outcome.overrun {
            return None;
        }
        let mut data = vec![0; outcome.written as usize];
        into.read(0, &mut data);
        let completion = Completion::of(outcome);
        Some(Answer { data, completion })
    }

    /// A command that must need I/O, which waits.
    #[track_caller]
    pub fn plan(&self, cdb: &[u8], out: &[u8]) -> InFlight<'_> {
        self.try_plan(cdb, out).expect("I/O")
    }

    /// A command whose I/O waits, if it needs any.
    pub fn try_plan(&self, cdb: &[u8], out: &[u8]) -> Option<InFlight<'_>> {
        let into = Bytes::new(vec![0; 1 << 25]);
        let command = Command::new(cdb, None, Bytes::new(out.to_vec()), into);
        let before = self.ram.held();
        self.ram.hold(true);
        let (told, outcome) = channel();
        self.unit.execute(&command).then(move |ended| {
            // Nobody may wait any more.
            let _ = told.send(ended);
        });
        self.ram.hold(false);
        let number = self
            .ram
            .held()
            .into_iter()
            .find(|number| !before.contains(number))?;
        Some(InFlight {
            disk: self,
            number,
            outcome,
        })
    }

    pub fn zones(&self) -> Vec<Zone> {
        let zones = 0..self.geometry().zones();
        zones.map(|number| self.ram.zone(number)).collect()
    }

    pub fn geometry(&self) -> &Geometry {
        self.ram.geometry()
    }

    fn submit(&self, operation: Operation) {
        let done = self.ram.submit(operation.into(), &Bytes::default());
        let done = done.wait().expect("a completion");
        done.result.expect("a zone that can fail");
    }

    pub fn make_read_only(&self, zone: u32) {
        let target = Target::Zones {
            first: zone,
            count: 1,
        };
        let to = Degraded::ReadOnly;
        self.submit(Operation::Degrade { target, to });
    }

    pub fn take_offline(&self, zone: u32) {
        let target = Target::Zones {
            first: zone,
            count: 1,
        };
        let to = Degraded::Offline;
        self.submit(Operation::Degrade { target, to });
    }

    pub fn recommend_reset(&self, zone: u32) {
        let target = Target::Zones {
            first: zone,
            count: 1,
        };
        self.submit(Operation::RecommendReset { target });
    }

    pub fn zone(&self, number: usize) -> Zone {
        self.ram.zone(number as u32)
    }

    pub fn condition(&self, number: usize) -> Condition {
        self.zone(number).condition
    }

    pub fn open_zones(&self) -> usize {
        let zones = self.zones();
        zones.iter().filter(|zone| zone.condition.is_open()).count()
    }

    pub fn write_blocks(&self, lba: u64, blocks: u32, fill: u8) -> Answer {
        let len = blocks as usize * self.geometry().block_size as usize;
        self.run_with(&write16(lba, blocks), &vec![fill; len])
    }
}

/// A 16-byte CDB with a 64-bit LBA and a 32-bit length.
fn cdb16(opcode: u8, byte_1: u8, lba: u64, length: u32) -> [u8; 16] {
    let mut cdb = [0; 16];
    cdb[..2].copy_from_slice(&[opcode, byte_1]);
    cdb[2..10].copy_from_slice(&lba.to_be_bytes());
    cdb[10..14].copy_from_slice(&length.to_be_bytes());
    cdb
}

pub fn read16(lba: u64, blocks: u32) -> [u8; 16] {
    cdb16(0x88, 0, lba, blocks)
}

pub fn write16(lba: u64, blocks: u32) -> [u8; 16] {
    cdb16(0x8A, 0, lba, blocks)
}

pub fn verify16(lba: u64, blocks: u32, compare: bool) -> [u8; 16] {
    cdb16(0x8F, u8::from(compare) << 1, lba, blocks)
}

pub fn write_same16(lba: u64, blocks: u32, no_data: bool) -> [u8; 16] {
    cdb16(0x93, u8::from(no_data), lba, blocks)
}

pub fn report_zones(lba: u64, allocation_length: u32, options: u8) -> [u8; 16] {
    let mut cdb = cdb16(0x95, 0, lba, allocation_length);
    cdb[14] = options;
    cdb
}

pub const CLOSE: u8 = 1;
pub const FINISH: u8 = 2;
pub const OPEN: u8 = 3;
pub const RESET: u8 = 4;

pub fn zone_out(action: u8, lba: u64) -> [u8; 16] {
    cdb16(0x94, action, lba, 0)
}

pub fn zone_out_count(action: u8, lba: u64, count: u16) -> [u8; 16] {
    let mut cdb = cdb16(0x94, action, lba, 0);
    cdb[12..14].copy_from_slice(&count.to_be_bytes());
    cdb
}

pub fn zone_out_all(action: u8) -> [u8; 16] {
    let mut cdb = cdb16(0x94, action, u64::MAX, 0);
    cdb[14] = 1;
    cdb
}
