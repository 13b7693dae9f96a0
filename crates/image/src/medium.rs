//! The disk's data in the image's file: carries out the machine's I/O.

mod looking;
mod reading;

use std::io;
use std::ops::Range;
use std::sync::Arc;

use memory::Scatter;
use zoned::{Data, Failed, Geometry, Op, PHYSICAL_BLOCK};

use crate::ahead::Ahead;
use crate::causes::Causes;
use crate::layout::Area;
use crate::slots::{zero, zone_bytes, Slots};
use crate::store::Store;
use crate::table::Table;
use crate::undo::{Blocks, Undo};

/// Bytes handled at a time where data passes through a buffer of ours.
const CHUNK: u64 = 256 << 10;

/// The data area of an image.
pub(crate) struct Medium {
    store: Arc<dyn Store>,
    slots: Slots,
    ahead: Ahead,
    geometry: Geometry,
    /// Where the zone descriptor extensions are.
    extensions: Area,
    /// The medium's first byte after what can be overwritten: the conventional zones, or all of a medium that is written
    /// anywhere.
    overwritable_end: u64,
    /// Keeps what is overwritten, if anything does.
    undo: Option<Arc<Undo>>,
    causes: Arc<Causes>,
}

/// What became of an [`Op`]: how many bytes of the data were used, and why no more.
pub(crate) struct Done {
    pub moved: u64,
    pub result: Result<(), Failed>,
}

/// A stretch of the medium that lies in one zone.
struct Part {
    /// Where on the medium.
    offset: u64,
    /// Where in the store; `None`: the zone has no slot, and reads as zeroes.
    at: Option<u64>,
    len: u64,
}

impl Medium {
    pub fn new(
        store: Arc<dyn Store>,
        slots: Slots,
        geometry: &Geometry,
        extensions: Area,
        undo: Option<Arc<Undo>>,
        causes: Arc<Causes>,
    ) -> Self {
        let overwritable = if geometry.writes_anywhere() {
            geometry.blocks
        } else {
            geometry.conventional_end().min(geometry.blocks)
        };
        Self {
            ahead: Ahead::new(Arc::clone(&store)),
            store,
            slots,
            overwritable_end: geometry.to_bytes(overwritable),
            geometry: geometry.clone(),
            extensions,
            undo,
            causes,
        }
    }

    /// How long the image's file has to be.
    pub fn length(&self) -> u64 {
        self.slots.length()
    }

    /// Puts blocks back that were overwritten.
    pub fn restore(&self, table: &Table, blocks: &Blocks) -> io::Result<()> {
        let zeroes = [0; PHYSICAL_BLOCK as usize];
        let size = u64::from(PHYSICAL_BLOCK);
        blocks.iter().try_for_each(|(number, data)| {
            let data = data.as_deref().unwrap_or(&zeroes);
            let mut parts = self.parts(table, number * size, size);
            parts.try_for_each(|part| match part.at {
                Some(at) => self.store.write_at(at, data),
                None => Ok(()),
            })
        })
    }

    /// Carries out `op` on `data`, but for a read that has to wait for the host's disk: `None`.
    pub fn perform_at_once(&self, table: &Table, op: &Op, data: &Scatter) -> Option<Done> {
        match op {
            Op::Read { extents, .. } => self.read_at_once(table, extents, data),
            _ => Some(self.perform(table, op, data)),
        }
    }

    /// Carries out `op` on `data`. To make anything stable is not its business, but for an extension.
    pub fn perform(&self, table: &Table, op: &Op, data: &Scatter) -> Done {
        match op {
            Op::Read { extents, .. } => self.reading(|moved| {
                let read = self.read(table, extents, data, moved, <dyn Store>::read_some);
                read.map_err(|unread| self.failed(unread))
            }),
            Op::Verify { extents } => self.reading(|_| self.try_reading(table, extents)),
            Op::Compare { extents } => {
                self.reading(|moved| self.compare(table, extents, data, moved))
            }
            _ => {
                let mut moved = 0;
                let result = self.change(table, op, data, &mut moved);
                Done { moved, result }
            }
        }
    }

    fn reading(&self, read: impl Fn(&mut u64) -> Result<(), Failed>) -> Done {
        self.slots.reading(|| {
            let mut moved = 0;
            let result = read(&mut moved);
            Done { moved, result }
        })
    }

