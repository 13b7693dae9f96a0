//! `Recording`, `Record` and `Moment`: what is written to disks, and what a power cut may leave of it.

use std::fs::{File, OpenOptions};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use ::crash::{Entry, Error, ErrorKind, Log, Loss, Place, Reader, States, View};
use memory::Scatter;
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyDict};

use crate::disk::Disk;
use crate::entries::{command_facts, facts, Entries};
use crate::error::{from_host, raise};

/// A record's error as Python sees it.
pub fn from_crash(py: Python<'_>, error: &Error) -> PyErr {
    let kind = match error.kind() {
        ErrorKind::Io => "io",
        ErrorKind::NotARecord => "not-an-image",
        ErrorKind::Damaged => "corrupt",
        ErrorKind::Invalid => "invalid",
    };
    raise(py, kind, &error.to_string(), error.hint())
}

#[pyclass(frozen, module = "zonevm._core")]
pub struct Recording {
    log: Arc<Log>,
    path: PathBuf,
}

impl Recording {
    pub fn log(&self) -> Arc<Log> {
        self.log.clone()
    }
}

#[pymethods]
impl Recording {
    #[new]
    fn new(py: Python<'_>, path: PathBuf) -> PyResult<Self> {
        let file = OpenOptions::new().write(true).create_new(true).open(&path);
        let log = file.and_then(Log::start);
        let log = log.map_err(|error| from_host(py, "create the record", &path, &error))?;
        Ok(Self {
            log: Arc::new(log),
            path,
        })
    }

    fn mark(&self, py: Python<'_>, text: &str) -> PyResult<()> {
        py.detach(|| self.log.mark(text))
            .map_err(|error| from_host(py, "write the record", &self.path, &error))
    }

    fn check(&self, py: Python<'_>) -> PyResult<()> {
        py.detach(|| self.log.ended())
            .map_err(|error| from_host(py, "write the record", &self.path, &error))
    }
}

#[pyclass(frozen, module = "zonevm._core")]
pub struct Record(Arc<Reader>);

#[pymethods]
impl Record {
    #[new]
    fn new(py: Python<'_>, path: PathBuf) -> PyResult<Self> {
        let file =
            File::open(&path).map_err(|error| from_host(py, "open the record", &path, &error))?;
        let reader = py.detach(|| Reader::open(file));
        let reader = reader.map_err(|error| from_crash(py, &error))?;
        Ok(Self(Arc::new(reader)))
    }

    fn __len__(&self) -> usize {
        self.0.entries() as usize
    }

    fn entries(&self) -> Entries {
        Entries::of(self.0.clone())
    }

    fn disks<'py>(&self, py: Python<'py>) -> PyResult<Vec<Bound<'py, PyDict>>> {
        let disks = self.0.disks().iter().cloned();
        disks.map(|medium| facts(py, Entry::Disk(medium))).collect()
    }

    fn marks(&self) -> Vec<(u64, &str)> {
        let marks = self.0.marks().iter();
        marks.map(|(point, text)| (*point, &**text)).collect()
    }

    fn flush_points<'py>(&self, py: Python<'py>) -> Bound<'py, PyBytes> {
        let points = self.0.flushes().iter();
        let bytes: Vec<u8> = points.flat_map(|point| point.to_ne_bytes()).collect();
        PyBytes::new(py, &bytes)
    }

    fn moment(&self, py: Python<'_>, point: u64) -> PyResult<Moment> {
        let mut moment = ::crash::Moment::start(self.0.clone());
        py.detach(|| moment.advance(point))
            .map_err(|error| from_crash(py, &error))?;
        Ok(Moment(Mutex::new(Inner {
            moment,
            states: None,
        })))
    }
}

/// Disk, `zone` or `block`, its number, changes lost, write units kept.
type Lost = (u16, String, u64, u32, u32);

#[pyclass(frozen, module = "zonevm._core")]
pub struct Moment(Mutex<Inner>);

struct Inner {
    moment: ::crash::Moment,
    /// Of the moment, once somebody has asked.
    states: Option<States>,
}

