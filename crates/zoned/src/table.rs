//! Where the zone words live.

use std::sync::atomic::AtomicU64;

/// One aligned 64-bit word a zone, which the machine changes with atomic stores.
///
/// An image maps them from its file, so that they outlive the process; tests use a `Vec`.
pub trait ZoneTable: Send + Sync {
    /// One word for each zone of the geometry.
    fn words(&self) -> &[AtomicU64];
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
