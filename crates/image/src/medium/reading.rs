//! Reads: what was written, from the store, and zeroes for the rest.

use std::io;

use memory::Scatter;
use zoned::{Extent, Extents, Failed};

use super::{all, Done, Medium};
use crate::store::Store;
use crate::table::Table;

/// [`Store::read_some`], or [`Store::read_at_once`].
pub(super) type ReadSome = fn(&(dyn Store + 'static), u64, &Scatter, u64, u64) -> io::Result<u64>;

/// Where on the medium a read ended, and why.
pub(super) struct Unread {
    pub offset: u64,
    pub error: io::Error,
}

impl Medium {
    /// Reads what the host has in memory; `None`: it has not got all of it.
    pub(super) fn read_at_once(
        &self,
        table: &Table,
        extents: &Extents,
        into: &Scatter,
    ) -> Option<Done> {
        self.slots.reading(|| {
            let mut moved = 0;
            let read = self.read(table, extents, into, &mut moved, <dyn Store>::read_at_once);
            match read {
                Err(unread) if unread.error.kind() == io::ErrorKind::WouldBlock => None,
                read => Some(Done {
                    moved,
                    result: read.map_err(|unread| self.failed(unread)),
                }),
            }
        })
    }

    pub(super) fn read(
        &self,
        table: &Table,
        extents: &Extents,
        into: &Scatter,
        moved: &mut u64,
        some: ReadSome,
    ) -> Result<(), Unread> {
        for extent in extents.iter() {
            let (offset, len) = match extent {
                Extent::Data { offset, len } => (offset, len),
                Extent::Zeroes { len, .. } => {
                    *moved += into.fill_with_zeroes(*moved, len);
                    continue;
                }
            };
            for part in self.parts(table, offset, len) {
                let Some(start) = part.at else {
                    *moved += into.fill_with_zeroes(*moved, part.len);
                    continue;
                };
                let read = all(part.len, |done| {
                    let left = part.len - done;
                    some(&*self.store, start + done, into, *moved + done, left)
                });
                match read {
                    Ok(done) => *moved += done,
                    Err((done, error)) => {
                        *moved += done;
                        let offset = part.offset + done;
                        return Err(Unread { offset, error });
                    }
                }
            }
        }
        Ok(())
    }

    pub(super) fn failed(&self, Unread { offset, error }: Unread) -> Failed {
        self.causes.note("read", error);
        Failed::Read { offset }
    }
}
