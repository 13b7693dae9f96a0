//! The region in which a back end keeps what is in flight, for the one that follows it after a crash (vhost-user's
//! "Inflight I/O tracking", split virtqueues).
//!
//! The front end keeps it. It is not trusted: a region that makes no sense is refused, or what is wrong in it ignored.
//!
//! | ring, byte | length | field |
//! |---|---|---|
//! | 8 | 2 | version: 1, or 0 in a new region |
//! | 10 | 2 | descriptors |
//! | 12 | 2 | head of the chain that was used last |
//! | 14 | 2 | the used ring's index when that was done |
//! | 16 | 16 each | descriptors: in flight (1), zero (7), order in which it was begun (8) |

use std::fs::File;
use std::io;
use std::sync::Arc;

use mapping::Guard;
use rustix::fs::{fcntl_add_seals, ftruncate, memfd_create, MemfdFlags, SealFlags};
use vm_memory::{
    Bytes, FileOffset, GuestAddress, GuestRegionMmap, MemoryRegionAddress, MmapRegion,
};

use crate::chain::MAX_DESCRIPTORS;

const VERSION: u16 = 1;
const HEAD: u64 = 16;
const DESCRIPTOR: u64 = 16;
/// Each ring's part begins at a multiple of this.
const ALIGNMENT: u64 = 64;
/// Two rings that are not request queues, and the request queues.
const MAX_RINGS: u16 = 256;

/// A front end's region.
pub(crate) struct Region {
    shared: Arc<Shared>,
    rings: u16,
    size: u16,
}

struct Shared {
    region: Arc<GuestRegionMmap>,
    guard: Guard,
}

/// How long a region of so many rings is.
fn length(rings: u16, size: u16) -> u64 {
    u64::from(rings) * ring_length(size)
}

fn ring_length(size: u16) -> u64 {
    (HEAD + DESCRIPTOR * u64::from(size)).next_multiple_of(ALIGNMENT)
}

/// Makes the file of a new region; its length.
pub(crate) fn create(rings: u16, size: u16) -> io::Result<(File, u64)> {
    check(rings, size)?;
    let len = length(rings, size);
    let flags = MemfdFlags::CLOEXEC | MemfdFlags::ALLOW_SEALING;
    let file = memfd_create("zonevm-inflight", flags)?;
    ftruncate(&file, len)?;
    fcntl_add_seals(&file, SealFlags::SHRINK | SealFlags::GROW)?;
    Ok((file.into(), len))
}

fn check(rings: u16, size: u16) -> io::Result<()> {
    if rings == 0 || rings > MAX_RINGS || size == 0 || size > MAX_DESCRIPTORS {
        let text = format!("an in-flight region of {rings} rings of {size} descriptors");
        return Err(io::Error::new(io::ErrorKind::InvalidInput, text));
    }
    Ok(())
}

impl Region {
    /// Maps `len` bytes of a file from `offset` on.
    pub(crate) fn map(
        file: File,
        offset: u64,
        len: u64,
        rings: u16,
        size: u16,
    ) -> io::Result<Region> {
        check(rings, size)?;
        let invalid = |text: &str| io::Error::new(io::ErrorKind::InvalidInput, text.to_owned());
        let end = offset.checked_add(len);
        let there = file.metadata()?.len();
        if len < length(rings, size) || end.is_none_or(|end| end > there) {
            return Err(invalid("an in-flight region is shorter than its rings"));
        }
        let mapped = MmapRegion::from_file(FileOffset::new(file, offset), len as usize)
            .map_err(io::Error::other)?;
        let region = GuestRegionMmap::new(mapped, GuestAddress(0));
        let region = Arc::new(region.ok_or_else(|| invalid("an in-flight region is too long"))?);
        let guard = Guard::region(Arc::clone(&region), 4096)?;
        let shared = Arc::new(Shared { region, guard });
        Ok(Region {
            shared,
            rings,
            size,
        })
    }

    /// The part of ring `index`, which has `size` descriptors; `None` if the region has none for it.
    pub(crate) fn ring(&self, index: usize, size: u16) -> Option<Inflight> {
        let fits = index < usize::from(self.rings) && size <= self.size;
        fits.then(|| Inflight {
            shared: Arc::clone(&self.shared),
            base: index as u64 * ring_length(self.size),
            size,
            counter: 0,
        })
    }
}

/// What is in flight of one ring.
pub(crate) struct Inflight {
    shared: Arc<Shared>,
    base: u64,
    size: u16,
    /// The next command's place in the order.
    counter: u64,
}

impl Inflight {
    /// Heads of the chains that are in flight, in the order in which they were begun, given the used ring's index: a
    /// back end before this one left them.
    pub(crate) fn left(&mut self, used: u16) -> Vec<u16> {
        let known: u16 = self.load(14);
        let is_new = self.load::<u16>(8) != VERSION || self.load::<u16>(10) != self.size;
        // A ring that begins anew has nothing in flight, whatever it had before.
        if is_new || (used == 0 && known != 0) {
            (0..self.size).for_each(|head| self.mark(head, false));
            self.store(8, VERSION);
            self.store(10, self.size);
        } else if known != used {
            // It was used, and that was the last thing done.
            let last: u16 = self.load(12);
            if last < self.size {
                self.mark(last, false);
            }
        }
        self.store(14, used);
        let in_flight = |&head: &u16| self.load::<u8>(self.descriptor(head)) == 1;
        let order = |head: u16| self.load::<u64>(self.descriptor(head) + 8);
        let mut left: Vec<(u64, u16)> = (0..self.size)
            .filter(in_flight)
            .map(|head| (order(head), head))
            .collect();
        left.sort_unstable();
        self.counter = left.last().map_or(0, |(last, _)| last.wrapping_add(1));
        left.into_iter().map(|(_, head)| head).collect()
    }

    /// The chain at `head` is begun.
    pub(crate) fn begin(&mut self, head: u16) {
        if head < self.size {
            self.store(self.descriptor(head) + 8, self.counter);
            self.mark(head, true);
            self.counter = self.counter.wrapping_add(1);
        }
    }

    /// The chain at `head` was not begun after all.
    pub(crate) fn cancel(&self, head: u16) {
        if head < self.size {
            self.mark(head, false);
        }
    }

    /// The chain at `head` is about to be put on the used ring.
    pub(crate) fn end(&self, head: u16) {
        self.store(12, head);
    }

    /// The chain at `head` is on the used ring, whose index is `used` now.
    pub(crate) fn ended(&self, head: u16, used: u16) {
        if head < self.size {
            self.mark(head, false);
        }
        self.store(14, used);
    }

    /// Whether a part of the region was not there any more when it was accessed.
    pub(crate) fn lost(&self) -> bool {
        self.shared.guard.lost()
    }

    fn mark(&self, head: u16, in_flight: bool) {
        self.store(self.descriptor(head), u8::from(in_flight));
    }

    fn descriptor(&self, head: u16) -> u64 {
        HEAD + DESCRIPTOR * u64::from(head)
    }

    fn load<T: vm_memory::AtomicAccess + Default>(&self, at: u64) -> T {
        let at = MemoryRegionAddress(self.base + at);
        let value = self
            .shared
            .region
            .load(at, std::sync::atomic::Ordering::Acquire);
        value.unwrap_or_default()
    }

    fn store<T: vm_memory::AtomicAccess>(&self, at: u64, value: T) {
        let at = MemoryRegionAddress(self.base + at);
        // It lies within the region, which was measured.
        let _ = self
            .shared
            .region
            .store(value, at, std::sync::atomic::Ordering::Release);
    }
}
