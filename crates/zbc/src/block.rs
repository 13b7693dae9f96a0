//! The commands that read, write and verify logical blocks (SBC-4, with the rules of ZBC-2, 4.4).

use crate::api::{Condition, Extent, Geometry, Op};
use crate::request::{Answer, Reply, Request};
use crate::sense::Sense;
use crate::unit::Unit;
use crate::word::Word;
use crate::zones::{writable, Hold};

/// The most that one command may transfer, write the same to, or verify, in bytes: MAXIMUM TRANSFER LENGTH
/// and MAXIMUM WRITE SAME LENGTH. It bounds how long a command may keep a zone busy, but for what a write skips.
pub(crate) const MAX_TRANSFER: u32 = 32 << 20;

/// READ(6), (10), (12), (16).
pub(crate) fn read(unit: &Unit<'_>, request: &Request<'_>) -> Answer {
    let (lba, blocks) = limited_transfer(unit, request)?;
    let needed = unit.geometry.to_bytes(blocks);
    if request.in_len < needed {
        return Ok(Reply::Overrun { needed });
    }
    let extents = extents(unit, lba, blocks)?;
    if extents.is_empty() {
        return Reply::GOOD;
    }
    let fua = force_unit_access(request);
    Ok(Reply::Io(Op::Read { extents, fua }, Hold::Nothing))
}

/// WRITE(6), (10), (12), (16).
pub(crate) fn write(unit: &Unit<'_>, request: &Request<'_>) -> Answer {
    let (lba, blocks) = limited_transfer(unit, request)?;
    let len = unit.geometry.to_bytes(blocks);
    if request.out.len() < len {
        return Ok(Reply::Overrun { needed: len });
    }
    if blocks == 0 {
        return Reply::GOOD;
    }
    let (hold, skipped) = hold_for_write(unit, lba, blocks)?;
    let op = Op::Write {
        offset: unit.geometry.to_bytes(lba),
        len,
        skipped: unit.geometry.to_bytes(skipped),
        durable: force_unit_access(request) || unit.state.writes_through(),
    };
    Ok(Reply::Io(op, hold))
}

/// WRITE SAME(10), (16). Without UNMAP: see READ CAPACITY(16). No blocks would mean all blocks to the last one
/// (WSNZ is set: that is refused).
pub(crate) fn write_same(unit: &Unit<'_>, request: &Request<'_>) -> Answer {
    let (lba, blocks) = limited_transfer(unit, request)?;
    if blocks == 0 {
        return Err(length_field(request));
    }
    let no_data = request.cdb.len() == 16 && request.bit(1, 0);
    let block = if no_data {
        Vec::new()
    } else {
        match request.parameters(unit.geometry.block_size as usize) {
            Ok(block) => block,
            Err(overrun) => return Ok(overrun),
        }
    };
    let (hold, skipped) = hold_for_write(unit, lba, blocks)?;
    let op = Op::WriteSame {
        offset: unit.geometry.to_bytes(lba),
        len: unit.geometry.to_bytes(blocks),
        skipped: unit.geometry.to_bytes(skipped),
        block,
        durable: unit.state.writes_through(),
    };
    Ok(Reply::Io(op, hold))
}

/// VERIFY(10), (16): BYTCHK 00b reads, 01b compares.
pub(crate) fn verify(unit: &Unit<'_>, request: &Request<'_>) -> Answer {
    let (lba, blocks) = limited_transfer(unit, request)?;
    let compare = request.bit(1, 1);
    let needed = unit.geometry.to_bytes(blocks);
    if compare && request.out.len() < needed {
        return Ok(Reply::Overrun { needed });
    }
    let extents = extents(unit, lba, blocks)?;
    if extents.is_empty() {
        return Reply::GOOD;
    }
    Ok(Reply::Io(Op::Verify { extents, compare }, Hold::Nothing))
}

/// SYNCHRONIZE CACHE(10), (16): the whole cache, whatever the range; IMMED does not make it answer earlier.
pub(crate) fn synchronize_cache(unit: &Unit<'_>, request: &Request<'_>) -> Answer {
    let (lba, blocks) = request.transfer();
    in_range(unit, lba, blocks)?;
    Ok(Reply::Io(Op::Flush, Hold::Nothing))
}

/// LBA and number of blocks, both within their limits.
fn limited_transfer(unit: &Unit<'_>, request: &Request<'_>) -> Result<(u64, u64), Sense> {
    let (lba, blocks) = request.transfer();
    in_range(unit, lba, blocks)?;
    if unit.geometry.to_bytes(blocks) > u64::from(MAX_TRANSFER) {
        return Err(length_field(request));
    }
    Ok((lba, blocks))
}

