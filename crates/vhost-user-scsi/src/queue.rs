//! A split virtqueue as its device sees it (VIRTIO 1.2, 2.7): what the driver offers, what the device has used, and who
//! wants to be told of it. Knows no chains.
//!
//! A ring's parts are looked up in guest memory once for many chains: a look-up for each access would be a fifth of what
//! a small command costs.

use std::fmt;
use std::sync::atomic::{fence, AtomicU16, Ordering};

use memory::Guest;
use vm_memory::{Address, GuestAddress, VolatileMemory, VolatileSlice};

use crate::chain::{DESCRIPTOR_LEN, MAX_DESCRIPTORS};

// Both rings: flags, the index, the entries, and the other side's event index.
const FLAGS: usize = 0;
const INDEX: usize = 2;
const ENTRIES: usize = 4;
const EVENT_LEN: usize = 2;
const AVAILABLE_LEN: usize = 2;
const USED_LEN: usize = 8;

/// VIRTQ_USED_F_NO_NOTIFY and VIRTQ_AVAIL_F_NO_INTERRUPT.
const DO_NOT_TELL: u16 = 1;

/// A ring's settings, and how far it has got.
pub(crate) struct Queue {
    size: u16,
    places: Places,
    /// VIRTIO_F_EVENT_IDX is negotiated.
    event_idx: bool,
    /// Position in the available ring from which to go on.
    next_available: u16,
    /// The driver's position there, when it was last looked at.
    offered: u16,
    next_used: u16,
    /// Chains put on the used ring since the driver was last told of some, or did not want to be.
    added: u16,
}

/// Guest addresses of a ring's parts.
#[derive(Clone, Copy)]
pub(crate) struct Places {
    pub(crate) descriptors: GuestAddress,
    pub(crate) available: GuestAddress,
    pub(crate) used: GuestAddress,
}

impl Queue {
    /// A ring of `size` descriptors, from position `base` of its available ring on.
    ///
    /// # Errors
    /// What is wrong with its size or a part of it.
    pub(crate) fn new(
        memory: &Guest,
        size: u16,
        places: Places,
        event_idx: bool,
        base: u16,
    ) -> Result<Queue, Fault> {
        if !size.is_power_of_two() || size > MAX_DESCRIPTORS {
            return Err(Fault::Size(size));
        }
        let mut queue = Queue {
            size,
            places,
            event_idx,
            next_available: base,
            offered: base,
            next_used: 0,
            added: 0,
        };
        queue.check_places()?;
        queue.next_used = load(&queue.parts(memory)?.used, INDEX, Ordering::Acquire);
        Ok(queue)
    }

    /// Fails where a part is not aligned, or two share memory: what the device writes to the used ring would be new chains.
    fn check_places(&self) -> Result<(), Fault> {
        let [descriptors, available, used] = self.lengths();
        let mut parts = [
            (self.places.descriptors.0, descriptors as u64, 16),
            (self.places.available.0, available as u64, 2),
            (self.places.used.0, used as u64, 4),
        ];
        let misaligned = parts.iter().find(|(at, _, by)| at % by != 0);
        if let Some(&(at, _, by)) = misaligned {
            return Err(Fault::Alignment(at, by));
        }
        parts.sort_unstable();
        let overlap = parts
            .windows(2)
            .any(|pair| pair[1].0 - pair[0].0 < pair[0].1);
        match overlap {
            true => Err(Fault::Overlap),
            false => Ok(()),
        }
    }

    /// How long its descriptors, available and used ring are.
    fn lengths(&self) -> [usize; 3] {
        let size = usize::from(self.size);
        let ring = |entry| ENTRIES + entry * size + EVENT_LEN;
        [DESCRIPTOR_LEN * size, ring(AVAILABLE_LEN), ring(USED_LEN)]
    }

