//! Guest memory as the front end maps it: where guest addresses and the front end's own addresses are.
//!
//! The front end owns the files, and can make one shorter while it is mapped: then a [`Guard`] has its missing pages
//! read as zeroes, and [`Guest::lost`] tells.

use std::fs::File;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::sync::Arc;

use mapping::Guard;
use memory::Guest;
use vhost::vhost_user::message::VhostUserMemoryRegion;
use vhost::vhost_user::{Error, Result};
use vm_memory::{GuestAddress, GuestMemoryMmap, GuestRegionMmap};

/// The most memory regions: more than the 32 that fit one memory table. Each takes a descriptor and a mapping.
pub(crate) const MAX_REGIONS: usize = 256;

/// The front end's memory table. Empty until the front end sends one.
#[derive(Default)]
pub(crate) struct Memory {
    guest: Arc<Guest>,
    regions: Vec<Region>,
}

struct Region {
    place: Place,
    guard: Arc<Guard>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
struct Place {
    user: u64,
    guest: u64,
    len: u64,
}

impl From<&VhostUserMemoryRegion> for Place {
    fn from(region: &VhostUserMemoryRegion) -> Place {
        Place {
            user: region.user_addr,
            guest: region.guest_phys_addr,
            len: region.memory_size,
        }
    }
}

impl Memory {
    /// Guest memory, by guest addresses.
    pub(crate) fn guest(&self) -> &Arc<Guest> {
        &self.guest
    }

    /// Adds a region.
    pub(crate) fn add(&mut self, region: &VhostUserMemoryRegion, file: File) -> Result<()> {
        if self.regions.len() == MAX_REGIONS {
            return Err(other(format!("more than {MAX_REGIONS} memory regions")));
        }
        let found = file.metadata().map_err(Error::ReqHandlerError)?;
        let end = region.mmap_offset.checked_add(region.memory_size);
        let end = end.ok_or(Error::InvalidParam)?;
        // Of a device's memory the driver knows the length.
        if found.is_file() && found.len() < end {
            return Err(other(format!(
                "a memory region ends at byte {end} of a file of {} bytes",
                found.len()
            )));
        }
        let mapped = GuestRegionMmap::new(
            region.mmap_region(file)?,
            GuestAddress(region.guest_phys_addr),
        )
        .ok_or(Error::InvalidParam)?;
        let mapped = Arc::new(mapped);
        let map = self.guest.map().insert_region(Arc::clone(&mapped));
        let map = map.map_err(other)?;
        // Huge pages are replaced as a whole.
        let guard =
            Guard::region(mapped, found.blksize() as usize).map_err(Error::ReqHandlerError)?;
        self.regions.push(Region {
            place: region.into(),
            guard: Arc::new(guard),
        });
        self.share(map);
        Ok(())
    }

    /// Removes a region that was added.
    pub(crate) fn remove(&mut self, region: &VhostUserMemoryRegion) -> Result<()> {
        let place = Place::from(region);
        let at = self.regions.iter().position(|known| known.place == place);
        let at = at.ok_or(Error::InvalidParam)?;
        let start = GuestAddress(place.guest);
        let (rest, _) = self
            .guest
            .map()
            .remove_region(start, place.len)
            .map_err(other)?;
        self.regions.swap_remove(at);
        self.share(rest);
        Ok(())
    }

    fn share(&mut self, map: GuestMemoryMmap) {
        let guards = self.regions.iter().map(|region| Arc::clone(&region.guard));
        self.guest = Arc::new(Guest::new(map, guards.collect()));
    }

    /// The guest address of an address in the front end's address space.
    pub(crate) fn translate(&self, user: u64) -> Option<GuestAddress> {
        self.regions.iter().find_map(|Region { place, .. }| {
            let offset = user.checked_sub(place.user)?;
            (offset < place.len).then(|| GuestAddress(place.guest + offset))
        })
    }
}

fn other(error: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Error {
    Error::ReqHandlerError(io::Error::other(error))
}
