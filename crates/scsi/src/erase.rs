//! FORMAT UNIT and SANITIZE (SBC-4, 5.4 and 5.30): what they ask for.

use crate::answer::{Answer, Context, Reply, Step};
use crate::background::Work;
use crate::erasing::{Erase, Medium};
use crate::sense::Sense;
use crate::unit::saved;

/// Whether the logical unit can be erased now.
fn allowed(context: &Context<'_>) -> Result<(), Sense> {
    if context.state.modes.is_write_protected() {
        return Err(Sense::WRITE_PROTECTED);
    }
    context.state.power.is_ready()
}

/// FORMAT UNIT: the format stays what it is, and there are no defects to be told of. A fast format is a format, as no block is
/// written that reads as zeroes without.
pub(crate) fn format_unit(context: &Context<'_>) -> Answer {
    let has_list = context.cdb.bit(1, 4);
    let long = context.cdb.bit(1, 5);
    allowed(context)?;
    if let Medium::Failed | Medium::FailedUnrestricted = context.state.erasing.medium() {
        return Err(Sense::SANITIZE_FAILED);
    }
    let len = match (has_list, long) {
        (false, _) => 0,
        (true, false) => 4,
        (true, true) => 8,
    };
    let immediate = match context.parameters(len) {
        Ok(list) => format_list(&list)?,
        Err(overrun) => return Ok(overrun),
    };
    let what = Erase {
        work: Work::Format,
        unrestricted: false,
        pattern: Vec::new(),
    };
    Ok(Reply::Erase(what, immediate))
}

/// The parameter list header, short or long, or none: whether to answer at once (IMMED). Protection information, an
/// initialization pattern and lists of defects are refused.
fn format_list(list: &[u8]) -> Result<bool, Sense> {
    const IMMED: u8 = 0x02;
    /// FOV, and what means something only with it: DPRY, DCRT and STPF, which are about defects.
    const ABOUT_DEFECTS: u8 = 0xF0;
    let Some(&flags) = list.get(1) else {
        return Ok(false);
    };
    let wrong = list
        .iter()
        .enumerate()
        .find(|&(at, &byte)| at != 1 && byte != 0);
    if let Some((at, _)) = wrong {
        return Err(Sense::parameter_field(at as u16));
    }
    if flags & !(IMMED | ABOUT_DEFECTS) != 0 {
        return Err(Sense::parameter_field(1));
    }
    Ok(flags & IMMED != 0)
}

/// SANITIZE, OVERWRITE. How often cannot be told afterwards, so it is done once. Where passes are inverted (INVERT), the last
/// one is not.
pub(crate) fn overwrite(context: &Context<'_>) -> Answer {
    const HEAD: usize = 4;
    let block = context.geometry.block_size as usize;
    let len = usize::from(context.cdb.be16(7));
    if len <= HEAD || len > HEAD + block {
        return Err(Sense::cdb_field(7));
    }
    let list = match context.parameters(len) {
        Ok(list) => list,
        Err(overrun) => return Ok(overrun),
    };
    let (test, count) = (list[0] >> 5 & 0b11, list[0] & 0x1F);
    let stated = usize::from(u16::from_be_bytes([list[2], list[3]]));
    if count == 0 || test != 0 {
        return Err(Sense::parameter_field(0));
    }
    if stated != len - HEAD {
        return Err(Sense::parameter_field(2));
    }
    let pattern = list[HEAD..].iter().copied().cycle().take(block).collect();
    sanitize(context, pattern)
}

/// SANITIZE, CRYPTOGRAPHIC ERASE: nothing of what was written can be read.
pub(crate) fn cryptographic_erase(context: &Context<'_>) -> Answer {
    no_list(context)?;
    sanitize(context, Vec::new())
}

/// SANITIZE, EXIT FAILURE MODE.
pub(crate) fn exit_failure_mode(context: &Context<'_>) -> Answer {
    no_list(context)?;
    match context.state.erasing.medium() {
        Medium::Failed => Err(Sense::cdb_bit(1, 4)),
        Medium::FailedUnrestricted => {
            context.state.erasing.set(Medium::Sound);
            Ok(Reply::Series(vec![Step::Save(saved::ERASING, Vec::new())]))
        }
        _ => Reply::GOOD,
    }
}

fn no_list(context: &Context<'_>) -> Result<(), Sense> {
    match context.cdb.be16(7) {
        0 => Ok(()),
        _ => Err(Sense::cdb_field(7)),
    }
}

/// Once failed in the restricted completion mode, SANITIZE stays in it (SBC-4, 4.11.3).
fn sanitize(context: &Context<'_>, pattern: Vec<u8>) -> Answer {
    allowed(context)?;
    let unrestricted = context.cdb.bit(1, 5);
    if unrestricted && context.state.erasing.medium() == Medium::Failed {
        return Err(Sense::cdb_bit(1, 5));
    }
    let what = Erase {
        work: Work::Sanitize,
        unrestricted,
        pattern,
    };
    Ok(Reply::Erase(what, context.cdb.bit(1, 7)))
}
