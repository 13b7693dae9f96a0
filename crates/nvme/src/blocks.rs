//! The commands that read, write and compare logical blocks (NVMe 1.4, 6): what they ask of the disk.

use zoned::{Blocks, Geometry, Operation};

use crate::answer::{Answer, Buffer, Context, Reply};
use crate::Status;

/// Flush.
pub(crate) fn flush(_: &Context<'_>) -> Answer {
    Ok(Reply::Medium(Operation::Flush, Buffer::None))
}

/// Read.
pub(crate) fn read(context: &Context<'_>) -> Answer {
    let blocks = context.entry.blocks();
    let stable = context.entry.forces_unit_access();
    Ok(Reply::Medium(
        Operation::Read { blocks, stable },
        Buffer::In,
    ))
}

/// Write, with no directive.
pub(crate) fn write(context: &Context<'_>) -> Answer {
    no_directive(context)?;
    let blocks = context.entry.blocks();
    let stable = is_stable(context);
    Ok(Reply::Medium(
        Operation::Write { blocks, stable },
        Buffer::Out,
    ))
}

/// Write Zeroes. Whether it deallocates makes no difference: what is deallocated reads as zeroes.
pub(crate) fn write_zeroes(context: &Context<'_>) -> Answer {
    let blocks = context.entry.blocks();
    let stable = is_stable(context);
    Ok(Reply::Medium(
        Operation::Fill { blocks, stable },
        Buffer::None,
    ))
}

/// Compare.
pub(crate) fn compare(context: &Context<'_>) -> Answer {
    let blocks = context.entry.blocks();
    Ok(Reply::Medium(Operation::Compare { blocks }, Buffer::Out))
}

/// Verify.
pub(crate) fn verify(context: &Context<'_>) -> Answer {
    let blocks = context.entry.blocks();
    Ok(Reply::Medium(Operation::Verify { blocks }, Buffer::None))
}

/// Dataset Management. Deallocated blocks read as zeroes (DLFEAT); in zones, which are deallocated by a reset, it is a hint
/// that is not taken. So are all attributes but *deallocate*.
pub(crate) fn manage_dataset(context: &Context<'_>) -> Answer {
    const RANGE: usize = 16;
    const DEALLOCATE: u32 = 1 << 2;
    let count = context.entry.bits(10, 7, 0) as usize + 1;
    let mut list = vec![0; count * RANGE];
    if context.out.copy(&mut list) < list.len() {
        return Err(Status::DATA_TRANSFER_ERROR);
    }
    let ranges = list.chunks_exact(RANGE).map(range);
    let wanted: Vec<Blocks> = ranges.filter(|blocks| blocks.count > 0).collect();
    if let Some(beyond) = wanted
        .iter()
        .find(|blocks| !fits(**blocks, context.geometry))
    {
        debug_assert!(beyond.count > 0);
        return Err(Status::LBA_OUT_OF_RANGE);
    }
    let deallocates = context.entry.dword(11) & DEALLOCATE != 0;
    if !deallocates || context.geometry.conventional_zones == 0 {
        return Ok(Reply::Good);
    }
    let stable = false;
    let fills = wanted
        .into_iter()
        .map(|blocks| Operation::Fill { blocks, stable });
    Ok(Reply::Series(fills.collect()))
}

/// A range: context attributes, length in blocks, and starting LBA.
fn range(bytes: &[u8]) -> Blocks {
    let dword = |at: usize| u32::from_le_bytes(std::array::from_fn(|byte| bytes[at + byte]));
    Blocks {
        lba: u64::from(dword(12)) << 32 | u64::from(dword(8)),
        count: u64::from(dword(4)),
    }
}

fn fits(blocks: Blocks, geometry: &Geometry) -> bool {
    blocks
        .lba
        .checked_add(blocks.count)
        .is_some_and(|end| end <= geometry.blocks)
}

/// Whether a write has to be stable when it is answered.
pub(crate) fn is_stable(context: &Context<'_>) -> bool {
    context.entry.forces_unit_access() || !context.has_write_cache
}

/// Directives are not supported: no write may have a type of one.
pub(crate) fn no_directive(context: &Context<'_>) -> Result<(), Status> {
    match context.entry.bits(12, 23, 20) {
        0 => Ok(()),
        _ => Err(Status::INVALID_FIELD),
    }
}
