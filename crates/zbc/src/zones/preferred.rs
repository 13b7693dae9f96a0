//! Writes to a host-aware disk (ZBC-2, 4.4.3.4): anywhere, and across zones of any type.
//!
//! In a sequential write preferred zone a write moves the write pointer to its end, unless that is below it. What it
//! skips was never written since the last reset, and has to read as zeroes: it is below the write pointer from then on.

use std::ops::Range;

use super::{writable, Hold, State, Write, Zones};
use crate::api::Condition;
use crate::sense::Sense;
use crate::word::Word;

impl Zones<'_> {
    /// Takes the zones of a write of `blocks` at `lba`, more than none, and opens those that are empty or closed. Also
    /// tells how many blocks before `lba` it skips.
    pub fn begin_write_anywhere(&self, lba: u64, blocks: u64) -> Result<(Hold, u64), Sense> {
        let end = lba + blocks;
        let zones = self.geometry.zone_of(lba)..self.geometry.zone_of(end - 1) + 1;
        let mut state = self.lock();
        while zones.clone().any(|zone| state.is_held(zone)) {
            state = self.wait(state);
        }
        zones
            .clone()
            .try_for_each(|zone| writable(self.word(zone)))?;
        let mut writes = Vec::new();
        let mut skipped = 0;
        for zone in zones.filter(|&zone| !self.geometry.is_conventional(zone)) {
            let span = self.geometry.span(zone);
            let part = lba.max(span.start)..end.min(span.end);
            let before = self.word(zone);
            let unit = self.geometry.write_unit_blocks();
            let pointer = before.written_end(self.geometry, span.start);
            skipped += part.start.saturating_sub(pointer);
            let open = self.opened(&mut state, zone, before);
            writes.push(Write {
                zone,
                before,
                after: Word {
                    written: ((part.end.max(pointer) - span.start) / unit) as u32,
                    non_sequential: before.non_sequential
                        || !at_write_pointer(before, part, pointer),
                    ..open
                },
            });
        }
        state.busy.extend(writes.iter().map(|write| write.zone));
        Ok((Hold::Writes(writes), skipped))
    }

    /// The word of a zone that is to be written: an empty or closed zone becomes implicitly open.
    fn opened(&self, state: &mut State, zone: u32, word: Word) -> Word {
        if !matches!(word.condition, Condition::Empty | Condition::Closed) {
            return word;
        }
        let open = word.with(Condition::ImplicitlyOpen);
        state.implicit.insert(zone);
        self.set(zone, open);
        open
    }
}

/// Whether a write of `part` of a zone is sequential. A full zone has no write pointer to write at.
fn at_write_pointer(word: Word, part: Range<u64>, pointer: u64) -> bool {
    word.has_pointer() && part.start == pointer
}
