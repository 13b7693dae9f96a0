//! A record that is written: entries at the end of a file, each by one write, so that a kill leaves at most one torn.

use std::fs::File;
use std::io::{self, Write};
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::entry::{encode, Entry, MAGIC};

/// A record, which several disks share: so their requests are in one order.
///
/// What was recorded survives the process, however it ends. When the file cannot be written any more the record ends there,
/// and the disks go on.
pub struct Log(Mutex<Out>);

struct Out {
    file: File,
    next: u64,
    error: Option<(io::ErrorKind, String)>,
}

impl Log {
    /// Begins a record in `file`, which is empty.
    ///
    /// # Errors
    /// If it cannot be written.
    pub fn start(mut file: File) -> io::Result<Log> {
        file.write_all(&MAGIC)?;
        Ok(Log(Mutex::new(Out {
            file,
            next: 0,
            error: None,
        })))
    }

    /// Records `text` behind all that has completed.
    ///
    /// # Errors
    /// If the record has ended early: [`Self::ended`].
    pub fn mark(&self, text: &str) -> io::Result<()> {
        self.append(&Entry::Mark(text.to_owned()), &[]);
        self.ended()
    }

    /// Whether the record goes on.
    ///
    /// # Errors
    /// Why it ended early, if it did: the first error that writing met.
    pub fn ended(&self) -> io::Result<()> {
        let error = &self.out().error;
        error.as_ref().map_or(Ok(()), |(kind, why)| {
            Err(io::Error::new(*kind, why.clone()))
        })
    }

    /// Records an entry, and returns its number.
    pub(crate) fn append(&self, entry: &Entry, data: &[u8]) -> u64 {
        let mut out = self.out();
        let number = out.next;
        out.next += 1;
        if out.error.is_none() {
            let mut bytes = encode(number, entry, data.len());
            bytes.extend(data);
            let written = out.file.write_all(&bytes);
            out.error = written.err().map(|error| (error.kind(), error.to_string()));
        }
        number
    }

    fn out(&self) -> MutexGuard<'_, Out> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
