//! REPORT LUNS (SPC-5, 6.33).
//!
//! A device does not know its neighbours, so it tells of LUN 0 alone. A transport with several devices answers
//! the command itself.

use crate::request::{Answer, Reply, Request};
use crate::sense::Sense;
use crate::unit::Unit;

/// REPORT LUNS to a device that stands alone.
pub(crate) fn report(_: &Unit<'_>, request: &Request<'_>) -> Answer {
    const LUN: [u8; 8] = [0; 8];
    let luns: &[u8] = match request.byte(2) {
        0x00 | 0x02 => &LUN,
        // Well known, administrative and conglomerate logical units: none.
        0x01 | 0x10..=0x12 => &[],
        _ => return Err(Sense::cdb_field(2)),
    };
    let mut data = (luns.len() as u32).to_be_bytes().to_vec();
    data.extend([0; 4]);
    data.extend(luns);
    Reply::cut(data, request.be32(6))
}
