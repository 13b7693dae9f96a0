//! A guest's memory, by guest addresses, as those who access it share it.

use std::sync::Arc;

use mapping::Guard;
use vm_memory::GuestMemoryMmap;

/// Mapped guest memory, never changed: when regions come or go there is a new one.
#[derive(Default)]
pub struct Guest {
    map: GuestMemoryMmap,
    guards: Vec<Arc<Guard>>,
}

impl Guest {
    /// `guards` watch over the regions of `map`.
    pub fn new(map: GuestMemoryMmap, guards: Vec<Arc<Guard>>) -> Guest {
        Guest { map, guards }
    }

    /// The memory itself.
    pub fn map(&self) -> &GuestMemoryMmap {
        &self.map
    }

    /// Whether a part of it was not there any more when it was accessed.
    pub fn lost(&self) -> bool {
        self.guards.iter().any(|guard| guard.lost())
    }
}
