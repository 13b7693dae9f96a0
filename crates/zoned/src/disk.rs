//! What every zoned disk does: the one that keeps data, and each layer around one.

use crate::{Completion, Data, Geometry, Listener, Request, Statistics, Submitted, Zone};

/// The most bytes that can be saved under one number; all that is saved has room for one such, and four of half as many.
pub const MOST_SAVED: usize = 4096 + 512;

/// A zoned disk, used from any number of threads at a time.
pub trait ZonedDisk<D: Data>: Send + Sync {
    /// What the medium looks like.
    fn geometry(&self) -> &Geometry;

    /// Begins a request, and never waits: what cannot be done now is queued, and completes later, once, from any
    /// thread. What acts on a zone does so in the order in which it was submitted.
    ///
    /// `data` are what is written, compared or set, or where it is read to: at least as long as the request's blocks, of
    /// which no more is used; a block, or nothing, for a fill; nothing for any other. A disk that keeps them beyond the
    /// call clones them.
    fn submit(&self, request: Request, data: &D) -> Submitted<Completion>;

    /// Zone `number`, one of the disk's, as it is now.
    fn zone(&self, number: u32) -> Zone;

    /// What happened to the zones since this was asked last, or since power on.
    fn take_statistics(&self) -> Statistics;

    /// The descriptor extension of zone `number`; nothing where there is none that is valid.
    fn extension(&self, number: u32) -> Vec<u8>;

    /// What was saved last under `kind` ([`crate::Operation::Save`]); nothing where nothing was.
    fn saved(&self, kind: u32) -> Vec<u8>;

    /// Has `listener` told of every event from now on. It must not wait, nor submit.
    fn listen(&self, listener: Listener);

    /// The zone of `lba`, with its number, as it is now; `None` past the end of the disk.
    fn zone_of(&self, lba: u64) -> Option<(u32, Zone)> {
        let geometry = self.geometry();
        (lba < geometry.blocks).then(|| {
            let number = geometry.zone_of(lba);
            (number, self.zone(number))
        })
    }
}
