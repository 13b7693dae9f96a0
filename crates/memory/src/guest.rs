//! A guest's memory, by guest addresses, as those who access it share it.

use std::sync::Arc;

use mapping::Guard;
use vm_memory::{
    GuestAddress, GuestMemoryBackend, GuestMemoryMmap, GuestMemoryRegion, MemoryRegionAddress,
    VolatileSlice,
};

/// Mapped guest memory, never changed: when regions come or go there is a new one.
#[derive(Default)]
pub struct Guest {
    map: GuestMemoryMmap,
    /// Where each region of the map begins, in order.
    starts: Vec<u64>,
    guards: Vec<Arc<Guard>>,
}

impl Guest {
    /// `guards` watch over the regions of `map`.
    pub fn new(map: GuestMemoryMmap, guards: Vec<Arc<Guard>>) -> Guest {
        let starts = map.iter().map(|region| region.start_addr().0).collect();
        Guest {
            map,
            starts,
            guards,
        }
    }

    /// The memory itself.
    pub fn map(&self) -> &GuestMemoryMmap {
        &self.map
    }

    /// `len` bytes from `address` on; `None` if they are not all there, or not in one region.
    #[inline]
    pub fn slice(&self, address: GuestAddress, len: usize) -> Option<VolatileSlice<'_>> {
        let after = self.starts.partition_point(|start| *start <= address.0);
        let region = self.map.iter().nth(after.checked_sub(1)?)?;
        let at = MemoryRegionAddress(address.0 - region.start_addr().0);
        region.get_slice(at, len).ok()
    }

    /// Whether a part of it was not there any more when it was accessed.
    pub fn lost(&self) -> bool {
        self.guards.iter().any(|guard| guard.lost())
    }
}
