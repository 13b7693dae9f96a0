//! What may be written, and where (ZBC-2, 4.4.3; ZNS 1.1, 2.1.1.2).

use std::ops::Range;

use super::{writable, Hold, Machine, Plan, Step, Turn, Waits, Write};
use crate::machine::state::State;
use crate::word::Word;
use crate::{Answer, Blocks, Condition, Op, Operation, Refusal, ZoneTable};

impl<Z: ZoneTable, W: Waits> Machine<Z, W> {
    /// Whether a write there changes no zone: it starts in a conventional zone of a medium whose others are written in
    /// sequence, or is out of range, or of no blocks.
    pub(super) fn is_conventional(&self, blocks: Blocks) -> bool {
        let outside = self.in_range(blocks).is_err() || blocks.count == 0;
        let first = self
            .geometry
            .zone_of(blocks.lba.min(self.geometry.blocks - 1));
        outside || (self.geometry.is_conventional(first) && !self.geometry.writes_anywhere())
    }

    /// Writes where no zone changes. That needs no hold: the order of requests in flight at once is the initiator's
    /// business.
    pub(super) fn overwrite(&self, operation: Operation, blocks: Blocks) -> Result<Step, Refusal> {
        self.in_range(blocks)?;
        if blocks.count == 0 {
            return Ok(Step::Done(Answer::default()));
        }
        let zone = self.geometry.zone_of(blocks.lba);
        if blocks.end() > self.geometry.conventional_end().min(self.geometry.blocks) {
            return Err(Refusal::WriteBoundary { zone });
        }
        let last = self.geometry.zone_of(blocks.end() - 1);
        (zone..=last).try_for_each(|zone| writable(zone, self.word(zone)))?;
        Ok(Step::Plan(Plan::of(self.write_op(operation, blocks, 0))))
    }

    pub(super) fn write_op(&self, operation: Operation, blocks: Blocks, skipped: u64) -> Op {
        let [offset, len, skipped] =
            [blocks.lba, blocks.count, skipped].map(|blocks| self.geometry.to_bytes(blocks));
        match operation {
            Operation::Fill { stable, .. } => Op::Fill {
                offset,
                len,
                skipped,
                stable,
            },
            Operation::Write { stable, .. } | Operation::Append { stable, .. } => Op::Write {
                offset,
                len,
                skipped,
                stable,
            },
            _ => unreachable!("no other operation writes blocks"),
        }
    }

    /// The zones that a write changes, which is in range and of some blocks.
    pub(super) fn written_zones(&self, blocks: Blocks) -> Result<Range<u32>, Refusal> {
        let zone = self.geometry.zone_of(blocks.lba);
        if self.geometry.writes_anywhere() {
            return Ok(zone..self.geometry.zone_of(blocks.end() - 1) + 1);
        }
        if self.geometry.has_gap_zones() && self.geometry.gap(zone).contains(&blocks.lba) {
            return Err(Refusal::GapZone { zone });
        }
        Ok(zone..zone + 1)
    }

    /// Takes `zones`, which are not held, for a write, and opens those that are empty or closed. Also tells how many
    /// blocks before it are skipped.
    pub(super) fn write(
        &self,
        state: &mut State<W>,
        zones: &Range<u32>,
        blocks: Blocks,
    ) -> Result<Turn<(Hold, u64)>, Refusal> {
        if self.geometry.writes_anywhere() {
            return self.write_anywhere(state, zones, blocks).map(Turn::Done);
        }
        let zone = zones.start;
        let before = self.word(zone);
        let written = self.written_after(zone, before, blocks)?;
        let turn = self.make_room(state, before.condition)?;
        Ok(turn.map(|()| {
            if !before.condition.is_open() {
                self.set(state, zone, before.with(Condition::ImplicitlyOpen));
            }
            state.hold(zones.clone());
            let after = Word {
                written,
                ..self.word(zone)
            };
            let write = Write {
                zone,
                before,
                after,
            };
            (Hold::Write(write), 0)
        }))
    }

    /// How much of `zone` is written after a write, in write units; or why it may not be.
    fn written_after(&self, zone: u32, word: Word, blocks: Blocks) -> Result<u32, Refusal> {
        writable(zone, word)?;
        if word.condition == Condition::Full {
            return Err(Refusal::Full { zone });
        }
        let span = self.geometry.span(zone);
        let unit = self.geometry.write_unit_blocks();
        let write_pointer = word.written_end(&self.geometry, span.start);
        if blocks.lba != write_pointer {
            return Err(Refusal::Unaligned {
                zone,
                write_pointer,
            });
        }
        if blocks.end() > span.end {
            return Err(Refusal::WriteBoundary { zone });
        }
        if (blocks.end() - span.start) % unit != 0 {
            return Err(Refusal::Unaligned {
                zone,
                write_pointer,
            });
        }
        Ok(((blocks.end() - span.start) / unit) as u32)
    }
}
