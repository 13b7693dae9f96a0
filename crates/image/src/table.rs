//! The zone words, mapped from the image's file.
//!
//! The mapping is shared: a store is in the page cache at once, and so outlives the process however it
//! ends. An access to such a mapping fails with SIGBUS, which ends the process, where the file system
//! cannot provide the block:
//! - It is not there and cannot be allocated, or cannot be read. A new image's table is written out in
//!   full, and read in full before it is mapped.
//! - It is shared with a snapshot or a reflink copy of the image, and the file system is full. New images
//!   are exempt from copy-on-write on btrfs otherwise.
//! - The file was cut short while in use. Nothing that respects the lock does that.

use std::ffi::c_void;
use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::ptr::{self, NonNull};
use std::sync::atomic::AtomicU64;

use rustix::mm::{mmap, munmap, MapFlags, ProtFlags};
use zbc::{Geometry, ZoneTable};

use crate::header::{corrupt, Header};
use crate::layout::{table_bytes, Area};
use crate::Error;

/// A new disk's words, as the file has them.
pub(crate) fn fresh(geometry: &Geometry) -> Vec<u8> {
    (0..geometry.zones())
        .flat_map(|zone| zbc::fresh_word(geometry, zone).to_le_bytes())
        .collect()
}

/// Reads the words from the file, which must reach to the table's end, and refuses impossible ones.
///
/// # Errors
/// `Io`, or `Corrupt`, which names the zone.
pub(crate) fn read_checked(file: &File, header: &Header, path: &Path) -> Result<Vec<u64>, Error> {
    let geometry = &header.geometry;
    let mut bytes = vec![0; table_bytes(geometry) as usize];
    file.read_exact_at(&mut bytes, header.layout.table.offset)
        .map_err(|e| Error::io("read", path, e))?;
    (0..)
        .zip(bytes.chunks_exact(8))
        .map(|(zone, word)| {
            let word = u64::from_le_bytes(word.try_into().expect("8 bytes"));
            zbc::check_word(geometry, zone, word)
                .map(|()| word)
                .map_err(|e| corrupt(path, &e.to_string()))
        })
        .collect()
}

/// The words, shared with the file.
pub(crate) struct Table {
    base: NonNull<c_void>,
    length: usize,
    offset: usize,
    count: usize,
}

// SAFETY: the mapping belongs to no thread, and is only reached through atomics.
unsafe impl Send for Table {}
// SAFETY: as above.
unsafe impl Sync for Table {}

impl Table {
    /// Maps the table; the file must reach to the area's end.
    pub fn map(file: &File, area: Area, geometry: &Geometry) -> io::Result<Self> {
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
}

impl ZoneTable for Table {
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

impl Drop for Table {
    fn drop(&mut self) {
        // SAFETY: the mapping is ours, and no reference into it outlives `self`.
        // It cannot fail with the address and length that mmap() gave.
        let _ = unsafe { munmap(self.base.as_ptr(), self.length) };
    }
}