    /// Its parts in guest memory.
    ///
    /// # Errors
    /// One is not there, or not in one region.
    pub(crate) fn parts<'a>(&self, memory: &'a Guest) -> Result<Parts<'a>, Fault> {
        let [descriptors, available, used] = self.lengths();
        let part = |at: GuestAddress, len| {
            let part = memory.slice(at, len).ok_or(Fault::Outside(at.0, len))?;
            // It may be mapped at an odd address.
            let word = part.get_atomic_ref::<AtomicU16>(0);
            word.is_ok()
                .then_some(part)
                .ok_or(Fault::Alignment(at.0, 2))
        };
        Ok(Parts {
            descriptors: part(self.places.descriptors, descriptors)?,
            available: part(self.places.available, available)?,
            used: part(self.places.used, used)?,
        })
    }

    /// The guest address of the driver's position in the available ring.
    pub(crate) fn offered_at(&self) -> GuestAddress {
        self.places.available.unchecked_add(INDEX as u64)
    }

    /// Position in the available ring from which to go on.
    pub(crate) fn next_available(&self) -> u16 {
        self.next_available
    }

    /// Goes on from another position.
    pub(crate) fn set_next_available(&mut self, position: u16) {
        self.next_available = position;
        self.offered = position;
    }

    pub(crate) fn next_used(&self) -> u16 {
        self.next_used
    }

    /// Whether there is a chain that was not taken yet.
    pub(crate) fn is_offered(&self, parts: &Parts<'_>) -> bool {
        parts.offered() != self.next_available
    }

    /// Takes the next chain off the available ring: its first descriptor's number, whatever the driver wrote.
    ///
    /// # Errors
    /// More is offered than the ring has descriptors.
    pub(crate) fn take(&mut self, parts: &Parts<'_>) -> Result<Option<u16>, Fault> {
        if self.offered == self.next_available {
            self.offered = parts.offered();
            let count = self.offered.wrapping_sub(self.next_available);
            if count > self.size {
                self.offered = self.next_available;
                return Err(Fault::Offered(count, self.size));
            }
            if count == 0 {
                return Ok(None);
            }
        }
        let entry = usize::from(self.next_available & (self.size - 1));
        self.next_available = self.next_available.wrapping_add(1);
        let at = ENTRIES + entry * AVAILABLE_LEN;
        Ok(Some(load(&parts.available, at, Ordering::Relaxed)))
    }

    /// The chain that was taken last is on offer again.
    pub(crate) fn put_back(&mut self) {
        self.next_available = self.next_available.wrapping_sub(1);
    }

    /// Puts a chain on the used ring, into which so many bytes were written.
    ///
    /// # Errors
    /// It has no such descriptor.
    pub(crate) fn put_used(
        &mut self,
        parts: &Parts<'_>,
        head: u16,
        written: u32,
    ) -> Result<(), Fault> {
        if head >= self.size {
            return Err(Fault::Head(head, self.size));
        }
        let at = ENTRIES + usize::from(self.next_used & (self.size - 1)) * USED_LEN;
        let entry = u64::from(head) | u64::from(written) << 32;
        let place = parts.used.get_ref::<u64>(at).expect(WITHIN);
        place.store(entry.to_le());
        self.next_used = self.next_used.wrapping_add(1);
        self.added = self.added.wrapping_add(1);
        store(&parts.used, INDEX, self.next_used, Ordering::Release);
        Ok(())
    }

    /// The driver need not tell what it offers. With an event index it does not, once it has.
    pub(crate) fn need_not_be_told(&self, parts: &Parts<'_>) {
        if !self.event_idx {
            store(&parts.used, FLAGS, DO_NOT_TELL, Ordering::Relaxed);
        }
    }

    /// The driver is to tell what it offers from now on; whether there is some already.
    pub(crate) fn wants_to_be_told(&self, parts: &Parts<'_>) -> bool {
        match self.event_idx {
            true => {
                let at = ENTRIES + usize::from(self.size) * USED_LEN;
                store(&parts.used, at, self.next_available, Ordering::Relaxed);
            }
            false => store(&parts.used, FLAGS, 0, Ordering::Relaxed),
        }
        // Either it sees that, or what it has just offered is seen here.
        fence(Ordering::SeqCst);
        self.is_offered(parts)
    }

    /// Whether the driver wants to be told of what was put on the used ring since this was asked last.
    pub(crate) fn tells(&mut self, parts: &Parts<'_>) -> bool {
        let added = std::mem::take(&mut self.added);
        // Either it sees what was put there, or its wish is seen here.
        fence(Ordering::SeqCst);
        if self.event_idx {
            let at = ENTRIES + usize::from(self.size) * AVAILABLE_LEN;
            let event = load(&parts.available, at, Ordering::Relaxed);
            let behind = self.next_used.wrapping_sub(event).wrapping_sub(1);
            return behind < added;
        }
        load(&parts.available, FLAGS, Ordering::Relaxed) & DO_NOT_TELL == 0
    }
}

/// A ring's parts: each as long as the ring's size has it, and at an even address.
pub(crate) struct Parts<'a> {
    pub(crate) descriptors: VolatileSlice<'a>,
    available: VolatileSlice<'a>,
    used: VolatileSlice<'a>,
}

impl Parts<'_> {
    /// The driver's position in the available ring.
    fn offered(&self) -> u16 {
        load(&self.available, INDEX, Ordering::Acquire)
    }
}

const WITHIN: &str = "a part is even, and as long as its ring has it";

fn load(part: &VolatileSlice<'_>, at: usize, order: Ordering) -> u16 {
    let word = part.get_atomic_ref::<AtomicU16>(at).expect(WITHIN);
    u16::from_le(word.load(order))
}

fn store(part: &VolatileSlice<'_>, at: usize, value: u16, order: Ordering) {
    let word = part.get_atomic_ref::<AtomicU16>(at).expect(WITHIN);
    word.store(value.to_le(), order);
}

/// What a driver has wrong with a ring.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    Size(u16),
    /// A part's address, and what it has to be a multiple of.
    Alignment(u64, u64),
    Overlap,
    /// A part's address and length.
    Outside(u64, usize),
    /// How many chains are offered, and the ring's size.
    Offered(u16, u16),
    /// A chain's first descriptor, and the ring's size.
    Head(u16, u16),
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Fault::Size(size) => write!(
                f,
                "its size is {size}: a power of two up to {MAX_DESCRIPTORS} is allowed"
            ),
            Fault::Alignment(at, by) => {
                write!(f, "a part of it is at {at:#x}: a multiple of {by} is allowed")
            }
            Fault::Overlap => f.write_str("its parts overlap"),
            Fault::Outside(at, len) => write!(
                f,
                "a part of it, {len} bytes at {at:#x}, is outside guest memory or in two regions of it"
            ),
            Fault::Offered(count, size) => {
                write!(f, "{count} chains are offered at once by a ring of {size}")
            }
            Fault::Head(head, size) => {
                write!(f, "a chain begins at descriptor {head} of {size}")
            }
        }
    }
}

#[cfg(test)]
mod tests;
