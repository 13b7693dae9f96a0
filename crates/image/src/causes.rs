//! Why the host could not do what a request needed: a guest is told no more than that it failed.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use crate::Error;

/// The last error that the host met in an image.
pub(crate) struct Causes {
    path: PathBuf,
    last: Mutex<Option<Error>>,
}

impl Causes {
    pub fn new(path: &Path) -> Causes {
        Causes {
            path: path.to_owned(),
            last: Mutex::new(None),
        }
    }

    /// Keeps an error, and has it logged unless it is the same again.
    pub fn note(&self, doing: &str, error: io::Error) {
        let error = Error::io(doing, &self.path, error);
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        if !matches!(&*last, Some(last) if last.to_string() == error.to_string()) {
            log::warn!("{error}");
        }
        *last = Some(error);
    }

    pub fn last(&self) -> Option<Error> {
        let last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        last.clone()
    }
}
