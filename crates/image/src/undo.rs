//! What a disk holds on stable storage below writes that are not stable yet, for a power cut.
//!
//! In sequential write required zones the write pointer says it all: above it nothing is read. Elsewhere a write takes
//! the place of what was there, so that is kept until the next flush.

use std::collections::BTreeMap;
use std::io;
use std::sync::{Mutex, MutexGuard, PoisonError};

use zbc::{written, Geometry, PHYSICAL_BLOCK};

use crate::store::Store;

/// The data of physical blocks, by their numbers on the medium.
pub(crate) type Blocks = BTreeMap<u64, Vec<u8>>;

/// The blocks that were overwritten since the last flush, as they were before.
#[derive(Default)]
pub(crate) struct Undo(Mutex<Blocks>);

/// Makes zeroes of what lies above the write pointers that `stable`, a word a zone, speaks of.
pub(crate) fn clear_unwritten(blocks: &mut Blocks, geometry: &Geometry, stable: &[u64]) {
    let block_size = u64::from(geometry.block_size);
    for (number, data) in blocks {
        let offset = number * u64::from(PHYSICAL_BLOCK);
        let zone = geometry.zone_of(offset / block_size);
        if geometry.is_conventional(zone) {
            continue;
        }
        let length = u64::from(written(stable[zone as usize])) * u64::from(geometry.write_unit());
        let pointer = geometry.span(zone).start * block_size + length;
        let from = pointer.saturating_sub(offset).min(data.len() as u64) as usize;
        data[from..].fill(0);
    }
}

impl Undo {
    /// Keeps what the store has where a write of `length` bytes at byte `offset` of the medium goes; the medium
    /// begins at byte `base` of the store.
    pub fn keep(&self, store: &dyn Store, base: u64, offset: u64, length: u64) -> io::Result<()> {
        let size = u64::from(PHYSICAL_BLOCK);
        let mut blocks = self.blocks();
        for number in offset / size..(offset + length).div_ceil(size) {
            if let std::collections::btree_map::Entry::Vacant(place) = blocks.entry(number) {
                let mut data = vec![0; size as usize];
                store.read_at(base + number * size, &mut data)?;
                place.insert(data);
            }
        }
        Ok(())
    }

    /// Hands over all that is kept: it is being made stable, or put back.
    pub fn take(&self) -> Blocks {
        std::mem::take(&mut self.blocks())
    }

    /// Takes back what could not be made stable; it is older than what was kept meanwhile.
    pub fn put_back(&self, older: Blocks) {
        self.blocks().extend(older);
    }

    fn blocks(&self) -> MutexGuard<'_, Blocks> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