fn in_range(unit: &Unit<'_>, lba: u64, blocks: u64) -> Result<(), Sense> {
    let end = lba
        .checked_add(blocks)
        .filter(|&end| end <= unit.geometry.blocks);
    if end.is_none() || lba >= unit.geometry.blocks {
        return Err(Sense::LBA_OUT_OF_RANGE.at(lba));
    }
    Ok(())
}

/// The field with the number of blocks is wrong.
fn length_field(request: &Request<'_>) -> Sense {
    Sense::cdb_field(match request.cdb.len() {
        6 => 4,
        10 => 7,
        12 => 6,
        _ => 10,
    })
}

/// FUA. The 6-byte commands have none, and LBA bits in its place.
fn force_unit_access(request: &Request<'_>) -> bool {
    request.cdb.len() > 6 && request.bit(1, 3)
}

/// Where the blocks come from, without a gap. What was not written since its zone was last reset reads as zeroes.
///
/// Without URSWRZ a read of a sequential zone ends below its write pointer if it has one (ZBC-2, 4.4.3): a full zone
/// can be read as a whole.
fn extents(unit: &Unit<'_>, lba: u64, blocks: u64) -> Result<Vec<Extent>, Sense> {
    let mut extents = Vec::new();
    let end = lba + blocks;
    if crosses_into_sequential(unit.geometry, lba, end) {
        return Err(Sense::READ_BOUNDARY);
    }
    let mut at = lba;
    while at < end {
        let zone = unit.geometry.zone_of(at);
        let gap = unit.geometry.gap(zone);
        let stop = gap.end.min(end);
        if stop > gap.start {
            return Err(Sense::GAP_ZONE);
        }
        let word = unit.zones.word(zone);
        let written_end = written(unit.geometry, zone, word)?.clamp(at, stop);
        if !unit.geometry.urswrz && word.has_pointer() && written_end < stop {
            return Err(Sense::READ_INVALID_DATA);
        }
        let [from, split, to] = [at, written_end, stop].map(|lba| unit.geometry.to_bytes(lba));
        push_data(&mut extents, from, split - from);
        push_zeroes(&mut extents, split, to - split);
        at = stop;
    }
    Ok(extents)
}

/// Whether a read from `lba` to `end` enters a sequential write required zone from where it may not: from a
/// conventional zone whatever URSWRZ is, from another sequential one without URSWRZ (ZBC-2, 4.4.3).
fn crosses_into_sequential(geometry: &Geometry, lba: u64, end: u64) -> bool {
    let first = geometry.zone_of(lba);
    let last = geometry.zone_of(end.max(lba + 1) - 1);
    let enters = first < last && !geometry.is_conventional(last) && !geometry.host_aware;
    enters && (geometry.is_conventional(first) || !geometry.urswrz)
}

/// The LBA up to which `zone` holds data.
fn written(geometry: &Geometry, zone: u32, word: Word) -> Result<u64, Sense> {
    if word.condition == Condition::Offline {
        return Err(Sense::ZONE_OFFLINE);
    }
    let span = geometry.span(zone);
    if geometry.is_conventional(zone) {
        return Ok(span.end);
    }
    Ok(word.written_end(geometry, span.start))
}

fn push_data(extents: &mut Vec<Extent>, offset: u64, more: u64) {
    match extents.last_mut() {
        _ if more == 0 => {}
        Some(Extent::Data { len, .. }) => *len += more,
        _ => extents.push(Extent::Data { offset, len: more }),
    }
}

fn push_zeroes(extents: &mut Vec<Extent>, offset: u64, more: u64) {
    match extents.last_mut() {
        _ if more == 0 => {}
        Some(Extent::Zeroes { len, .. }) => *len += more,
        _ => extents.push(Extent::Zeroes { offset, len: more }),
    }
}

/// Takes what a write of `blocks` at `lba`, more than none, needs; and tells how many blocks before it are skipped.
///
/// Writes to conventional zones need no hold: their zone words do not change, and the order of commands in flight at
/// once is the initiator's business.
fn hold_for_write(unit: &Unit<'_>, lba: u64, blocks: u64) -> Result<(Hold, u64), Sense> {
    if unit.geometry.host_aware {
        return unit.zones.begin_write_anywhere(lba, blocks);
    }
    let zone = unit.geometry.zone_of(lba);
    if unit.geometry.gap(zone).contains(&lba) {
        return Err(Sense::GAP_ZONE);
    }
    if !unit.geometry.is_conventional(zone) {
        return Ok((unit.zones.begin_write(lba, blocks)?, 0));
    }
    if lba + blocks > unit.geometry.conventional_end() {
        return Err(Sense::WRITE_BOUNDARY);
    }
    let last = unit.geometry.zone_of(lba + blocks - 1);
    (zone..=last).try_for_each(|zone| writable(unit.zones.word(zone)))?;
    Ok((Hold::Nothing, 0))
}
