//! Where the zone words live.

use std::sync::atomic::AtomicU64;

/// One aligned 64-bit word a zone, which the machine changes with atomic stores.
///
/// An image maps them from its file, so that they outlive the process; tests use a `Vec`.
pub trait ZoneTable: Send + Sync {
    /// One word for each zone of the geometry.
    fn words(&self) -> &[AtomicU64];
    /// The place of the zone's data, which its word is to have; below 2^24, 0: none. It may get one, or another, at any time:
    /// whoever changes that stores the word of a conventional zone afterwards, since the machine seldom does.
    fn place(&self, zone: u32) -> u32 {
        let _ = zone;
        0
    }
    /// The word of `zone` was stored.
    fn changed(&self, zone: u32) {
        let _ = zone;
    }
}

impl ZoneTable for Vec<AtomicU64> {
    fn words(&self) -> &[AtomicU64] {
        self
    }
}
