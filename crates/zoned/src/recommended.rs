//! Zones whose write pointer the device recommends to reset (ZBC-2, 4.4): a set that power off empties.

use std::collections::BTreeSet;
use std::ops::Range;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

/// The zones with RWP RECOMMENDED set. A disk never recommends on its own: whoever drives it does.
#[derive(Default)]
pub(crate) struct Recommended {
    /// Whether there are any.
    any: AtomicBool,
    zones: Mutex<BTreeSet<u32>>,
}

impl Recommended {
    pub fn add(&self, zones: Range<u32>) {
        self.any.store(true, Ordering::Relaxed);
        self.lock().extend(zones);
    }

    pub fn remove(&self, zones: impl Iterator<Item = u32>) {
        if self.any.load(Ordering::Relaxed) {
            let mut set = self.lock();
            for zone in zones {
                set.remove(&zone);
            }
            self.any.store(!set.is_empty(), Ordering::Relaxed);
        }
    }

    pub fn clear(&self) {
        self.lock().clear();
    }

    pub fn has(&self, zone: u32) -> bool {
        self.any.load(Ordering::Relaxed) && self.lock().contains(&zone)
    }

    fn lock(&self) -> MutexGuard<'_, BTreeSet<u32>> {
        self.zones.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
