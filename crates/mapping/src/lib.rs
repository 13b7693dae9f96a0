//! Mapped files that somebody else may cut short: an access past the new end is a flag, not the end of the process.
//!
//! The kernel answers an access to a page that the file does not have any more, or that the file system cannot
//! provide, with SIGBUS. A [`Guard`] has a handler put zeroes in the place of that page and raise the guard's flag;
//! the access goes on, and whoever owns the mapping looks at the flag before it believes what it read.
//!
//! Knows nothing of what the mappings are for.

mod handler;
mod slots;

use std::ffi::c_void;
use std::io;
use std::sync::Arc;

use vm_memory::mmap::GuestRegionMmap;
use vm_memory::{GuestMemoryRegion, MemoryRegionAddress};

use crate::slots::Slot;

/// Watches over a mapping, until it is dropped.
#[derive(Debug)]
pub struct Guard {
    slot: &'static Slot,
    /// Keeps the mapping while it is watched, where this is its owner.
    _region: Option<Arc<GuestRegionMmap>>,
}

impl Guard {
    /// Watches over the mapping of a file at `start`, which is `len` bytes long.
    ///
    /// # Errors
    /// The system refused a handler for SIGBUS, or there are more than 16384 guards.
    ///
    /// # Safety
    /// The mapping is the caller's until the guard is dropped, is shared, and is accessed in no other way than by
    /// atomic or volatile operations: what is read changes when the file is cut.
    pub unsafe fn new(start: *const c_void, len: usize) -> io::Result<Guard> {
        handler::install()?;
        let slot = slots::take(start as usize, len, page_size())?;
        Ok(Guard {
            slot,
            _region: None,
        })
    }

    /// Watches over a region of guest memory, whose pages are `page` bytes long if that is more than the system's.
    ///
    /// # Errors
    /// As of [`Guard::new`]; or the region is not mapped.
    pub fn region(region: Arc<GuestRegionMmap>, page: usize) -> io::Result<Guard> {
        handler::install()?;
        let start = region
            .get_host_address(MemoryRegionAddress(0))
            .map_err(io::Error::other)?;
        let page = page.max(page_size());
        if !page.is_power_of_two() {
            return Err(io::ErrorKind::InvalidInput.into());
        }
        // The region is a mapping, which lives as long as the guard, and vm-memory accesses it by volatile operations.
        let slot = slots::take(start as usize, region.len() as usize, page)?;
        Ok(Guard {
            slot,
            _region: Some(region),
        })
    }

    /// Whether a part of the mapping was not there when it was accessed: it reads as zeroes since.
    pub fn lost(&self) -> bool {
        self.slot.lost()
    }
}

impl Drop for Guard {
    fn drop(&mut self) {
        self.slot.give_back();
    }
}

fn page_size() -> usize {
    // SAFETY: it takes a number and gives one.
    let size = unsafe { libc::sysconf(libc::_SC_PAGESIZE) };
    usize::try_from(size).unwrap_or(4096)
}
