//! Logical unit numbers: REPORT LUNS (SPC-5, 6.33), and what answers where there is no logical unit.
//!
//! A device does not know its neighbours, so its own REPORT LUNS tells of LUN 0 alone. A transport with
//! several devices answers REPORT LUNS itself, with [`report_luns`], and any command to a LUN without a
//! device with [`absent_lun`].

use crate::api::Completion;
use crate::inquiry;
use crate::request::{Answer, Reply, Request};
use crate::sense::{good, Sense};
use crate::unit::Unit;

const REQUEST_SENSE: u8 = 0x03;
const INQUIRY: u8 = 0x12;
/// The operation code of REPORT LUNS, by which a transport knows to call [`report_luns`].
pub const REPORT_LUNS: u8 = 0xA0;

/// REPORT LUNS to a device that stands alone.
pub(crate) fn report(_: &Unit<'_>, request: &Request<'_>) -> Answer {
    list(request, &[0])
}

fn list(request: &Request<'_>, luns: &[u16]) -> Answer {
    let luns = match request.byte(2) {
        0x00 | 0x02 => luns,
        // Well known, administrative and conglomerate logical units: none.
        0x01 | 0x10..=0x12 => &[],
        _ => return Err(Sense::cdb_field(2)),
    };
    let mut data = ((luns.len() * 8) as u32).to_be_bytes().to_vec();
    data.extend([0; 4]);
    for &lun in luns {
        data.extend(address(lun));
        data.extend([0; 6]);
    }
    Reply::cut(data, request.be32(6))
}

/// A LUN as a single level address (SAM-5, 4.7.5): peripheral device addressing to 255, then flat space.
fn address(lun: u16) -> [u8; 2] {
    let [high, low] = lun.to_be_bytes();
    if high == 0 {
        [0, low]
    } else {
        [0x40 | high, low]
    }
}

/// Answers the REPORT LUNS command in `cdb` for a target with these logical units (each below 16384): data,
/// cut to the allocation length, and completion.
pub fn report_luns(cdb: &[u8], luns: &[u16]) -> (Vec<u8>, Completion) {
    answer(cdb, 12, |request| list(request, luns))
}

/// Answers any command to a LUN that has no logical unit (SPC-5, 6.7.2 and 6.39): data, cut to the
/// allocation length, and completion.
///
/// INQUIRY says that there is none, REQUEST SENSE says LOGICAL UNIT NOT SUPPORTED, everything else fails so.
pub fn absent_lun(cdb: &[u8]) -> (Vec<u8>, Completion) {
    answer(cdb, 6, |request| match request.byte(0) {
        INQUIRY if request.byte(1) == 0 && request.byte(2) == 0 => {
            Reply::cut(inquiry::absent(), request.be16(3))
        }
        REQUEST_SENSE => {
            let descriptor_format = request.bit(1, 0);
            Reply::cut(
                Sense::NO_SUCH_UNIT.encode(descriptor_format),
                request.byte(4),
            )
        }
        _ => Err(Sense::NO_SUCH_UNIT),
    })
}

/// Runs `run` on a CDB of at least `len` bytes.
fn answer(cdb: &[u8], len: usize, run: impl Fn(&Request<'_>) -> Answer) -> (Vec<u8>, Completion) {
    let no_data: &[u8] = &[];
    let request = Request {
        cdb,
        out: &no_data,
        in_len: u64::MAX,
    };
    if cdb.len() < len {
        return (
            Vec::new(),
            Sense::cdb_field(cdb.len() as u16).completion(false),
        );
    }
    match run(&request) {
        Ok(Reply::Data(data)) => (data, good()),
        Ok(Reply::Io(..) | Reply::Overrun { .. }) => unreachable!("these commands move no blocks"),
        Err(sense) => (Vec::new(), sense.completion(false)),
    }
}
