//! The commands that read, write and verify logical blocks (SBC-4): what they ask of the disk.

use zoned::{Blocks, Operation};

use crate::answer::{Answer, Buffer, Context, Reply, Step};
use crate::sense::Sense;

/// The most that one command may transfer, write the same to, or verify, in bytes: MAXIMUM TRANSFER LENGTH
/// and MAXIMUM WRITE SAME LENGTH. It bounds how long a command may keep a zone busy, but for what a write skips.
pub(crate) const MAX_TRANSFER: u32 = 32 << 20;

/// READ(6), (10), (12), (16).
pub(crate) fn read(context: &Context<'_>) -> Answer {
    let blocks = limited_transfer(context)?;
    if context.in_len < context.geometry.to_bytes(blocks.count) {
        return Ok(Reply::Overrun);
    }
    let stable = context.cdb.forces_unit_access();
    Ok(Reply::Medium(
        Operation::Read { blocks, stable },
        Buffer::In,
    ))
}

/// WRITE(6), (10), (12), (16).
pub(crate) fn write(context: &Context<'_>) -> Answer {
    let blocks = limited_transfer(context)?;
    if context.out.length() < context.geometry.to_bytes(blocks.count) {
        return Ok(Reply::Overrun);
    }
    let stable = context.cdb.forces_unit_access() || context.state.writes_through();
    Ok(Reply::Medium(
        Operation::Write { blocks, stable },
        Buffer::Out,
    ))
}

/// WRITE SAME(10), (16). Without UNMAP: see READ CAPACITY(16). No blocks would mean all blocks to the last one
/// (WSNZ is set: that is refused).
pub(crate) fn write_same(context: &Context<'_>) -> Answer {
    let blocks = limited_transfer(context)?;
    if blocks.count == 0 {
        return Err(Sense::cdb_field(context.cdb.length_field()));
    }
    let no_data = context.cdb.len() == 16 && context.cdb.bit(1, 0);
    let buffer = match no_data {
        true => Buffer::None,
        false if context.out.length() < context.geometry.to_bytes(1) => return Ok(Reply::Overrun),
        false => Buffer::Out,
    };
    let stable = context.state.writes_through();
    Ok(Reply::Medium(Operation::Fill { blocks, stable }, buffer))
}

/// VERIFY(10), (16): BYTCHK 00b reads, 01b compares.
pub(crate) fn verify(context: &Context<'_>) -> Answer {
    let blocks = limited_transfer(context)?;
    if !context.cdb.bit(1, 1) {
        return Ok(Reply::Medium(Operation::Verify { blocks }, Buffer::None));
    }
    if context.out.length() < context.geometry.to_bytes(blocks.count) {
        return Ok(Reply::Overrun);
    }
    Ok(Reply::Medium(Operation::Compare { blocks }, Buffer::Out))
}

/// WRITE AND VERIFY(10), (12), (16): as WRITE with FUA, then as VERIFY.
pub(crate) fn write_and_verify(context: &Context<'_>) -> Answer {
    let blocks = limited_transfer(context)?;
    if context.out.length() < context.geometry.to_bytes(blocks.count) {
        return Ok(Reply::Overrun);
    }
    let stable = true;
    let verify = match context.cdb.bit(1, 1) {
        true => Step::Medium(Operation::Compare { blocks }, Buffer::Out),
        false => Step::Medium(Operation::Verify { blocks }, Buffer::None),
    };
    let write = Operation::Write { blocks, stable };
    Ok(Reply::Series(vec![
        Step::Medium(write, Buffer::Out),
        verify,
    ]))
}

/// PRE-FETCH(10), (16): there is no cache of the disk's own that the blocks would fit into, hence GOOD and not
/// CONDITION MET (SBC-4, 5.11).
pub(crate) fn pre_fetch(context: &Context<'_>) -> Answer {
    in_range(context, context.cdb.transfer())?;
    Reply::GOOD
}

/// SYNCHRONIZE CACHE(10), (16): the whole cache, whatever the range; IMMED does not make it answer earlier.
pub(crate) fn synchronize_cache(context: &Context<'_>) -> Answer {
    in_range(context, context.cdb.transfer())?;
    Ok(Reply::Medium(Operation::Flush, Buffer::None))
}

/// LBA and number of blocks, both within their limits.
fn limited_transfer(context: &Context<'_>) -> Result<Blocks, Sense> {
    let blocks = context.cdb.transfer();
    in_range(context, blocks)?;
    if context.geometry.to_bytes(blocks.count) > u64::from(MAX_TRANSFER) {
        return Err(Sense::cdb_field(context.cdb.length_field()));
    }
    Ok(blocks)
}

/// Before the buffers are looked at, and so before the disk is asked.
fn in_range(context: &Context<'_>, blocks: Blocks) -> Result<(), Sense> {
    let Blocks { lba, count } = blocks;
    let end = lba
        .checked_add(count)
        .filter(|&end| end <= context.geometry.blocks);
    if end.is_none() || lba >= context.geometry.blocks {
        return Err(Sense::LBA_OUT_OF_RANGE.at(lba));
    }
    Ok(())
}
