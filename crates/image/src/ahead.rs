//! Space ahead of write pointers: where blocks of the file are allocated already, a write takes the host's file
//! system less time than where it has to allocate them.
//!
//! A write that comes to another MiB of its zone has that whole MiB allocated. What of it is not written in the
//! end is given back. Knows places in the store, and nothing of conditions.

use std::io;
use std::ops::Range;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use zoned::{written_bytes, PHYSICAL_BLOCK};

use crate::header::Header;
use crate::slots;
use crate::store::{Punched, Store};

/// Allocated at a time, from a multiple of it on.
const STEP: u64 = 1 << 20;

/// Of so many stretches at most, so that a disk holds less than 64 MiB that is not written.
const MOST: usize = 64;

/// What is allocated and not written.
pub(crate) struct Ahead {
    store: Arc<dyn Store>,
    /// The newest last. `None`: nothing is allocated ahead any more, since the file system cannot or is full.
    stretches: Mutex<Option<Vec<Range<u64>>>>,
}

impl Ahead {
    pub fn new(store: Arc<dyn Store>) -> Self {
        Self {
            store,
            stretches: Mutex::new(Some(Vec::with_capacity(MOST))),
        }
    }

    /// A write to `write`, at the write pointer of a zone whose data have room in `zone`, is about to begin.
    pub fn reach(&self, write: Range<u64>, zone: impl FnOnce() -> Range<u64>) {
        let mut guard = self.stretches();
        let Some(stretches) = &mut *guard else {
            return;
        };
        // Before it begins: what is given back is nothing that a write in flight is at.
        stretches.retain_mut(|stretch| {
            if stretch.start < write.end && write.start < stretch.end {
                stretch.start = write.end;
            }
            !stretch.is_empty()
        });
        let start = (write.end - 1) / STEP * STEP;
        if start < write.start {
            return;
        }
        let zone = zone();
        let end = (start + STEP).min(zone.end);
        // Of a zone's first MiB nothing: or whoever writes a little in each of many zones would pay for each.
        if start <= zone.start || end <= write.end {
            return;
        }
        if self.store.allocate(start, end - start).is_err() {
            // Some of it may be.
            self.punch(&(start..end));
            return self.end(&mut guard);
        }
        if stretches.len() == MOST {
            self.punch(&stretches.remove(0));
        }
        stretches.push(write.end..end);
    }

    /// Gives back what is ahead within `range`.
    pub fn give_back(&self, range: Range<u64>) {
        if let Some(stretches) = &mut *self.stretches() {
            stretches.retain(|stretch| {
                let stays = stretch.end <= range.start || range.end <= stretch.start;
                if !stays {
                    self.punch(stretch);
                }
                stays
            });
        }
    }

    /// Writes by `write`. Where the file system is full, all that is ahead is given back, and it is tried again.
    pub fn with_room<T>(&self, write: impl Fn() -> io::Result<T>) -> io::Result<T> {
        let written = write();
        let code = written.as_ref().err().and_then(io::Error::raw_os_error);
        if !matches!(code, Some(libc::ENOSPC | libc::EDQUOT)) {
            return written;
        }
        // Also where another write has just given it back.
        self.end(&mut self.stretches());
        write()
    }

    /// Gives back all, for good.
    fn end(&self, stretches: &mut Option<Vec<Range<u64>>>) {
        for stretch in stretches.take().iter().flatten() {
            self.punch(stretch);
        }
    }

    fn punch(&self, stretch: &Range<u64>) {
        let start = stretch.start.next_multiple_of(PHYSICAL_BLOCK.into());
        if start < stretch.end {
            // Nothing above a write pointer is ever read, so space that stays taken does no harm.
            let _ = self.store.punch(start, stretch.end - start);
        }
    }

    /// As long as the answer lives nothing is allocated or given back, and no write begins.
    fn stretches(&self) -> MutexGuard<'_, Option<Vec<Range<u64>>>> {
        self.stretches
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

/// Gives back what is above the write pointers of zones that have these words: what the last user of an image
/// allocated ahead, if it did not live to give it back.
pub(crate) fn reclaim(store: &dyn Store, header: &Header, words: &[u64]) {
    let Header {
        layout, geometry, ..
    } = header;
    let sequential = geometry.conventional_zones as usize;
    for (zone, &word) in (0..).zip(words).skip(sequential) {
        let Some(span) = slots::span(layout, geometry, zone, word) else {
            continue;
        };
        let start = span.start + written_bytes(geometry, word);
        let start = start.next_multiple_of(PHYSICAL_BLOCK.into());
        if start < span.end && !matches!(store.punch(start, span.end - start), Ok(Punched::Yes)) {
            return;
        }
    }
}

#[cfg(test)]
mod tests;
