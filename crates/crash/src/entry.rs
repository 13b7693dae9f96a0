//! The entries of a record, and how they are written. All numbers are little-endian; a text is its length in bytes (2 bytes)
//! and UTF-8.
//!
//! The file begins with 8 bytes, `\x89ZVLOG1\n`. Each entry is a head, and after it the data of a submission that has
//! some, as [`crate::payload`] has them.
//!
//! | head, byte | length | field |
//! |---|---|---|
//! | 0 | 4 | CRC-32C of the head's bytes after this field |
//! | 4 | 4 | length of the head |
//! | 8 | 8 | number of the entry: 0, 1, ... |
//! | 16 | 8 | length of what follows the head |
//! | 24 | 1 | kind: 1 disk, 2 submission, 3 completion, 4 mark |
//! | 25 | | fields of the kind |
//!
//! | kind | fields: length |
//! |---|---|
//! | disk | number: 2, lying: 1, kind of medium (0 host-managed, 2 ZNS, 3 conventional): 1, block size in bytes: 4, blocks: 8, blocks of a zone: 8, zone capacity in blocks or 0: 8, conventional zones: 4, most open zones or 0: 4, most active zones or 0: 4, reads are unrestricted: 1, bytes of a descriptor extension: 4, WWN: 8, vendor, product, revision, serial number: texts |
//! | submission | disk: 2, operation: 1, detail: 1, place: 8, count: 8, opcode: 1, command: text |
//! | completion | number of the submission: 8, outcome: 1, first LBA of an append or 2^64-1: 8, why it was refused: text |
//! | mark | text |
//!
//! | operation | detail | place | count |
//! |---|---|---|---|
//! | 0 read | 1: from stable storage | LBA | blocks |
//! | 1 write | 1: stable before the answer | LBA | blocks |
//! | 2 append | 1: stable before the answer | zone | blocks |
//! | 3 fill | 1: stable before the answer | LBA | blocks |
//! | 4 flush | 0 | 0 | 0 |
//! | 5 manage | 0 open, 1 close, 2 finish, 3 reset, 4 offline, 5 set extension | first zone, or 2^64-1 for all | zones |
//! | 6 degrade | 0 read-only, 1 offline | first zone, or 2^64-1 for all | zones |
//! | 7 save | 0 | number of what is saved | 0 |
//!
//! Outcomes: 0 done, 1 refused, 2 done and not made stable, 3 failed, 4 taken back.

use crc32c::crc32c;
use zoned::{Action, Blocks, Degraded, Geometry, Identity, Kind, Operation, Refusal, Target};

use crate::bytes::{Packer, Unpacker};

/// How a record begins.
pub(crate) const MAGIC: [u8; 8] = *b"\x89ZVLOG1\n";
/// Bytes of a head before its kind.
pub(crate) const FIXED: usize = 24;
/// No head is longer.
pub(crate) const LONGEST: usize = FIXED + 1 + 128 + u16::MAX as usize;
const NONE: u64 = u64::MAX;

/// A disk whose requests are recorded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Medium {
    /// By which the record has it.
    pub number: u16,
    /// Its flushes, and what it says to be stable when it is answered, mean nothing.
    pub lying: bool,
    pub geometry: Geometry,
    pub identity: Identity,
}

/// A request that the disk was given.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Submission {
    pub disk: u16,
    pub operation: Operation,
    /// The command that it came of, as the standard spells it, and its opcode; empty for none.
    pub command: String,
    pub opcode: u8,
}

/// What came of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    Done,
    /// Nothing was done.
    Refused,
    /// It was done, and could not be made stable.
    NotStable,
    /// Where it can be overwritten, any of its blocks may be written; elsewhere nothing was done.
    Failed,
    /// Nothing was done, and nobody was answered.
    Withdrawn,
}

/// The end of a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Completed {
    /// The number of its submission.
    pub of: u64,
    pub outcome: Outcome,
    /// The first LBA that an append wrote.
    pub lba: Option<u64>,
    /// Why it was refused, for people; empty if it was not.
    pub refusal: String,
}

