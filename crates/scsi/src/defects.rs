//! READ DEFECT DATA (SBC-4, 5.21 and 5.22): no block was ever found defective or reassigned, in any list.

use crate::answer::{Answer, Context, Reply};
use crate::sense::Sense;

/// REQ_PLIST, REQ_GLIST, and the DEFECT LIST FORMAT.
const LISTS: u8 = 0x18;
const FORMAT: u8 = 0x07;

/// READ DEFECT DATA(10).
pub(crate) fn read_10(context: &Context<'_>) -> Answer {
    let valid = lists(context.cdb.byte(2), 2)?;
    Reply::cut(vec![0, valid, 0, 0], context.cdb.be16(7))
}

/// READ DEFECT DATA(12).
pub(crate) fn read_12(context: &Context<'_>) -> Answer {
    let valid = lists(context.cdb.byte(1), 1)?;
    Reply::cut(vec![0, valid, 0, 0, 0, 0, 0, 0], context.cdb.be32(6))
}

/// The lists and the format that are returned: those that are asked for, in `byte` of the CDB.
fn lists(asked: u8, byte: u16) -> Result<u8, Sense> {
    /// Formats that the standard defines; that above them is the vendor's.
    const LAST_FORMAT: u8 = 0b101;
    if asked & FORMAT > LAST_FORMAT {
        return Err(Sense::cdb_bit(byte, 2));
    }
    Ok(asked & (LISTS | FORMAT))
}
