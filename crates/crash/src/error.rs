//! What is wrong with a record, or with what is asked of one.

use std::fmt;
use std::io;

/// What kind of error it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ErrorKind {
    /// The host could not read or write.
    Io,
    /// The file is not a record, or one of another version.
    NotARecord,
    /// The record is not what was written.
    Damaged,
    /// What was asked for cannot be.
    Invalid,
}

/// An error, with the way out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Error {
    kind: ErrorKind,
    message: String,
    hint: &'static str,
}

impl Error {
    pub(crate) fn new(kind: ErrorKind, message: impl Into<String>, hint: &'static str) -> Error {
        Error {
            kind,
            message: message.into(),
            hint,
        }
    }

    pub(crate) fn invalid(message: impl Into<String>, hint: &'static str) -> Error {
        Error::new(ErrorKind::Invalid, message, hint)
    }

    pub(crate) fn damaged(message: impl Into<String>) -> Error {
        Error::new(ErrorKind::Damaged, message, "record it again")
    }

    pub(crate) fn io(doing: &str, error: &io::Error) -> Error {
        Error::new(ErrorKind::Io, format!("cannot {doing}: {error}"), "")
    }

    /// What kind of error it is.
    pub fn kind(&self) -> ErrorKind {
        self.kind
    }

    /// The way out; empty where there is nothing to say.
    pub fn hint(&self) -> &str {
        self.hint
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for Error {}