/// An entry of a record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Entry {
    Disk(Medium),
    Submitted(Submission),
    Completed(Completed),
    /// A text: all that whoever wrote it had seen the end of is before it.
    Mark(String),
}

impl Outcome {
    /// What it is to have been refused for this.
    pub(crate) fn of(refusal: Refusal) -> Outcome {
        match refusal {
            Refusal::NotStable => Outcome::NotStable,
            Refusal::Unwritable { .. } | Refusal::WriteFault { .. } | Refusal::Lost => {
                Outcome::Failed
            }
            _ => Outcome::Refused,
        }
    }
}

/// The head of entry `number`, which `data` bytes follow.
pub(crate) fn encode(number: u64, entry: &Entry, data: usize) -> Vec<u8> {
    let mut head = Packer::default();
    head.u32(0).u32(0).u64(number).u64(data as u64);
    match entry {
        Entry::Disk(medium) => pack_medium(head.u8(1), medium),
        Entry::Submitted(submission) => {
            let (operation, detail, place, count) = code_of(submission.operation);
            head.u8(2).u16(submission.disk).u8(operation).u8(detail);
            head.u64(place).u64(count);
            head.u8(submission.opcode).text(&submission.command);
        }
        Entry::Completed(completed) => {
            head.u8(3).u64(completed.of).u8(completed.outcome as u8);
            head.u64(completed.lba.unwrap_or(NONE));
            head.text(&completed.refusal);
        }
        Entry::Mark(text) => {
            head.u8(4).text(text);
        }
    }
    let mut head = head.0;
    let len = head.len() as u32;
    head[4..8].copy_from_slice(&len.to_le_bytes());
    let crc = crc32c(&head[4..]);
    head[..4].copy_from_slice(&crc.to_le_bytes());
    head
}

/// What is at the start of some bytes.
pub(crate) struct Head {
    pub number: u64,
    pub entry: Entry,
    /// Its own length, and that of the data after it.
    pub len: u64,
    pub data: u64,
}

/// How long the head is that begins with these bytes, if it can be one.
pub(crate) fn length(start: &[u8]) -> Option<usize> {
    let len = Unpacker(start.get(4..)?).u32()? as usize;
    (FIXED < len && len <= LONGEST).then_some(len)
}

/// The head at the start of `bytes`; `None` if there is none that is whole.
pub(crate) fn decode(bytes: &[u8]) -> Option<Head> {
    let len = length(bytes)?;
    let head = bytes.get(..len)?;
    if Unpacker(head).u32()? != crc32c(&head[4..]) {
        return None;
    }
    let mut fields = Unpacker(&head[8..]);
    let (number, data) = (fields.u64()?, fields.u64()?);
    let entry = match fields.u8()? {
        1 => Entry::Disk(unpack_medium(&mut fields)?),
        2 => {
            let disk = fields.u16()?;
            let code = (fields.u8()?, fields.u8()?, fields.u64()?, fields.u64()?);
            Entry::Submitted(Submission {
                disk,
                operation: operation_of(code)?,
                opcode: fields.u8()?,
                command: fields.text()?,
            })
        }
        3 => Entry::Completed(Completed {
            of: fields.u64()?,
            outcome: outcome_of(fields.u8()?)?,
            lba: Some(fields.u64()?).filter(|&lba| lba != NONE),
            refusal: fields.text()?,
        }),
        4 => Entry::Mark(fields.text()?),
        _ => return None,
    };
    Some(Head {
        number,
        entry,
        len: len as u64,
        data,
    })
}

fn code_of(operation: Operation) -> (u8, u8, u64, u64) {
    let zones = |target| match target {
        Target::All => (NONE, 0),
        Target::Zones { first, count } => (first.into(), count.into()),
    };
    match operation {
        Operation::Read { blocks, stable } => (0, stable.into(), blocks.lba, blocks.count),
        Operation::Write { blocks, stable } => (1, stable.into(), blocks.lba, blocks.count),
        Operation::Append {
            zone,
            count,
            stable,
        } => (2, stable.into(), zone.into(), count),
        Operation::Fill { blocks, stable } => (3, stable.into(), blocks.lba, blocks.count),
        Operation::Manage { action, target } => {
            let (first, count) = zones(target);
            (5, action as u8, first, count)
        }
        Operation::Degrade { target, to } => {
            let (first, count) = zones(target);
            (6, to as u8, first, count)
        }
        Operation::Save { kind } => (7, 0, kind.into(), 0),
        // The others change nothing that a power cut could take, and are not recorded.
        _ => (4, 0, 0, 0),
    }
}

