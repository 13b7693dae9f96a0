//! Zones whose write pointer the device recommends to reset (ZBC-2, 4.4): a set that power off empties.

use std::collections::BTreeSet;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// The zones with RWP RECOMMENDED set. A disk never recommends on its own: whoever drives the device does.
#[derive(Default)]
pub(crate) struct Recommended(Mutex<BTreeSet<u32>>);

impl Recommended {
    pub fn add(&self, zone: u32) {
        self.lock().insert(zone);
    }

    pub fn remove(&self, zones: impl Iterator<Item = u32>) {
        let mut set = self.lock();
        if !set.is_empty() {
            zones.for_each(|zone| {
                set.remove(&zone);
            });
        }
    }

    pub fn clear(&self) {
        self.lock().clear();
    }

    /// A copy, so that no lock is held while a report is made.
    pub fn all(&self) -> BTreeSet<u32> {
        self.lock().clone()
    }

    fn lock(&self) -> MutexGuard<'_, BTreeSet<u32>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
