//! Guest memory as the front end maps it: where guest addresses and the front end's own addresses are.
//!
//! The front end is trusted with its memory file: if it makes the file shorter while it is mapped, access
//! past the new end kills this process with SIGBUS.

use std::fs::File;
use std::sync::Arc;

use vhost::vhost_user::message::VhostUserMemoryRegion;
use vhost::vhost_user::{Error, Result};
use vm_memory::{GuestAddress, GuestMemoryMmap, GuestRegionMmap};

/// The front end's memory table. Empty until the front end sends one.
#[derive(Default)]
pub(crate) struct Memory {
    guest: Arc<GuestMemoryMmap>,
    regions: Vec<Region>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
struct Region {
    user: u64,
    guest: u64,
    len: u64,
}

impl From<&VhostUserMemoryRegion> for Region {
    fn from(region: &VhostUserMemoryRegion) -> Region {
        Region {
            user: region.user_addr,
            guest: region.guest_phys_addr,
            len: region.memory_size,
        }
    }
}

impl Memory {
    /// Guest memory, by guest addresses.
    pub(crate) fn guest(&self) -> &Arc<GuestMemoryMmap> {
        &self.guest
    }

    /// Adds a region.
    pub(crate) fn add(&mut self, region: &VhostUserMemoryRegion, file: File) -> Result<()> {
        let mapped = GuestRegionMmap::new(
            region.mmap_region(file)?,
            GuestAddress(region.guest_phys_addr),
        )
        .ok_or(Error::InvalidParam)?;
        self.guest = Arc::new(self.guest.insert_region(Arc::new(mapped)).map_err(other)?);
        self.regions.push(region.into());
        Ok(())
    }

    /// Removes a region that was added.
    pub(crate) fn remove(&mut self, region: &VhostUserMemoryRegion) -> Result<()> {
        let region = Region::from(region);
        let at = self.regions.iter().position(|known| *known == region);
        let at = at.ok_or(Error::InvalidParam)?;
        let start = GuestAddress(region.guest);
        let (rest, _) = self.guest.remove_region(start, region.len).map_err(other)?;
        self.guest = Arc::new(rest);
        self.regions.swap_remove(at);
        Ok(())
    }

    /// The guest address of an address in the front end's address space.
    pub(crate) fn translate(&self, user: u64) -> Option<GuestAddress> {
        self.regions.iter().find_map(|region| {
            let offset = user.checked_sub(region.user)?;
            (offset < region.len).then(|| GuestAddress(region.guest + offset))
        })
    }
}

fn other(error: impl std::error::Error + Send + Sync + 'static) -> Error {
    Error::ReqHandlerError(std::io::Error::other(error))
}
