//! A disk in memory: the device model with an executor that carries its I/O out on a sparse map.
#![allow(dead_code)]

use std::collections::HashMap;
use std::sync::atomic::AtomicU64;
use std::sync::Mutex;

use zbc::{
    fresh_word, Completion, Condition, DataOut, Device, Extent, Fault, Geometry, Identity, Op,
    Plan, Status, Step, Zone,
};

const SECTOR: u64 = 512;

pub type Words = Vec<AtomicU64>;

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
        block_size: 512,
        blocks: 15 * 64 + 32,
        zone_blocks: 64,
        conventional_zones: 4,
        max_open: Some(3),
        zone_capacity: None,
        urswrz: true,
        host_aware: false,
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
    pub device: Device<Words>,
    sectors: Mutex<HashMap<u64, [u8; SECTOR as usize]>>,
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
        Disk {
            device: Device::new(geometry, identity(), words).unwrap(),
            sectors: Mutex::default(),
        }
    }

    /// Runs a command without data-out.
    pub fn run(&self, cdb: &[u8]) -> Answer {
        self.run_with(cdb, &[])
    }

    pub fn run_with(&self, cdb: &[u8], out: &[u8]) -> Answer {
        self.run_sized(cdb, out, 1 << 26)
            .expect("the buffers are large enough")
    }

    /// Runs a command; `Err` with the length that is needed if a buffer is too small.
    pub fn run_sized(&self, cdb: &[u8], out: &[u8], in_len: u64) -> Result<Answer, u64> {
        match self.device.begin(cdb, &out, in_len) {
            Step::Done { data, completion } => Ok(Answer { data, completion }),
            Step::Overrun { needed } => Err(needed),
            Step::Io(plan) => {
                let (data, result) = self.execute(plan.op(), &out);
                let completion = plan.finish(result);
                Ok(Answer { data, completion })
            }
        }
    }

    /// The plan of a command that must need I/O.
    #[track_caller]
    pub fn plan(&self, cdb: &[u8], out: &[u8]) -> Plan<'_, Words> {
        match self.device.begin(cdb, &out, 1 << 26) {
            Step::Io(plan) => plan,
            Step::Done { completion, .. } => panic!("no I/O but {}", sense_of(&completion)),
            Step::Overrun { needed } => panic!("needs {needed} bytes"),
        }
    }

    pub fn execute(&self, op: &Op, out: &dyn DataOut) -> (Vec<u8>, Result<(), Fault>) {
        let mut data = Vec::new();
        let mut result = Ok(());
        match op {
            Op::Read { extents, .. } => data = self.read(extents),
            Op::Verify { extents, compare } => {
                let found = self.read(extents);
                if *compare {
                    let mut wanted = vec![0; found.len()];
                    out.read(0, &mut wanted);
                    if let Some(at) = (0..found.len()).find(|&at| found[at] != wanted[at]) {
                        let (Extent::Data { offset, .. } | Extent::Zeroes { offset, .. }) =
                            extents[0];
                        result = Err(Fault::Miscompare {
                            offset: offset + at as u64,
                        });
                    }
                }
            }
            Op::Write {
                offset,
                len,
                skipped,
                ..
            } => {
                self.write(offset - skipped, &vec![0; *skipped as usize]);
                let mut bytes = vec![0; *len as usize];
                out.read(0, &mut bytes);
                self.write(*offset, &bytes);
            }
            Op::WriteSame {
                offset,
                len,
                skipped,
                block,
                ..
            } => {
                self.write(offset - skipped, &vec![0; *skipped as usize]);
                let zeroes = [0; SECTOR as usize];
                let block = if block.is_empty() { &zeroes[..] } else { block };
                let bytes: Vec<u8> = block.iter().copied().cycle().take(*len as usize).collect();
                self.write(*offset, &bytes);
            }
            Op::Flush => {}
            Op::Discard { ranges, .. } => {
                for &(offset, len) in ranges {
                    let gone = offset / SECTOR..(offset + len) / SECTOR;
                    self.sectors
                        .lock()
                        .unwrap()
                        .retain(|at, _| !gone.contains(at));
                }
            }
        }
        (data, result)
    }

    fn read(&self, extents: &[Extent]) -> Vec<u8> {
        let sectors = self.sectors.lock().unwrap();
        let mut data = Vec::new();
        for extent in extents {
            match *extent {
                Extent::Zeroes { len, .. } => data.resize(data.len() + len as usize, 0),
                Extent::Data { offset, len } => {
                    for at in offset / SECTOR..(offset + len) / SECTOR {
                        data.extend(sectors.get(&at).unwrap_or(&[0; SECTOR as usize]));
                    }
                }
            }
        }
        data
    }

    pub fn write(&self, offset: u64, bytes: &[u8]) {
        let mut sectors = self.sectors.lock().unwrap();
        for (at, bytes) in (offset / SECTOR..).zip(bytes.chunks_exact(SECTOR as usize)) {
            sectors.insert(at, bytes.try_into().unwrap());
        }
    }

    pub fn zone(&self, number: usize) -> Zone {
        self.device.zones().nth(number).unwrap()
    }

    pub fn condition(&self, number: usize) -> Condition {
        self.zone(number).condition
    }

    pub fn open_zones(&self) -> usize {
        let open = |zone: &Zone| {
            matches!(
                zone.condition,
                Condition::ImplicitlyOpen | Condition::ExplicitlyOpen
            )
        };
        self.device.zones().filter(open).count()
    }

    pub fn write_blocks(&self, lba: u64, blocks: u32, fill: u8) -> Answer {
        let len = blocks as usize * self.device.geometry().block_size as usize;
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
