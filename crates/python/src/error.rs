//! `CoreError`, and what becomes one.

use std::io::{self, ErrorKind};
use std::path::Path;

use pyo3::create_exception;
use pyo3::exceptions::PyException;
use pyo3::prelude::*;

create_exception!(zonevm._core, CoreError, PyException);

/// An image's error as Python sees it.
pub fn from_image(py: Python<'_>, error: &image::Error) -> PyErr {
    raise(py, error.kind().name(), &error.to_string(), error.hint())
}

/// What the host answered to who was `doing` something to a file, in its words.
pub fn from_host(py: Python<'_>, doing: &str, path: &Path, error: &io::Error) -> PyErr {
    let kind = match error.kind() {
        ErrorKind::AlreadyExists => "exists",
        ErrorKind::NotFound => "not-found",
        ErrorKind::PermissionDenied => "permission",
        ErrorKind::StorageFull | ErrorKind::QuotaExceeded => "no-space",
        _ => "io",
    };
    let text = error.to_string();
    let words = text.split(" (os error").next().unwrap_or(&text);
    let message = format!("cannot {doing} {}: {words}", path.display());
    raise(py, kind, &message, "")
}

/// A `CoreError` with its attributes.
pub fn raise(py: Python<'_>, kind: &str, message: &str, hint: &str) -> PyErr {
    let error = CoreError::new_err(message.to_owned());
    let value = error.value(py);
    for (name, text) in [("kind", kind), ("message", message), ("hint", hint)] {
        if let Err(failed) = value.setattr(name, text) {
            return failed;
        }
    }
    error
}