    fn change(
        &self,
        table: &Table,
        op: &Op,
        data: &Scatter,
        moved: &mut u64,
    ) -> Result<(), Failed> {
        match *op {
            Op::Write {
                offset,
                len,
                skipped,
                ..
            } => {
                self.prepare(table, offset, len, skipped, true)?;
                self.write(table, offset, len, data, moved)
            }
            Op::Fill {
                offset,
                len,
                skipped,
                ..
            } => {
                *moved = data.len().min(self.geometry.to_bytes(1));
                let block = data.to_vec(self.geometry.to_bytes(1));
                let has_data = block.iter().any(|byte| *byte != 0);
                self.prepare(table, offset, len, skipped, has_data)?;
                match has_data {
                    true => self.fill(table, offset, len, &block),
                    false => self.zero(table, offset, len),
                }
            }
            Op::Discard {
                ref zones,
                ref ranges,
            } => {
                self.discard(table, zones, ranges);
                Ok(())
            }
            Op::Extension { zone } => self.extend(zone, data),
            _ => Ok(()),
        }
    }

    /// The parts of a stretch of the medium, zone by zone.
    fn parts<'a>(
        &'a self,
        table: &'a Table,
        offset: u64,
        len: u64,
    ) -> impl Iterator<Item = Part> + 'a {
        let size = self.zone_size();
        let (mut next, end) = (offset, offset + len);
        std::iter::from_fn(move || {
            let offset = next;
            if offset == end {
                return None;
            }
            let within = offset % size;
            next = (offset - within + size).min(end);
            let place = table.slot((offset / size) as u32);
            Some(Part {
                offset,
                at: place.map(|place| self.slots.offset(place) + within),
                len: next - offset,
            })
        })
    }

    /// Gives zones that are written for the first time their slots, and sequential ones that have theirs space ahead; keeps
    /// what a write takes the place of, and makes what it skips read as zeroes: a write that failed may have left anything
    /// there. A conventional zone that has no slot reads as zeroes, and needs none for them.
    fn prepare(
        &self,
        table: &Table,
        offset: u64,
        len: u64,
        skipped: u64,
        has_data: bool,
    ) -> Result<(), Failed> {
        for part in self.parts(table, offset, len) {
            if let Some(at) = part.at {
                if part.offset >= self.overwritable_end {
                    let zone = || self.zone_at(&part, at);
                    self.ahead.reach(at..at + part.len, zone);
                }
                continue;
            }
            let zone = (part.offset / self.zone_size()) as u32;
            if has_data || !self.geometry.is_conventional(zone) {
                let given = self.give(table, zone);
                given.map_err(|error| self.unwritten(part.offset, error))?;
            }
        }
        if let Some(undo) = self
            .undo
            .as_ref()
            .filter(|_| offset < self.overwritable_end)
        {
            let kept = undo.keep(offset, len, |number, block| self.peek(table, number, block));
            kept.map_err(|error| self.unwritten(offset, error))?;
        }
        if skipped > 0 {
            self.zero(table, offset - skipped, skipped)?;
        }
        Ok(())
    }

    /// The place of a zone's data in the store, of which `part` is at `at`.
    fn zone_at(&self, part: &Part, at: u64) -> Range<u64> {
        let (zone, within) = (
            part.offset / self.zone_size(),
            part.offset % self.zone_size(),
        );
        let start = at - within;
        start..start + zone_bytes(&self.geometry, zone as u32)
    }

    /// Gives back space that was allocated ahead of what is written.
    pub fn give_back(&self) {
        self.ahead.give_back(0..u64::MAX);
    }

    fn give(&self, table: &Table, zone: u32) -> io::Result<()> {
        let conventional = self.geometry.is_conventional(zone);
        self.slots.give(
            zone_bytes(&self.geometry, zone),
            conventional,
            || table.slot(zone).is_some(),
            |place| table.set_slot(zone, place, conventional),
        )
    }

    /// Bytes of a zone that is not the last.
    fn zone_size(&self) -> u64 {
        self.geometry.to_bytes(self.geometry.zone_blocks)
    }

    /// Reads physical block `number`.
    fn peek(&self, table: &Table, number: u64, into: &mut [u8]) -> io::Result<()> {
        let size = u64::from(PHYSICAL_BLOCK);
        let mut parts = self.parts(table, number * size, size);
        parts.try_for_each(|part| match part.at {
            Some(at) => self.store.read_at(at, into),
            None => Ok(()),
        })
    }

    fn write(
        &self,
        table: &Table,
        offset: u64,
        len: u64,
        from: &Scatter,
        moved: &mut u64,
    ) -> Result<(), Failed> {
        for part in self.parts(table, offset, len) {
            let start = self.there(&part)?;
            let written = all(part.len, |done| {
                let left = part.len - done;
                let (at, from_at) = (start + done, *moved + done);
                self.ahead
                    .with_room(|| self.store.write_some(at, from, from_at, left))
            });
            match written {
                Ok(done) => *moved += done,
                Err((done, error)) => {
                    *moved += done;
                    return Err(self.unwritten(part.offset + done, error));
                }
            }
        }
        Ok(())
    }

    /// Where a part is in the store of whose zone is written.
    fn there(&self, part: &Part) -> Result<u64, Failed> {
        let offset = part.offset;
        part.at.ok_or(Failed::Write { offset })
    }

    fn unwritten(&self, offset: u64, error: io::Error) -> Failed {
        self.causes.note("write", error);
        Failed::Write { offset }
    }

    fn fill(&self, table: &Table, offset: u64, len: u64, block: &[u8]) -> Result<(), Failed> {
        let pattern = block.repeat((CHUNK as usize / block.len()).max(1));
        for part in self.parts(table, offset, len) {
            let start = self.there(&part)?;
            for at in (0..part.len).step_by(pattern.len()) {
                let count = (part.len - at).min(pattern.len() as u64);
                let pattern = &pattern[..count as usize];
                self.ahead
                    .with_room(|| self.store.write_at(start + at, pattern))
                    .map_err(|error| self.unwritten(part.offset + at, error))?;
            }
        }
        Ok(())
    }

    /// Makes a stretch read as zeroes, and gives its space back where the file system can.
    fn zero(&self, table: &Table, offset: u64, len: u64) -> Result<(), Failed> {
        for part in self.parts(table, offset, len) {
            let zeroed = part
                .at
                .map_or(Ok(()), |at| zero(&*self.store, at, part.len));
            zeroed.map_err(|error| self.unwritten(part.offset, error))?;
        }
        Ok(())
    }

    /// Gives back the space of zones that were reset, and their slots.
    fn discard(&self, table: &Table, zones: &[u32], ranges: &[(u64, u64)]) {
        for place in zones.iter().filter_map(|&zone| table.slot(zone)) {
            let start = self.slots.offset(place);
            self.ahead.give_back(start..start + self.zone_size());
        }
        for &(offset, len) in ranges {
            for part in self.parts(table, offset, len) {
                // Nothing above a write pointer is ever read, so space that stays taken does no harm.
                let _ = part.at.map(|at| self.store.punch(at, part.len));
            }
        }
        let places = zones.iter().filter_map(|&zone| table.take_slot(zone));
        self.slots.take_back(places);
    }

    /// Makes the data the descriptor extension of `zone`, stable.
    fn extend(&self, zone: u32, data: &Scatter) -> Result<(), Failed> {
        let size = u64::from(self.geometry.extension_bytes);
        let mut bytes = data.to_vec(size);
        bytes.resize(size as usize, 0);
        let written = self.store.write_stable(self.extension(zone), &bytes);
        written.map_err(|error| {
            self.causes.note("write", error);
            Failed::NotStable
        })
    }

    /// Where the descriptor extension of `zone` is in the store.
    fn extension(&self, zone: u32) -> u64 {
        self.extensions.offset + u64::from(zone) * u64::from(self.geometry.extension_bytes)
    }

    /// The descriptor extension of `zone`, which has one.
    pub fn read_extension(&self, zone: u32) -> io::Result<Vec<u8>> {
        let mut bytes = vec![0; self.geometry.extension_bytes as usize];
        self.store.read_at(self.extension(zone), &mut bytes)?;
        Ok(bytes)
    }
}

/// Moves `len` bytes by `some`, which is given how many are done and moves more; if it cannot, how many were done, and
/// why no more.
fn all(len: u64, some: impl Fn(u64) -> io::Result<u64>) -> Result<u64, (u64, io::Error)> {
    let mut done = 0;
    while done < len {
        done += some(done).map_err(|error| (done, error))?;
    }
    Ok(done)
}