fn operation_of((operation, detail, place, count): (u8, u8, u64, u64)) -> Option<Operation> {
    let blocks = Blocks { lba: place, count };
    let stable = detail == 1;
    let target = || {
        Some(match place {
            NONE => Target::All,
            first => Target::Zones {
                first: first.try_into().ok()?,
                count: count.try_into().ok()?,
            },
        })
    };
    Some(match operation {
        0 => Operation::Read { blocks, stable },
        1 => Operation::Write { blocks, stable },
        2 => Operation::Append {
            zone: place.try_into().ok()?,
            count,
            stable,
        },
        3 => Operation::Fill { blocks, stable },
        4 => Operation::Flush,
        5 => Operation::Manage {
            action: action_of(detail)?,
            target: target()?,
        },
        6 => Operation::Degrade {
            target: target()?,
            to: match detail {
                0 => Degraded::ReadOnly,
                1 => Degraded::Offline,
                _ => return None,
            },
        },
        7 => Operation::Save {
            kind: place.try_into().ok()?,
        },
        _ => return None,
    })
}

fn action_of(detail: u8) -> Option<Action> {
    use Action::{Close, Finish, Offline, Open, Reset, SetExtension};
    let all = [Open, Close, Finish, Reset, Offline, SetExtension];
    all.into_iter().find(|&action| action as u8 == detail)
}

fn outcome_of(code: u8) -> Option<Outcome> {
    use Outcome::{Done, Failed, NotStable, Refused, Withdrawn};
    let all = [Done, Refused, NotStable, Failed, Withdrawn];
    all.into_iter().find(|&outcome| outcome as u8 == code)
}

fn pack_medium(head: &mut Packer, medium: &Medium) {
    let Medium {
        number,
        lying,
        geometry,
        identity,
    } = medium;
    head.u16(*number).u8((*lying).into());
    head.u8(geometry.kind as u8).u32(geometry.block_size);
    head.u64(geometry.blocks).u64(geometry.zone_blocks);
    head.u64(geometry.zone_capacity.unwrap_or(0));
    head.u32(geometry.conventional_zones);
    head.u32(geometry.max_open.unwrap_or(0));
    head.u32(geometry.max_active.unwrap_or(0));
    head.u8(geometry.unrestricted_reads.into());
    head.u32(geometry.extension_bytes).u64(identity.wwn);
    for text in [
        &identity.vendor,
        &identity.product,
        &identity.revision,
        &identity.serial,
    ] {
        head.text(text);
    }
}

fn unpack_medium(fields: &mut Unpacker<'_>) -> Option<Medium> {
    let (number, lying) = (fields.u16()?, fields.u8()? == 1);
    let geometry = Geometry {
        kind: match fields.u8()? {
            0 => Kind::HostManaged,
            2 => Kind::Zns,
            3 => Kind::Conventional,
            _ => return None,
        },
        block_size: fields.u32()?,
        blocks: fields.u64()?,
        zone_blocks: fields.u64()?,
        zone_capacity: Some(fields.u64()?).filter(|&blocks| blocks > 0),
        conventional_zones: fields.u32()?,
        max_open: Some(fields.u32()?).filter(|&zones| zones > 0),
        max_active: Some(fields.u32()?).filter(|&zones| zones > 0),
        unrestricted_reads: fields.u8()? == 1,
        extension_bytes: fields.u32()?,
    };
    let wwn = fields.u64()?;
    let medium = Medium {
        number,
        lying,
        geometry,
        identity: Identity {
            vendor: fields.text()?,
            product: fields.text()?,
            revision: fields.text()?,
            serial: fields.text()?,
            wwn,
        },
    };
    medium.geometry.validate().ok()?;
    medium.identity.validate().ok()?;
    Some(medium)
}
