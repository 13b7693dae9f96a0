//! The SCSI target: finds a command's logical unit, and answers what is the target's own business, which is
//! REPORT LUNS and logical units that are absent. Knows no transport.

use std::sync::Arc;

use command::{Command, Outcome, Unit};
use zoned::{Data, Submitted};

use crate::answer::{cut, Answer, Context, Reply};
use crate::cdb::Cdb;
use crate::decode;
use crate::sense::Sense;

const TEST_UNIT_READY: u8 = 0x00;
const REQUEST_SENSE: u8 = 0x03;
const INQUIRY: u8 = 0x12;
const REPORT_LUNS: u8 = 0xA0;

/// First byte of INQUIRY data (SPC-5, 6.7.2): no logical unit here (qualifier 011b, type 1Fh).
const ABSENT: u8 = 0x7F;
/// First byte of INQUIRY data: a well-known logical unit (type 1Eh).
const WELL_KNOWN: u8 = 0x1E;
/// The LUN of the REPORT LUNS well-known logical unit (SPC-5, 7.6; SAM-5, 4.7.10).
const REPORT_LUNS_LUN: [u8; 8] = [0xC1, 0x01, 0, 0, 0, 0, 0, 0];

/// The most logical units: what 14 bits of a flat space LUN can number.
pub const MAX_UNITS: usize = 1 << 14;

/// What of a target a command is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Address {
    /// A logical unit, by its LUN.
    Unit(u16),
    /// The REPORT LUNS well-known logical unit.
    WellKnown,
    /// A LUN that no logical unit can have here.
    NoUnit,
}

/// A target and its logical units; unit `i` has LUN `i`.
pub struct Target<D: Data> {
    units: Vec<Arc<dyn Unit<D>>>,
}

impl<D: Data> Target<D> {
    /// A target of these, at most [`MAX_UNITS`].
    pub fn new(units: Vec<Arc<dyn Unit<D>>>) -> Target<D> {
        Target { units }
    }

    /// Its logical units, by LUN.
    pub fn units(&self) -> &[Arc<dyn Unit<D>>] {
        &self.units
    }

    /// Begins a command.
    pub fn execute(&self, address: Address, command: &Command<D>) -> Submitted<Outcome> {
        let unit = match address {
            Address::Unit(number) => self.units.get(usize::from(number)),
            Address::WellKnown | Address::NoUnit => None,
        };
        let opcode = command.raw().first().copied();
        let answer = match unit {
            Some(unit) if opcode != Some(REPORT_LUNS) => return unit.execute(command),
            Some(_) => with_cdb(command, |cdb| {
                report_luns(cdb, self.units.len(), &REPORT_LUNS_LUN)
            }),
            None if address == Address::WellKnown => {
                with_cdb(command, |cdb| well_known(cdb, self.units.len()))
            }
            None => with_cdb(command, absent),
        };
        Submitted::Completed(reply(answer, &command.into))
    }
}

/// REPORT LUNS to a logical unit that stands alone: LUN 0, and no well-known one.
pub(crate) fn report_one(context: &Context<'_>) -> Answer {
    report_luns(context.cdb, 1, &[]).map(Reply::Data)
}

/// REPORT LUNS (SPC-5, 6.33). SELECT REPORT: 0 ordinary units, 1 well-known ones, 2 both; administrative and
/// conglomerate ones there are none.
fn report_luns(cdb: Cdb<'_>, units: usize, well_known: &[u8]) -> Result<Vec<u8>, Sense> {
    decode::check(cdb.0)?;
    let select = cdb.byte(2);
    let (has_ordinary, has_well_known) = match select {
        0x00 => (true, false),
        0x01 => (false, true),
        0x02 => (true, true),
        0x10..=0x12 => (false, false),
        _ => return Err(Sense::cdb_field(2)),
    };
    let mut list = vec![0; 8];
    if has_well_known {
        list.extend(well_known);
    }
    if has_ordinary {
        for number in 0..units as u16 {
            // The peripheral method up to 255, the flat space method from 256 on (SAM-5, 4.7.7).
            let method = if number < 256 { 0 } else { 0x4000 };
            list.extend((method | number).to_be_bytes());
            list.extend([0; 6]);
        }
    }
    let bytes = (list.len() - 8) as u32;
    list[..4].copy_from_slice(&bytes.to_be_bytes());
    Ok(cut(list, cdb.be32(6)))
}

fn well_known(cdb: Cdb<'_>, units: usize) -> Result<Vec<u8>, Sense> {
    match cdb.byte(0) {
        REPORT_LUNS => report_luns(cdb, units, &REPORT_LUNS_LUN),
        TEST_UNIT_READY => Ok(Vec::new()),
        INQUIRY => inquiry(cdb, WELL_KNOWN),
        REQUEST_SENSE => Ok(request_sense(cdb, Sense::NONE)),
        _ => Err(Sense::UNKNOWN_OPERATION_CODE),
    }
}

/// What a target answers for a logical unit that it does not have (SPC-5, 6.7.2 and 6.39; SAM-5, 5.11).
fn absent(cdb: Cdb<'_>) -> Result<Vec<u8>, Sense> {
    match cdb.byte(0) {
        INQUIRY => inquiry(cdb, ABSENT),
        REQUEST_SENSE => Ok(request_sense(cdb, Sense::NO_LOGICAL_UNIT)),
        _ => Err(Sense::NO_LOGICAL_UNIT),
    }
}

fn request_sense(cdb: Cdb<'_>, sense: Sense) -> Vec<u8> {
    cut(sense.encode(false), cdb.byte(4))
}

/// Standard INQUIRY data; there are no vital product data pages.
fn inquiry(cdb: Cdb<'_>, peripheral: u8) -> Result<Vec<u8>, Sense> {
    if cdb.byte(1) != 0 || cdb.byte(2) != 0 {
        return Err(Sense::cdb_field(if cdb.byte(1) != 0 { 1 } else { 2 }));
    }
    let mut data = *b"\0\0\x07\x02\x1f\0\0\x02zonevm  target          0   ";
    data[0] = peripheral;
    Ok(cut(data.to_vec(), cdb.be16(3)))
}

/// Runs `answer` with the CDB, as long as the longest command here wants it.
fn with_cdb<D>(
    command: &Command<D>,
    answer: impl FnOnce(Cdb<'_>) -> Result<Vec<u8>, Sense>,
) -> Result<Vec<u8>, Sense> {
    let mut cdb = [0; 16];
    let raw = command.raw();
    let len = raw.len().min(cdb.len());
    cdb[..len].copy_from_slice(&raw[..len]);
    answer(Cdb(&cdb))
}

/// Turns data, or the sense data that are said instead, into the command's outcome.
fn reply(data: Result<Vec<u8>, Sense>, into: &impl Data) -> Outcome {
    match data {
        Ok(data) if data.len() as u64 > into.len() => Outcome {
            overrun: true,
            ..Outcome::default()
        },
        Ok(data) => Outcome {
            written: into.write(0, &data) as u64,
            ..Outcome::default()
        },
        Err(sense) => sense.outcome(false),
    }
}
