//! The entries of a record, read some at a time.

use std::sync::Arc;

use crate::entry::Entry;
use crate::error::Error;
use crate::reader::{Position, Reader};

/// The entries of a record one after the other, up to where it ended when it was opened.
pub struct Entries {
    reader: Arc<Reader>,
    next: Position,
}

impl Entries {
    /// All entries of a record.
    pub fn of(reader: Arc<Reader>) -> Entries {
        let next = Position::first();
        Entries { reader, next }
    }

    /// The next `most`, or as many as there are.
    ///
    /// # Errors
    /// `Damaged`, `Io`.
    pub fn some(&mut self, most: usize) -> Result<Vec<Entry>, Error> {
        let mut entries = Vec::new();
        let mut walk = self.reader.walk(self.next);
        while entries.len() < most && walk.place().number < self.reader.entries() {
            entries.push(walk.known()?.entry);
        }
        self.next = walk.place();
        Ok(entries)
    }
}
