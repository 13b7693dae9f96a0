//! Slots: where in an image's data area the zones' data are.
//!
//! The area is a row of slots, each as long as a zone. A zone gets one when it is first written, the lowest that is free,
//! and keeps it until it is reset: so a file is about as long as what was written at one time, however large the disk. A
//! zone's word has the number of its slot, from 1 on, as the zone's place, so that both become stable as one.
//!
//! A slot is free when neither a live nor a stable word has it. A reset gives it back once the reset is stable.

use std::io;
use std::ops::Range;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use zoned::{place, Geometry};

use crate::header::{Header, LINEAR};
use crate::layout::Layout;
use crate::store::{Punched, Store};

/// What becomes of an image whose file is shorter than it was.
pub(crate) const CUT: &str = "it was cut short while in use";

/// Zeroes written at a time where no hole can be made.
const CHUNK: u64 = 256 << 10;

/// The slots of an image.
pub(crate) struct Slots {
    store: Arc<dyn Store>,
    /// Where in the store the first one begins.
    base: u64,
    /// Bytes of a slot.
    size: u64,
    taken: Mutex<Taken>,
    /// How long the file has to be.
    length: AtomicU64,
    /// How often any were given back.
    returns: AtomicU64,
}

/// Which slots are taken.
struct Taken {
    /// A bit a slot.
    bits: Vec<u64>,
    /// No word before this one has a free slot.
    from: usize,
}

impl Taken {
    fn set(&mut self, place: u32) {
        let slot = (place - 1) as usize;
        if self.bits.len() <= slot / 64 {
            self.bits.resize(slot / 64 + 1, 0);
        }
        self.bits[slot / 64] |= 1 << (slot % 64);
    }

    fn clear(&mut self, place: u32) {
        let slot = (place - 1) as usize;
        self.bits[slot / 64] &= !(1 << (slot % 64));
        self.from = self.from.min(slot / 64);
    }

    fn lowest_free(&mut self) -> u32 {
        while self
            .bits
            .get(self.from)
            .is_some_and(|bits| *bits == u64::MAX)
        {
            self.from += 1;
        }
        let bits = self.bits.get(self.from).copied().unwrap_or(0);
        self.from as u32 * 64 + bits.trailing_ones() + 1
    }
}

impl Slots {
    /// The slots of an image, of which those of `words` are taken: the words of zone 0, 1 and so on, perhaps more than once.
    pub fn new(
        store: Arc<dyn Store>,
        layout: &Layout,
        geometry: &Geometry,
        words: impl Iterator<Item = (u32, u64)>,
    ) -> Self {
        let mut taken = Taken {
            bits: Vec::new(),
            from: 0,
        };
        let mut length = layout.least_length();
        for (zone, word) in words {
            if let Some(span) = span(layout, geometry, zone, word) {
                taken.set(place(word));
                length = length.max(span.end);
            }
        }
        Self {
            store,
            base: layout.data.offset,
            size: slot_bytes(geometry),
            taken: Mutex::new(taken),
            length: AtomicU64::new(length),
            returns: AtomicU64::new(0),
        }
    }

    /// Where in the store the slot of this place begins, which is not 0.
    pub fn offset(&self, place: u32) -> u64 {
        self.base + u64::from(place - 1) * self.size
    }

    /// How long the file has to be: up to the end of the last zone that has a slot.
    pub fn length(&self) -> u64 {
        self.length.load(Ordering::Acquire)
    }

    /// Takes a slot for a zone of `bytes` bytes, and gives its place to `take`, unless the zone `has` one. `clean`: it has
    /// to read as zeroes.
    pub fn give(
        &self,
        bytes: u64,
        clean: bool,
        has: impl FnOnce() -> bool,
        take: impl FnOnce(u32),
    ) -> io::Result<()> {
        let mut taken = self.still();
        if has() {
            return Ok(());
        }
        let place = taken.lowest_free();
        let (start, length) = (self.offset(place), self.length());
        let end = start + bytes;
        if self.store.length()? < length {
            return Err(io::Error::other(CUT));
        }
        if end > length {
            self.store.grow(end)?;
        }
        // Also at the end: the file may have been longer than it had to be.
        if clean {
            zero(&*self.store, start, bytes)?;
        }
        taken.set(place);
        self.length.store(length.max(end), Ordering::Release);
        take(place);
        Ok(())
    }

    /// Gives the slots of these places back.
    pub fn take_back(&self, places: impl Iterator<Item = u32>) {
        let mut taken = self.still();
        places.for_each(|place| taken.clear(place));
        self.returns.fetch_add(1, Ordering::AcqRel);
    }

    /// Reads by `read`, which finds zones by their places, and which a slot that is given to another zone meanwhile
    /// would mislead.
    pub fn reading<T>(&self, read: impl Fn() -> T) -> T {
        let before = self.returns.load(Ordering::Acquire);
        let done = read();
        if self.returns.load(Ordering::Acquire) == before {
            return done;
        }
        let _still = self.still();
        read()
    }

    /// As long as the answer lives no slot is given or given back.
    fn still(&self) -> MutexGuard<'_, Taken> {
        self.taken.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Bytes of a slot.
pub(crate) fn slot_bytes(geometry: &Geometry) -> u64 {
    geometry.to_bytes(geometry.zone_blocks)
}

/// Bytes of a zone.
pub(crate) fn zone_bytes(geometry: &Geometry, zone: u32) -> u64 {
    let span = geometry.span(zone);
    geometry.to_bytes(span.end - span.start)
}

/// Where in the file the data of `zone` are when its word is `word`; `None` if it has no slot.
pub(crate) fn span(
    layout: &Layout,
    geometry: &Geometry,
    zone: u32,
    word: u64,
) -> Option<Range<u64>> {
    let slot = place(word).checked_sub(1)?;
    let start = layout.data.offset + u64::from(slot) * slot_bytes(geometry);
    Some(start..start + zone_bytes(geometry, zone))
}

/// How long the file of an image has to be whose zones have these words.
pub(crate) fn length(header: &Header, words: &[u64]) -> u64 {
    let Header {
        layout, geometry, ..
    } = header;
    if header.version == LINEAR {
        return layout.data.offset + layout.data.size;
    }
    let ends = (0..)
        .zip(words)
        .filter_map(|(zone, &word)| span(layout, geometry, zone, word))
        .map(|span| span.end);
    ends.max().unwrap_or(0).max(layout.least_length())
}

/// Two zones that have the same slot, if there are such.
pub(crate) fn shared(words: &[u64]) -> Option<(u32, u32)> {
    let mut owners = vec![0; words.len() + 1];
    (1..).zip(words).find_map(|(zone, &word)| {
        let owner = &mut owners[place(word) as usize];
        match std::mem::replace(owner, zone) {
            first if first > 0 && place(word) > 0 => Some((first - 1, zone - 1)),
            _ => None,
        }
    })
}

/// Makes a stretch of the store read as zeroes, and gives its space back where the file system can.
pub(crate) fn zero(store: &dyn Store, offset: u64, length: u64) -> io::Result<()> {
    if length == 0 {
        return Ok(());
    }
    if let Punched::Yes = store.punch(offset, length)? {
        return Ok(());
    }
    let zeroes = vec![0; length.min(CHUNK) as usize];
    for at in (offset..offset + length).step_by(CHUNK as usize) {
        let count = (offset + length - at).min(CHUNK) as usize;
        store.write_at(at, &zeroes[..count])?;
    }
    Ok(())
}

#[cfg(test)]
mod tests;
