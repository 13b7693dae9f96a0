//! The live zone words: what they are now, and which of them changed since they were last made stable.
//!
//! The words are mapped from the image's file, shared: a store is in the page cache at once, and so outlives the
//! process however it ends. An access to such a mapping fails with SIGBUS, of which [`Guard`] makes a flag, where the
//! file system cannot provide the block:
//! - It is not there and cannot be allocated, or cannot be read. A new image's table is written out in
//!   full, and read in full before it is mapped.
//! - It is shared with a snapshot or a reflink copy of the image, and the file system is full. New images
//!   are exempt from copy-on-write on btrfs otherwise, and a table is written anew at each start.
//! - The file was cut short while in use. Nothing that respects the lock does that.

use std::ffi::c_void;
use std::fs::File;
use std::io;
use std::ptr::{self, NonNull};
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};

use mapping::Guard;
use rustix::mm::{mmap, munmap, MapFlags, ProtFlags};
use zoned::{check_word, place, placed, Geometry, WordError, ZoneTable};

use crate::bytes::u64_at;
use crate::layout::Area;
use crate::store::Store;

/// A new disk's words.
pub(crate) fn fresh(geometry: &Geometry) -> Vec<u64> {
    (0..geometry.zones())
        .map(|zone| zoned::fresh_word(geometry, zone))
        .collect()
}

/// Words that are encoded at a time: a table may have millions, and is in memory once.
pub(crate) const AT_ONCE: usize = 1 << 17;

/// Reads `count` words from `offset` on, and gives them to `take` in parts, as they are in the file.
pub(crate) fn read_parts(
    store: &dyn Store,
    offset: u64,
    count: u32,
    mut take: impl FnMut(&[u8]),
) -> io::Result<()> {
    let end = offset + 8 * u64::from(count);
    let mut bytes = vec![0; (8 * AT_ONCE).min(8 * count as usize)];
    for at in (offset..end).step_by(8 * AT_ONCE) {
        let part = &mut bytes[..(end - at).min(8 * AT_ONCE as u64) as usize];
        store.read_at(at, part)?;
        take(part);
    }
    Ok(())
}

/// The words of a part of a table.
pub(crate) fn decoded(part: &[u8]) -> impl Iterator<Item = u64> + '_ {
    part.chunks_exact(8).map(|word| u64_at(word, 0))
}

/// A part of a table.
pub(crate) fn encoded(words: &[u64]) -> Vec<u8> {
    words.iter().flat_map(|word| word.to_le_bytes()).collect()
}

/// Reads the words of a table.
pub(crate) fn read(store: &dyn Store, area: Area, geometry: &Geometry) -> io::Result<Vec<u64>> {
    let mut words = Vec::with_capacity(geometry.zones() as usize);
    read_parts(store, area.offset, geometry.zones(), |part| {
        words.extend(decoded(part));
    })?;
    Ok(words)
}

/// Writes all words of a table.
pub(crate) fn write(store: &dyn Store, area: Area, words: &[u64]) -> io::Result<()> {
    let mut at = area.offset;
    for part in words.chunks(AT_ONCE) {
        store.write_at(at, &encoded(part))?;
        at += 8 * part.len() as u64;
    }
    Ok(())
}

/// Looks at the words of a table, without keeping them: whether zones of this geometry can have them.
pub(crate) fn look(
    store: &dyn Store,
    area: Area,
    geometry: &Geometry,
) -> io::Result<Result<(), WordError>> {
    let mut zone = 0;
    let mut checked = Ok(());
    read_parts(store, area.offset, geometry.zones(), |part| {
        for word in decoded(part) {
            if checked.is_ok() {
                checked = check_word(geometry, zone, word);
            }
            zone += 1;
        }
    })?;
    Ok(checked)
}

/// Refuses words that zones of this geometry cannot have.
pub(crate) fn check(words: &[u64], geometry: &Geometry) -> Result<(), WordError> {
    (0..)
        .zip(words)
        .try_for_each(|(zone, &word)| check_word(geometry, zone, word))
}

/// The live words.
pub(crate) struct Table {
    words: Words,
    /// The place of each zone's slot; 0: it has none. An empty zone may have one that its word does not tell of.
    places: Vec<AtomicU32>,
    /// A bit a zone: its word was stored since the bit was last taken.
    changed: Vec<AtomicU64>,
}

enum Words {
    /// The guard goes before what it watches over.
    Mapped(Guard, Mapping),
    /// In memory, where nothing has to outlive the process.
    #[cfg(test)]
    Own(Vec<AtomicU64>),
}

impl Table {
    /// Maps the table; the file must reach to the area's end.
    pub fn map(file: &File, area: Area, geometry: &Geometry) -> io::Result<Self> {
        let mapping = Mapping::new(file, area, geometry)?;
        // SAFETY: the mapping is shared, is accessed through atomics only, and is dropped after its guard.
        let guard = unsafe { Guard::new(mapping.base.as_ptr(), mapping.length) }?;
        Ok(Self::new(Words::Mapped(guard, mapping), geometry))
    }

    /// Words of its own, which nothing else sees.
    #[cfg(test)]
    pub fn own(words: &[u64], geometry: &Geometry) -> Self {
        let words = words.iter().map(|word| AtomicU64::new(word.to_le()));
        Self::new(Words::Own(words.collect()), geometry)
    }

