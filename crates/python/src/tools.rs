//! What is done to an image that nobody uses.

use std::path::PathBuf;

use image::{Owner, Progress};
use pyo3::prelude::*;
use pyo3::types::PyDict;
use zoned::Condition;

use crate::error::{from_image, raise};

#[pyfunction]
pub fn check(py: Python<'_>, path: PathBuf) -> PyResult<Vec<Bound<'_, PyDict>>> {
    let found = py.detach(|| image::check(&path));
    dictionaries(py, found)
}

#[pyfunction]
#[pyo3(signature = (path, dry_run=false))]
pub fn repair(py: Python<'_>, path: PathBuf, dry_run: bool) -> PyResult<Vec<Bound<'_, PyDict>>> {
    let found = py.detach(|| image::repair(&path, dry_run));
    dictionaries(py, found)
}

#[pyfunction]
pub fn snapshot(
    py: Python<'_>,
    path: PathBuf,
    copy: PathBuf,
    new_identity: bool,
    progress: Py<PyAny>,
) -> PyResult<bool> {
    let owner = told(py, &progress, |tell| {
        image::snapshot(&path, &copy, new_identity, tell)
    })?;
    Ok(owner == Owner::Kept)
}

#[pyfunction]
pub fn restore(
    py: Python<'_>,
    snapshot: PathBuf,
    path: PathBuf,
    progress: Py<PyAny>,
) -> PyResult<bool> {
    let owner = told(py, &progress, |tell| image::restore(&snapshot, &path, tell))?;
    Ok(owner == Owner::Kept)
}

#[pyfunction]
pub fn export(py: Python<'_>, path: PathBuf, raw: PathBuf, progress: Py<PyAny>) -> PyResult<()> {
    told(py, &progress, |tell| image::export(&path, &raw, tell))
}

#[pyfunction]
pub fn resize(py: Python<'_>, path: PathBuf, size: u64, progress: Py<PyAny>) -> PyResult<()> {
    told(py, &progress, |tell| image::resize(&path, size, tell))
}

#[pyfunction]
#[pyo3(signature = (path, first, last, condition, written=None))]
pub fn set_zones(
    py: Python<'_>,
    path: PathBuf,
    first: u32,
    last: u32,
    condition: &str,
    written: Option<u64>,
) -> PyResult<()> {
    let condition = match condition {
        "not write pointer" => Condition::NotWritePointer,
        "empty" => Condition::Empty,
        "closed" => Condition::Closed,
        "full" => Condition::Full,
        "read-only" => Condition::ReadOnly,
        "offline" => Condition::Offline,
        _ => {
            let message = format!("a zone cannot be made '{condition}'");
            return Err(raise(py, "invalid", &message, ""));
        }
    };
    py.detach(|| image::set_zones(&path, first..=last, condition, written))
        .map_err(|e| from_image(py, &e))
}

/// Runs `copy`, which tells Python how far it is; what Python raises, such as for Ctrl-C, ends it.
fn told<T: Send>(
    py: Python<'_>,
    progress: &Py<PyAny>,
    copy: impl FnOnce(Progress<'_>) -> Result<T, image::Error> + Send,
) -> PyResult<T> {
    let mut raised = None;
    let done = py.detach(|| {
        copy(&mut |done, total| {
            let told = Python::attach(|py| {
                py.check_signals()?;
                progress.call1(py, (done, total)).map(|_| ())
            });
            told.map_err(|error| raised = Some(error)).is_ok()
        })
    });
    match raised {
        Some(error) => Err(error),
        None => done.map_err(|e| from_image(py, &e)),
    }
}

fn dictionaries(
    py: Python<'_>,
    found: Result<Vec<image::Finding>, image::Error>,
) -> PyResult<Vec<Bound<'_, PyDict>>> {
    let found = found.map_err(|e| from_image(py, &e))?;
    let facts = found.into_iter().map(|finding| {
        let facts = PyDict::new(py);
        facts.set_item("part", finding.part)?;
        facts.set_item("zone", finding.zone)?;
        facts.set_item("problem", finding.problem)?;
        facts.set_item("repair", finding.cure)?;
        Ok(facts)
    });
    facts.collect()
}
