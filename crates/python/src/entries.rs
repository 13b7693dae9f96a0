//! The entries of a record as dictionaries, and the iterator over them.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};

use ::crash::{Entry, LostCommand, Outcome, Reader};
use pyo3::prelude::*;
use pyo3::types::PyDict;
use zoned::{Action, Degraded, Operation, Target};

use crate::crash::from_crash;
use crate::shape::Shape;

/// Entries that are read at a time.
const SOME: usize = 256;

#[pyclass(frozen, module = "zonevm._core")]
pub struct Entries(Mutex<Ahead>);

struct Ahead {
    entries: ::crash::Entries,
    read: VecDeque<Entry>,
}

impl Entries {
    pub fn of(reader: Arc<Reader>) -> Entries {
        Entries(Mutex::new(Ahead {
            entries: ::crash::Entries::of(reader),
            read: VecDeque::new(),
        }))
    }
}

#[pymethods]
impl Entries {
    fn __iter__(this: PyRef<'_, Self>) -> PyRef<'_, Self> {
        this
    }

    fn __next__<'py>(&self, py: Python<'py>) -> PyResult<Option<Bound<'py, PyDict>>> {
        let next = py.detach(|| {
            let mut ahead = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            if ahead.read.is_empty() {
                ahead.read = ahead.entries.some(SOME)?.into();
            }
            Ok(ahead.read.pop_front())
        });
        let next = next.map_err(|error| from_crash(py, &error))?;
        next.map(|entry| facts(py, entry)).transpose()
    }
}

/// A command of which something is lost.
pub fn command_facts<'py>(py: Python<'py>, lost: &LostCommand) -> PyResult<Bound<'py, PyDict>> {
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
pub fn facts(py: Python<'_>, entry: Entry) -> PyResult<Bound<'_, PyDict>> {
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
