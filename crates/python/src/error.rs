//! `CoreError`, and what becomes one.

use pyo3::create_exception;
use pyo3::exceptions::PyException;
use pyo3::prelude::*;

create_exception!(zonevm._core, CoreError, PyException);

/// An image's error as Python sees it.
pub fn from_image(py: Python<'_>, error: &image::Error) -> PyErr {
    raise(py, error.kind().name(), &error.to_string(), error.hint())
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
