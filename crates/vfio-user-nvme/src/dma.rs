//! The client's memory, as it maps it for the device.
//!
//! The client owns the files, and can make one shorter while it is mapped: then a [`Guard`] has its missing pages read as
//! zeroes. Memory that comes without a file cannot be reached, nor that which only may be read: of a controller both are no
//! place for queues or data.

use std::fs::File;
use std::os::unix::fs::MetadataExt;
use std::sync::Arc;

use mapping::Guard;
use memory::Guest;
use rustix::io::Errno;
use vm_memory::{FileOffset, GuestAddress, GuestMemoryMmap, GuestRegionMmap, MmapRegion};

use crate::wire::Region;

/// The most regions at a time, as we tell the client. Each takes a mapping.
pub(crate) const MOST_REGIONS: usize = 1024;

/// What of the client's memory is mapped. Nothing until it says so.
#[derive(Default)]
pub(crate) struct Memory {
    guest: Arc<Guest>,
    regions: Vec<(Region, Option<Arc<Guard>>)>,
}

impl Memory {
    /// The memory, by the client's addresses.
    pub fn guest(&self) -> &Arc<Guest> {
        &self.guest
    }

    /// Maps a region of a file from `offset` on; without a file, or if it may not be written, it is known, but not there.
    ///
    /// # Errors
    /// `EXIST` for one that overlaps another, `NOSPC` for too many, `INVAL` for one that cannot be.
    pub fn map(
        &mut self,
        region: Region,
        file: Option<File>,
        offset: u64,
        writeable: bool,
    ) -> Result<(), Errno> {
        let end = region.address.checked_add(region.size);
        let end = end.filter(|_| region.size > 0).ok_or(Errno::INVAL)?;
        let overlaps =
            |known: &Region| known.address < end && region.address < known.address + known.size;
        if self.regions.iter().any(|(known, _)| overlaps(known)) {
            return Err(Errno::EXIST);
        }
        if self.regions.len() == MOST_REGIONS {
            return Err(Errno::NOSPC);
        }
        let Some(file) = file.filter(|_| writeable) else {
            self.regions.push((region, None));
            return Ok(());
        };
        let found = file.metadata().map_err(|_| Errno::INVAL)?;
        let last = offset.checked_add(region.size).ok_or(Errno::INVAL)?;
        // Of a device's memory the driver knows the length.
        if found.is_file() && found.len() < last {
            return Err(Errno::INVAL);
        }
        let mapped = MmapRegion::from_file(FileOffset::new(file, offset), region.size as usize);
        let mapped = mapped.map_err(|_| Errno::INVAL)?;
        let mapped = GuestRegionMmap::new(mapped, GuestAddress(region.address));
        let mapped = Arc::new(mapped.ok_or(Errno::INVAL)?);
        let map = self.guest.map().insert_region(Arc::clone(&mapped));
        let map = map.map_err(|_| Errno::EXIST)?;
        // Huge pages are replaced as a whole.
        let guard = Guard::region(mapped, found.blksize() as usize);
        let guard = Arc::new(guard.map_err(|_| Errno::NOMEM)?);
        self.regions.push((region, Some(guard)));
        self.share(map);
        Ok(())
    }

    /// Unmaps a region that was mapped. Requests that use it keep it until they have ended.
    ///
    /// # Errors
    /// `NOENT` if there is no such region.
    pub fn unmap(&mut self, region: Region) -> Result<(), Errno> {
        let at = self.regions.iter().position(|(known, _)| *known == region);
        let (_, guard) = self.regions.swap_remove(at.ok_or(Errno::NOENT)?);
        if guard.is_some() {
            let start = GuestAddress(region.address);
            let rest = self.guest.map().remove_region(start, region.size);
            let (rest, _) = rest.map_err(|_| Errno::NOENT)?;
            self.share(rest);
        }
        Ok(())
    }

    /// Unmaps all.
    pub fn clear(&mut self) {
        *self = Memory::default();
    }

    fn share(&mut self, map: GuestMemoryMmap) {
        let guards = self.regions.iter().filter_map(|(_, guard)| guard.clone());
        self.guest = Arc::new(Guest::new(map, guards.collect()));
    }
}