impl Moment {
    fn view(
        &self,
        py: Python<'_>,
        lost: Vec<Lost>,
        disk: u16,
        directory: &Path,
    ) -> PyResult<View<Scatter>> {
        let losses = losses(py, lost)?;
        let overlay = image::unnamed_file(directory)
            .map_err(|error| from_host(py, "create a file in", directory, &error))?;
        py.detach(|| View::new(&locked(&self.0).moment, &losses, disk, overlay))
            .map_err(|error| from_crash(py, &error))
    }

    fn states<T: Send>(&self, py: Python<'_>, of: impl FnOnce(&States) -> T + Send) -> PyResult<T> {
        let found = py.detach(|| {
            let mut inner = locked(&self.0);
            if inner.states.is_none() {
                inner.states = Some(States::of(&inner.moment)?);
            }
            Ok(inner.states.as_ref().map(of))
        });
        let found = found.map_err(|error| from_crash(py, &error))?;
        found.ok_or_else(|| raise(py, "invalid", "there are no states", ""))
    }
}

#[pymethods]
impl Moment {
    #[getter]
    fn point(&self, py: Python<'_>) -> u64 {
        py.detach(|| locked(&self.0).moment.point())
    }

    fn advance(&self, py: Python<'_>, point: u64) -> PyResult<()> {
        let advanced = py.detach(|| {
            let mut inner = locked(&self.0);
            inner.states = None;
            inner.moment.advance(point)
        });
        advanced.map_err(|error| from_crash(py, &error))
    }

    fn count(&self, py: Python<'_>) -> PyResult<Option<u64>> {
        self.states(py, States::count)
    }

    fn state(&self, py: Python<'_>, number: u64) -> PyResult<Option<Vec<Lost>>> {
        self.states(py, |states| states.nth(number).map(listed))
    }

    fn least(&self, py: Python<'_>) -> PyResult<Option<Vec<Lost>>> {
        self.states(py, |states| states.least().map(listed))
    }

    fn draw(&self, py: Python<'_>, seed: u64) -> PyResult<Option<Vec<Lost>>> {
        self.states(py, |states| states.draw(seed).map(listed))
    }

    fn lost<'py>(&self, py: Python<'py>, lost: Vec<Lost>) -> PyResult<Vec<Bound<'py, PyDict>>> {
        let losses = losses(py, lost)?;
        let found = py.detach(|| locked(&self.0).moment.lost(&losses));
        let found = found.map_err(|error| from_crash(py, &error))?;
        found
            .iter()
            .map(|command| command_facts(py, command))
            .collect()
    }

    fn open(
        &self,
        py: Python<'_>,
        lost: Vec<Lost>,
        disk: u16,
        directory: PathBuf,
    ) -> PyResult<Disk> {
        let view = self.view(py, lost, disk, &directory)?;
        Disk::of_view(py, view)
    }

    fn show(
        &self,
        py: Python<'_>,
        lost: Vec<Lost>,
        disk: u16,
        directory: PathBuf,
        place: &Disk,
    ) -> PyResult<()> {
        let view = self.view(py, lost, disk, &directory)?;
        let stage = place.stage(py)?;
        py.detach(|| stage.show(view))
            .map_err(|error| from_crash(py, &error))?;
        place.unit(py)?.reset();
        Ok(())
    }
}

fn listed(losses: Vec<Loss>) -> Vec<Lost> {
    let each = losses.into_iter().map(|loss| {
        let (place, number) = match loss.place {
            Place::Zone(zone) => ("zone", zone.into()),
            Place::Block(block) => ("block", block),
        };
        (loss.disk, place.to_owned(), number, loss.changes, loss.kept)
    });
    each.collect()
}

fn losses(py: Python<'_>, lost: Vec<Lost>) -> PyResult<Vec<Loss>> {
    lost.into_iter().map(|one| loss(py, one)).collect()
}

fn loss(py: Python<'_>, (disk, place, number, changes, kept): Lost) -> PyResult<Loss> {
    let place = match (&*place, u32::try_from(number)) {
        ("zone", Ok(zone)) => Place::Zone(zone),
        ("block", _) => Place::Block(number),
        _ => {
            let message = format!("what is lost is of a zone or a block, not of {place} {number}");
            return Err(raise(py, "invalid", &message, ""));
        }
    };
    Ok(Loss {
        disk,
        place,
        changes,
        kept,
    })
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
