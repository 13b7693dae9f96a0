//! The SCSI target: finds a command's logical unit, and answers what is the target's own business, which is
//! REPORT LUNS and logical units that are absent. Knows no ring.

use std::sync::Arc;

use image::Outcome;
use vm_memory::VolatileSlice;
use zbc::{Completion, Status};

use crate::chain::{length, scatter};
use crate::wire::{Address, Response};
use crate::{Lun, Pause};

const TEST_UNIT_READY: u8 = 0x00;
const REQUEST_SENSE: u8 = 0x03;
const INQUIRY: u8 = 0x12;
const REPORT_LUNS: u8 = 0xa0;

/// First byte of INQUIRY data (SPC-5, 6.7.2): no logical unit here (qualifier 011b, type 1Fh).
const ABSENT: u8 = 0x7f;
/// First byte of INQUIRY data: a well-known logical unit (type 1Eh).
const WELL_KNOWN: u8 = 0x1e;
/// The LUN of the REPORT LUNS well-known logical unit (SPC-5, 7.6; SAM-5, 4.7.10).
const REPORT_LUNS_LUN: [u8; 8] = [0xc1, 0x01, 0, 0, 0, 0, 0, 0];

const INVALID_OPCODE: (u8, u8) = (0x20, 0x00);
const INVALID_FIELD: (u8, u8) = (0x24, 0x00);
const NO_LOGICAL_UNIT: (u8, u8) = (0x25, 0x00);

/// The most logical units: what 14 bits of a flat space LUN can number.
pub(crate) const MAX_LUNS: usize = 1 << 14;

/// Target 0 and its logical units; unit `i` has LUN `i`.
pub(crate) struct Target {
    luns: Vec<Arc<dyn Lun>>,
}

impl Target {
    pub(crate) fn new(luns: Vec<Arc<dyn Lun>>) -> Target {
        Target { luns }
    }

    /// Runs one command; `Ok(None)` if its logical unit never answers it.
    ///
    /// # Errors
    /// The address is another target's.
    pub(crate) fn execute(
        &self,
        address: Address,
        cdb: &[u8],
        out: &[VolatileSlice<'_>],
        into: &[VolatileSlice<'_>],
        pause: Pause<'_>,
    ) -> Result<Option<Outcome>, Response> {
        let unit = match address {
            Address::Unit(number) => self.luns.get(usize::from(number)),
            Address::WellKnown | Address::NoUnit => None,
            Address::NoTarget => return Err(Response::BadTarget),
        };
        let outcome = match unit {
            Some(_) if cdb[0] == REPORT_LUNS => reply(self.report_luns(cdb), into),
            Some(unit) => return Ok(unit.execute(cdb, out, into, pause)),
            None if address == Address::WellKnown => reply(self.well_known(cdb), into),
            None => reply(absent(cdb), into),
        };
        Ok(Some(outcome))
    }

    /// The logical unit that a task management function is for.
    pub(crate) fn unit(&self, address: Address) -> Result<&dyn Lun, Response> {
        match address {
            Address::Unit(number) => self
                .luns
                .get(usize::from(number))
                .map(|lun| &**lun)
                .ok_or(Response::IncorrectLun),
            Address::WellKnown | Address::NoUnit => Err(Response::IncorrectLun),
            Address::NoTarget => Err(Response::BadTarget),
        }
    }

    /// All logical units.
    pub(crate) fn units(&self) -> impl Iterator<Item = &dyn Lun> {
        self.luns.iter().map(|lun| &**lun)
    }

    fn well_known(&self, cdb: &[u8]) -> Result<Vec<u8>, (u8, u8)> {
        match cdb[0] {
            REPORT_LUNS => self.report_luns(cdb),
            TEST_UNIT_READY => Ok(Vec::new()),
            INQUIRY => inquiry(cdb, WELL_KNOWN),
            REQUEST_SENSE => Ok(cut(&sense(0, (0, 0)), cdb[4].into())),
            _ => Err(INVALID_OPCODE),
        }
    }

    /// REPORT LUNS (SPC-5, 6.33). SELECT REPORT: 0 ordinary units, 1 well-known ones, 2 both.
    fn report_luns(&self, cdb: &[u8]) -> Result<Vec<u8>, (u8, u8)> {
        let select = cdb[2];
        if select > 2 {
            return Err(INVALID_FIELD);
        }
        let mut list = vec![0; 8];
        if select != 0 {
            list.extend(REPORT_LUNS_LUN);
        }
        if select != 1 {
            for number in 0..self.luns.len() as u16 {
                // The peripheral method up to 255, the flat space method from 256 on (SAM-5, 4.7.7).
                let method = if number < 256 { 0 } else { 0x4000 };
                list.extend((method | number).to_be_bytes());
                list.extend([0; 6]);
            }
        }
        let bytes = (list.len() - 8) as u32;
        list[..4].copy_from_slice(&bytes.to_be_bytes());
        let allocated = u32::from_be_bytes(cdb[6..10].try_into().expect("4 bytes"));
        Ok(cut(&list, allocated))
    }
}

/// What a target answers for a logical unit that it does not have (SPC-5, 6.7.2 and 6.39; SAM-5, 5.11).
fn absent(cdb: &[u8]) -> Result<Vec<u8>, (u8, u8)> {
    match cdb[0] {
        INQUIRY => inquiry(cdb, ABSENT),
        REQUEST_SENSE => Ok(cut(&sense(5, NO_LOGICAL_UNIT), cdb[4].into())),
        _ => Err(NO_LOGICAL_UNIT),
    }
}

/// Standard INQUIRY data; there are no vital product data pages.
fn inquiry(cdb: &[u8], peripheral: u8) -> Result<Vec<u8>, (u8, u8)> {
    if cdb[1] != 0 || cdb[2] != 0 {
        return Err(INVALID_FIELD);
    }
    let mut data = *b"\0\0\x07\x02\x1f\0\0\x02zonevm  target          0   ";
    data[0] = peripheral;
    let allocated = u16::from_be_bytes([cdb[3], cdb[4]]);
    Ok(cut(&data, allocated.into()))
}

fn cut(data: &[u8], allocated: u32) -> Vec<u8> {
    data[..data.len().min(allocated as usize)].to_vec()
}

/// Fixed format sense data (SPC-5, 4.4.3).
fn sense(key: u8, (code, qualifier): (u8, u8)) -> [u8; 18] {
    let mut sense = [0; 18];
    sense[0] = 0x70;
    sense[2] = key;
    sense[7] = 10;
    sense[12] = code;
    sense[13] = qualifier;
    sense
}

/// Turns data, or the ILLEGAL REQUEST that is said instead, into the command's outcome.
fn reply(data: Result<Vec<u8>, (u8, u8)>, into: &[VolatileSlice<'_>]) -> Outcome {
    let (status, sense, data) = match data {
        Ok(data) => (Status::Good, Vec::new(), data),
        Err(code) => (Status::CheckCondition, sense(5, code).to_vec(), Vec::new()),
    };
    let overrun = data.len() as u64 > length(into);
    let written = if overrun { 0 } else { scatter(&data, into) };
    Outcome {
        completion: Completion { status, sense },
        written: written as u64,
        consumed: 0,
        overrun,
    }
}
