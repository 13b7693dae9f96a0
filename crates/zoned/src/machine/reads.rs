//! What may be read, and where it comes from (ZBC-2, 4.4.3; ZNS 1.1, 2.1.1.1).

use std::ops::Range;

use super::{Machine, Plan, Step, Waits};
use crate::word::Word;
use crate::{Answer, Blocks, Condition, Extent, Extents, Geometry, Op, Refusal, ZoneTable};

impl<Z: ZoneTable, W: Waits> Machine<Z, W> {
    pub(super) fn read(
        &self,
        blocks: Blocks,
        op: impl FnOnce(Extents) -> Op,
    ) -> Result<Step, Refusal> {
        let extents = self.extents(blocks)?;
        if extents.is_empty() {
            return Ok(Step::Done(Answer::default()));
        }
        Ok(Step::Plan(Plan::of(op(extents))))
    }

    /// Where the blocks come from, without a gap. What was not written since its zone was last reset reads as zeroes.
    fn extents(&self, blocks: Blocks) -> Result<Extents, Refusal> {
        let geometry = &self.geometry;
        self.in_range(blocks)?;
        let mut extents = Extents::default();
        let (mut at, end) = (blocks.lba, blocks.end());
        if let Some(zone) = forbidden_crossing(geometry, blocks) {
            return Err(Refusal::ReadBoundary { zone });
        }
        let mut zone = geometry.zone_of(at);
        while at < end {
            let span = geometry.span(zone);
            let stop = geometry.end_of(zone).min(end);
            if geometry.has_gap_zones() && stop > span.end {
                return Err(Refusal::GapZone { zone });
            }
            let word = self.word(zone);
            let pointer = self.written(zone, word, span)?;
            let written_end = pointer.clamp(at, stop);
            if geometry.reads_only_written() && word.has_pointer() && written_end < stop {
                return Err(Refusal::ReadUnwritten {
                    zone,
                    write_pointer: pointer,
                });
            }
            let [from, split, to] = [at, written_end, stop].map(|lba| geometry.to_bytes(lba));
            extents.push(Extent::Data {
                offset: from,
                len: split - from,
            });
            extents.push(Extent::Zeroes {
                offset: split,
                len: to - split,
            });
            at = stop;
            zone += 1;
        }
        Ok(extents)
    }

    /// The LBA up to which `zone`, which has these, holds data.
    fn written(&self, zone: u32, word: Word, span: Range<u64>) -> Result<u64, Refusal> {
        if word.condition == Condition::Offline {
            return Err(Refusal::Offline { zone });
        }
        if self.geometry.is_conventional(zone) {
            return Ok(span.end);
        }
        Ok(word.written_end(&self.geometry, span.start))
    }

    pub(super) fn in_range(&self, blocks: Blocks) -> Result<(), Refusal> {
        let fits = blocks
            .lba
            .checked_add(blocks.count)
            .is_some_and(|end| end <= self.geometry.blocks);
        if !fits || blocks.lba >= self.geometry.blocks {
            return Err(Refusal::OutOfRange { lba: blocks.lba });
        }
        Ok(())
    }
}

/// The zone into which a read may not go on from where it begins: a sequential one, from a conventional one or from
/// another sequential one, as the geometry has it.
fn forbidden_crossing(geometry: &Geometry, blocks: Blocks) -> Option<u32> {
    let first = geometry.zone_of(blocks.lba);
    if blocks.end() <= geometry.end_of(first) {
        return None;
    }
    let last = geometry.zone_of(blocks.end() - 1);
    let enters = !geometry.is_conventional(last);
    let allowed = if geometry.is_conventional(first) {
        geometry.reads_into_sequential()
    } else {
        geometry.unrestricted_reads
    };
    (enters && !allowed).then(|| geometry.conventional_zones.max(first + 1))
}
