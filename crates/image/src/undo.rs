//! What conventional zones hold on stable storage below writes that are not stable yet, for a power cut.
//!
//! In sequential zones the write pointer says it all: above it nothing is read. In a conventional zone a write
//! takes the place of what was there, so that is kept until the next flush.

use std::collections::BTreeMap;
use std::io;
use std::sync::{Mutex, MutexGuard, PoisonError};

use zbc::PHYSICAL_BLOCK;

use crate::store::Store;

/// The data of physical blocks, by their numbers on the medium.
pub(crate) type Blocks = BTreeMap<u64, Vec<u8>>;

/// The blocks that were overwritten since the last flush, as they were before.
#[derive(Default)]
pub(crate) struct Undo(Mutex<Blocks>);

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
