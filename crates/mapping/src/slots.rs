//! Which mappings are watched, in a form that a signal handler can read: atomics in a fixed place, and no lock.

use std::io;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};

/// The most mappings at a time: 64 servers with all the memory regions that they can have.
const MOST: usize = 16384;

/// A mapping that is watched.
#[derive(Debug)]
pub(crate) struct Slot {
    /// Its first address; 0: the slot is free.
    start: AtomicUsize,
    len: AtomicUsize,
    /// The size of its pages, a power of two.
    page: AtomicUsize,
    lost: AtomicBool,
}

static SLOTS: [Slot; MOST] = [const { Slot::free() }; MOST];
/// Slots behind this one were never used.
static USED: AtomicUsize = AtomicUsize::new(0);
static TAKING: Mutex<()> = Mutex::new(());

/// A slot for the mapping of `len` bytes at `start`.
pub(crate) fn take(start: usize, len: usize, page: usize) -> io::Result<&'static Slot> {
    let _taking = TAKING.lock().unwrap_or_else(PoisonError::into_inner);
    let free = |slot: &Slot| slot.start.load(Ordering::Acquire) == 0;
    let number = SLOTS.iter().position(free).ok_or_else(|| {
        io::Error::other(format!(
            "more than {MOST} mappings are in use: serve fewer disks"
        ))
    })?;
    let slot = &SLOTS[number];
    slot.len.store(len, Ordering::Relaxed);
    slot.page.store(page, Ordering::Relaxed);
    slot.lost.store(false, Ordering::Relaxed);
    slot.start.store(start, Ordering::Release);
    USED.fetch_max(number + 1, Ordering::Release);
    Ok(slot)
}

/// The slot of the mapping that `address` lies in, with where the page is that holds it, and its length.
pub(crate) fn find(address: usize) -> Option<(&'static Slot, usize, usize)> {
    let used = USED.load(Ordering::Acquire).min(MOST);
    SLOTS[..used].iter().find_map(|slot| {
        let start = slot.start.load(Ordering::Acquire);
        let offset = address.checked_sub(start).filter(|_| start != 0)?;
        let len = slot.len.load(Ordering::Relaxed);
        if offset >= len {
            return None;
        }
        let page = slot.page.load(Ordering::Relaxed);
        let from = offset & !(page - 1);
        Some((slot, start + from, page.min(len - from)))
    })
}

impl Slot {
    const fn free() -> Slot {
        Slot {
            start: AtomicUsize::new(0),
            len: AtomicUsize::new(0),
            page: AtomicUsize::new(0),
            lost: AtomicBool::new(false),
        }
    }

    pub fn lost(&self) -> bool {
        self.lost.load(Ordering::Acquire)
    }

    /// Before its pages change: who reads zeroes there sees the flag afterwards.
    pub fn lose(&self) {
        self.lost.store(true, Ordering::SeqCst);
    }

    pub fn give_back(&self) {
        self.start.store(0, Ordering::Release);
    }
}
