//! `Response`: what a disk answered to a command.

use command::Outcome;
use memory::Scatter;
use pyo3::prelude::*;
use pyo3::types::PyBytes;

#[pyclass(frozen, module = "zonevm._core")]
pub struct Response {
    #[pyo3(get)]
    status: u16,
    #[pyo3(get)]
    sense: Py<PyBytes>,
    #[pyo3(get)]
    data: Py<PyBytes>,
    #[pyo3(get)]
    overrun: bool,
    #[pyo3(get)]
    result: u64,
}

impl Response {
    /// That of a command which received into `into`.
    pub fn new(py: Python<'_>, outcome: &Outcome, into: &Scatter) -> Response {
        Response {
            status: outcome.status,
            result: outcome.result,
            sense: PyBytes::new(py, &outcome.sense).unbind(),
            data: PyBytes::new(py, &into.to_vec(outcome.written)).unbind(),
            overrun: outcome.overrun,
        }
    }
}