    fn new(words: Words, geometry: &Geometry) -> Self {
        let bits = geometry.zones().div_ceil(64);
        let places = words.cells().iter().map(|word| {
            let word = u64::from_le(word.load(Ordering::Acquire));
            AtomicU32::new(place(word))
        });
        Self {
            places: places.collect(),
            words,
            changed: (0..bits).map(|_| AtomicU64::new(0)).collect(),
        }
    }

    /// Whether a part of the table was not there any more when it was accessed: no word means anything since.
    pub fn lost(&self) -> bool {
        match &self.words {
            Words::Mapped(guard, _) => guard.lost(),
            #[cfg(test)]
            Words::Own(_) => false,
        }
    }

    /// The word of `zone`.
    pub fn word(&self, zone: u32) -> u64 {
        u64::from_le(self.words()[zone as usize].load(Ordering::Acquire))
    }

    /// The place of the slot of `zone`, if it has one.
    pub fn slot(&self, zone: u32) -> Option<u32> {
        Some(self.place(zone)).filter(|&place| place > 0)
    }

    /// `zone`, which has none, gets the slot of this place. The word of a conventional zone says so at once: it has no
    /// other reason to change.
    pub fn set_slot(&self, zone: u32, place: u32, conventional: bool) {
        let tell = || {
            let tell = |word: u64| Some(placed(u64::from_le(word), place).to_le());
            let cell = &self.words()[zone as usize];
            let _ = cell.fetch_update(Ordering::AcqRel, Ordering::Acquire, tell);
            self.changed(zone);
        };
        // Before anyone can write to the slot and have that made stable; and again, for the machine may have stored the
        // word in between.
        if conventional {
            tell();
        }
        self.places[zone as usize].store(place, Ordering::SeqCst);
        if conventional {
            tell();
        }
    }

    /// `zone` has a slot no longer; the place of that which it had.
    pub fn take_slot(&self, zone: u32) -> Option<u32> {
        let place = self.places[zone as usize].swap(0, Ordering::SeqCst);
        Some(place).filter(|&place| place > 0)
    }

    /// The zones whose words were stored since this was last asked.
    pub fn take_changed(&self) -> Vec<u32> {
        let mut zones = Vec::new();
        for (first, bits) in (0u32..).step_by(64).zip(&self.changed) {
            if bits.load(Ordering::Relaxed) == 0 {
                continue;
            }
            // Before the words are read: one that is stored later is in the next answer.
            let bits = bits.swap(0, Ordering::AcqRel);
            zones.extend(
                (0..64)
                    .filter(|bit| bits >> bit & 1 == 1)
                    .map(|bit| first + bit),
            );
        }
        zones
    }
}

impl Words {
    fn cells(&self) -> &[AtomicU64] {
        match self {
            Words::Mapped(_, mapping) => mapping.words(),
            #[cfg(test)]
            Words::Own(words) => words,
        }
    }
}

impl ZoneTable for Table {
    fn words(&self) -> &[AtomicU64] {
        self.words.cells()
    }

    fn place(&self, zone: u32) -> u32 {
        self.places[zone as usize].load(Ordering::SeqCst)
    }

    fn changed(&self, zone: u32) {
        self.changed[zone as usize / 64].fetch_or(1 << (zone % 64), Ordering::AcqRel);
    }
}

struct Mapping {
    base: NonNull<c_void>,
    length: usize,
    offset: usize,
    count: usize,
}

// SAFETY: the mapping belongs to no thread, and is only reached through atomics.
unsafe impl Send for Mapping {}
// SAFETY: as above.
unsafe impl Sync for Mapping {}

impl Mapping {
    fn new(file: &File, area: Area, geometry: &Geometry) -> io::Result<Self> {
        // From the file's start, since the area is aligned to 4 KiB and pages may be larger.
        let length = (area.offset + area.size) as usize;
        let protection = ProtFlags::READ | ProtFlags::WRITE;
        // SAFETY: the kernel chooses an address that nothing else uses.
        let base = unsafe {
            mmap(
                ptr::null_mut(),
                length,
                protection,
                MapFlags::SHARED,
                file,
                0,
            )
        }?;
        let base = NonNull::new(base).ok_or(io::ErrorKind::OutOfMemory)?;
        Ok(Self {
            base,
            length,
            offset: area.offset as usize,
            count: geometry.zones() as usize,
        })
    }

    fn words(&self) -> &[AtomicU64] {
        // SAFETY: `count` words from `offset` on lie in the mapping (the layout was checked against
        // the geometry), aligned to 4 KiB, until `self` is dropped. This process changes them through
        // atomics only; another process would have to ignore the lock.
        unsafe {
            let first = self.base.as_ptr().byte_add(self.offset).cast::<AtomicU64>();
            std::slice::from_raw_parts(first, self.count)
        }
    }
}

impl Drop for Mapping {
    fn drop(&mut self) {
        // SAFETY: the mapping is ours, and no reference into it outlives `self`.
        // It cannot fail with the address and length that mmap() gave.
        let _ = unsafe { munmap(self.base.as_ptr(), self.length) };
    }
}
