//! `Recording`, `Record` and `Moment`: what is written to disks, and what a power cut may leave of it.

use std::fs::{File, OpenOptions};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use ::crash::{
    Entry, Error, ErrorKind, Log, Loss, LostCommand, Outcome, Place, Reader, States, View,
};
use memory::Scatter;
use pyo3::prelude::*;
use pyo3::types::PyDict;
use zoned::{Action, Degraded, Operation, Target};

use crate::disk::Disk;
use crate::error::{from_host, raise};
use crate::shape::Shape;

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

    fn entries<'py>(&self, py: Python<'py>) -> PyResult<Vec<Bound<'py, PyDict>>> {
        let mut entries = Vec::with_capacity(self.__len__());
        let read = self.0.each(|_, entry| {
            entries.push(entry);
            true
        });
        read.map_err(|error| from_crash(py, &error))?;
        entries.into_iter().map(|entry| facts(py, entry)).collect()
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

    #[getter]
    fn marks(&self, py: Python<'_>) -> u64 {
        py.detach(|| locked(&self.0).moment.marks())
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

fn command_facts<'py>(py: Python<'py>, lost: &LostCommand) -> PyResult<Bound<'py, PyDict>> {
    let facts = PyDict::new(py);
    facts.set_item("entry", lost.number)?;
    facts.set_item("disk", lost.submission.disk)?;
    facts.set_item("command", &lost.submission.command)?;
    facts.set_item("operation", parts(lost.submission.operation).0)?;
    facts.set_item("zone", lost.zone)?;
    facts.set_item("lba", lost.lba)?;
    facts.set_item("count", lost.count)?;
    facts.set_item("lost", lost.lost)?;
    facts.set_item("lost_from", lost.lost_from)?;
    facts.set_item("in_flight", lost.in_flight)?;
    Ok(facts)
}

/// An entry as the dictionary of its kind.
fn facts(py: Python<'_>, entry: Entry) -> PyResult<Bound<'_, PyDict>> {
    let facts = PyDict::new(py);
    match entry {
        Entry::Disk(medium) => {
            facts.set_item("kind", "disk")?;
            facts.set_item("disk", medium.number)?;
            facts.set_item("lying", medium.lying)?;
            facts.set_item("shape", Shape::of(&medium.geometry, &medium.identity))?;
        }
        Entry::Submitted(submission) => {
            facts.set_item("kind", "submitted")?;
            facts.set_item("disk", submission.disk)?;
            facts.set_item("command", submission.command)?;
            let (operation, stable, place, count) = parts(submission.operation);
            facts.set_item("operation", operation)?;
            facts.set_item("stable", stable)?;
            facts.set_item("place", place)?;
            facts.set_item("count", count)?;
        }
        Entry::Completed(completed) => {
            facts.set_item("kind", "completed")?;
            facts.set_item("of", completed.of)?;
            let outcome = match completed.outcome {
                Outcome::Done => "done",
                Outcome::Refused => "refused",
                Outcome::NotStable => "not stable",
                Outcome::Failed => "failed",
                Outcome::Withdrawn => "withdrawn",
            };
            facts.set_item("outcome", outcome)?;
            facts.set_item("lba", completed.lba)?;
            facts.set_item("refusal", completed.refusal)?;
        }
        Entry::Mark(text) => {
            facts.set_item("kind", "mark")?;
            facts.set_item("text", text)?;
        }
    }
    Ok(facts)
}

/// What an operation is called, whether it is stable when it ends, its place (LBA or zone) and its count.
fn parts(operation: Operation) -> (&'static str, bool, Option<u64>, u64) {
    let zones = |target| match target {
        Target::All => (None, 0),
        Target::Zones { first, count } => (Some(first.into()), count.into()),
    };
    match operation {
        Operation::Read { blocks, stable } => ("read", stable, Some(blocks.lba), blocks.count),
        Operation::Write { blocks, stable } => ("write", stable, Some(blocks.lba), blocks.count),
        Operation::Fill { blocks, stable } => ("fill", stable, Some(blocks.lba), blocks.count),
        Operation::Append {
            zone,
            count,
            stable,
        } => ("append", stable, Some(zone.into()), count),
        Operation::Manage { action, target } => {
            let name = match action {
                Action::Open => "open",
                Action::Close => "close",
                Action::Finish => "finish",
                Action::Reset => "reset",
                Action::Offline => "offline",
                Action::SetExtension => "set-extension",
            };
            let (first, count) = zones(target);
            (name, false, first, count)
        }
        Operation::Degrade { target, to } => {
            let name = match to {
                Degraded::ReadOnly => "fail-read-only",
                Degraded::Offline => "fail-offline",
            };
            let (first, count) = zones(target);
            (name, false, first, count)
        }
        Operation::Save { kind } => ("save", true, Some(kind.into()), 0),
        _ => ("flush", false, None, 0),
    }
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
