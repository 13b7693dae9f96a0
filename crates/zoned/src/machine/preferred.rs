//! Writes to a host-aware disk (ZBC-2, 4.4.3.4): anywhere, and across zones of any type.
//!
//! In a sequential write preferred zone a write moves the write pointer to its end, unless that is below it. What it
//! skips was never written since the last reset, and has to read as zeroes: it is below the write pointer from then on.

use std::ops::Range;

use super::{writable, Hold, Machine, Waits, Write};
use crate::machine::state::State;
use crate::word::Word;
use crate::{Blocks, Condition, Refusal, ZoneTable};

impl<Z: ZoneTable, W: Waits> Machine<Z, W> {
    /// Takes the zones of a write, and opens those that are empty or closed. Also tells how many blocks before it it
    /// skips.
    pub(super) fn write_anywhere(
        &self,
        state: &mut State<W>,
        zones: &Range<u32>,
        blocks: Blocks,
    ) -> Result<(Hold, u64), Refusal> {
        let geometry = &self.geometry;
        zones
            .clone()
            .try_for_each(|zone| writable(zone, self.word(zone)))?;
        let mut writes = Vec::new();
        let mut skipped = 0;
        for zone in zones
            .clone()
            .filter(|&zone| !geometry.is_conventional(zone))
        {
            let span = geometry.span(zone);
            let part = blocks.lba.max(span.start)..blocks.end().min(span.end);
            let before = self.word(zone);
            let unit = geometry.write_unit_blocks();
            let pointer = before.written_end(geometry, span.start);
            skipped += part.start.saturating_sub(pointer);
            let open = match before.condition {
                Condition::Empty | Condition::Closed => before.with(Condition::ImplicitlyOpen),
                _ => before,
            };
            self.set(state, zone, open);
            writes.push(Write {
                zone,
                before,
                after: Word {
                    written: ((part.end.max(pointer) - span.start) / unit) as u32,
                    non_sequential: before.non_sequential
                        || !at_write_pointer(before, &part, pointer),
                    ..open
                },
            });
        }
        state.hold(zones.clone());
        let zones = zones.clone();
        Ok((Hold::Writes { writes, zones }, skipped))
    }
}

/// Whether a write of `part` of a zone is sequential. A full zone has no write pointer to write at.
fn at_write_pointer(word: Word, part: &Range<u64>, pointer: u64) -> bool {
    word.has_pointer() && part.start == pointer
}
