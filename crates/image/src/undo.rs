//! What a disk holds on stable storage below writes that are not stable yet, for a power cut.
//!
//! In sequential write required zones the write pointer says it all: above it nothing is read. Elsewhere a write takes
//! the place of what was there, so that is kept until the next flush.

use std::collections::BTreeMap;
use std::io;
use std::sync::{Mutex, MutexGuard, PoisonError};

use zoned::{written_bytes, Geometry, PHYSICAL_BLOCK};

/// The data of physical blocks, by their numbers on the medium; `None`: zeroes, as of all blocks that are written for the
/// first time.
pub(crate) type Blocks = BTreeMap<u64, Option<Vec<u8>>>;

/// The blocks that were overwritten since the last flush, as they were before.
#[derive(Default)]
pub(crate) struct Undo(Mutex<Blocks>);

/// Makes zeroes of what lies above the write pointers of zones whose words are `stable`.
pub(crate) fn clear_unwritten(blocks: &mut Blocks, geometry: &Geometry, stable: &[u64]) {
    for (&number, block) in blocks {
        let word = |zone: u32| stable[zone as usize];
        let kept = below_pointer(geometry, number, word).min(PHYSICAL_BLOCK.into());
        match block {
            Some(_) if kept == 0 => *block = None,
            Some(data) => data[kept as usize..].fill(0),
            None => {}
        }
    }
}

/// How far, in bytes, the write pointer is above the start of physical block `number`, given the words of the zones; as
/// far as can be in a conventional zone.
pub(crate) fn below_pointer(geometry: &Geometry, number: u64, word: impl Fn(u32) -> u64) -> u64 {
    let block_size = u64::from(geometry.block_size);
    let offset = number * u64::from(PHYSICAL_BLOCK);
    let zone = geometry.zone_of(offset / block_size);
    if geometry.is_conventional(zone) {
        return u64::MAX;
    }
    let pointer = geometry.span(zone).start * block_size + written_bytes(geometry, word(zone));
    pointer.saturating_sub(offset)
}

impl Undo {
    /// Keeps the blocks of a stretch of the medium as they are; `read` is given a block's number and a place for its
    /// data, which is zeroes.
    pub fn keep(
        &self,
        offset: u64,
        length: u64,
        read: impl Fn(u64, &mut [u8]) -> io::Result<()>,
    ) -> io::Result<()> {
        let size = u64::from(PHYSICAL_BLOCK);
        let mut blocks = self.blocks();
        for number in offset / size..(offset + length).div_ceil(size) {
            if let std::collections::btree_map::Entry::Vacant(place) = blocks.entry(number) {
                let mut data = vec![0; size as usize];
                read(number, &mut data)?;
                let zeroes = data.iter().all(|&byte| byte == 0);
                place.insert((!zeroes).then_some(data));
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
