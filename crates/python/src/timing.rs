//! `check_timing` and `run_load`: the models of devices in virtual time.

use std::collections::BTreeMap;
use std::ops::ControlFlow::{Break, Continue};

use pyo3::prelude::*;
use pyo3::types::PyDict;
use timed::Told;
use timing::load::{self, Kind, Load, Sent};
use timing::{DiskProfile, Medium, Profile, SsdProfile, Work};

use crate::error::raise;

/// What Python calls the kinds of jobs.
const KINDS: [(&str, Kind); 11] = [
    ("read", Kind::Read),
    ("randread", Kind::RandomRead),
    ("write", Kind::Write),
    ("randwrite", Kind::RandomWrite),
    ("append", Kind::Append),
    ("open", Kind::Open),
    ("close", Kind::Close),
    ("finish", Kind::Finish),
    ("reset", Kind::Reset),
    ("flush", Kind::Flush),
    ("report", Kind::Report),
];

/// After how many commands Python may look whether it was interrupted.
const BETWEEN_SIGNALS: u64 = 1 << 16;

/// From Python by its attributes.
#[derive(FromPyObject)]
pub struct Job {
    kind: String,
    block: u64,
    streams: u64,
    depth: u64,
    first: u64,
    count: u64,
    shuffled: bool,
    unwritten: bool,
    stable: bool,
    fill: f64,
    rate: Option<f64>,
}

impl Job {
    fn checked(self, py: Python<'_>) -> PyResult<load::Job> {
        let known = KINDS.iter().find(|(name, _)| *name == self.kind);
        let Some(&(_, kind)) = known else {
            return Err(invalid(py, &format!("no job is '{}'", self.kind)));
        };
        Ok(load::Job {
            kind,
            block: self.block,
            streams: self.streams,
            depth: self.depth,
            first: self.first,
            zones: self.count,
            shuffled: self.shuffled,
            unwritten: self.unwritten,
            stable: self.stable,
            fill: self.fill,
            rate: self.rate,
        })
    }
}

/// From Python by its attributes.
#[derive(FromPyObject)]
pub struct Shape {
    size: u64,
    zone_size: u64,
    zone_capacity: u64,
}

#[pyfunction]
pub fn timing_parameters(py: Python<'_>, kind: &str) -> PyResult<Vec<&'static str>> {
    match kind {
        "disk" => Ok(DiskProfile::NAMES.to_vec()),
        "ssd" => Ok(SsdProfile::NAMES.to_vec()),
        _ => Err(unknown(py, kind)),
    }
}

#[pyfunction]
pub fn check_timing(py: Python<'_>, kind: &str, parameters: BTreeMap<String, f64>) -> PyResult<()> {
    profile(py, kind, &parameters).map(drop)
}

/// The kind of a device, and its parameters.
#[derive(FromPyObject)]
pub struct Parameters {
    kind: String,
    parameters: BTreeMap<String, f64>,
}

impl Parameters {
    /// The profile that they are.
    pub fn profile(&self, py: Python<'_>) -> PyResult<Profile> {
        profile(py, &self.kind, &self.parameters)
    }
}

/// The profile of a kind of device and its parameters.
fn profile(py: Python<'_>, kind: &str, parameters: &BTreeMap<String, f64>) -> PyResult<Profile> {
    let made = match kind {
        "disk" => DiskProfile::of(parameters).map(Profile::Disk),
        "ssd" => SsdProfile::of(parameters).map(Profile::Ssd),
        _ => return Err(unknown(py, kind)),
    };
    made.map_err(|error| invalid(py, &error.to_string()))
}

#[pyfunction]
#[pyo3(
    signature = (kind, parameters, shape, written, jobs, time, ramp, seed, commands=None),
    text_signature = "(kind, parameters, shape, written, jobs, time, ramp, seed, commands=None)"
)]
#[allow(clippy::too_many_arguments)]
pub fn run_load<'py>(
    py: Python<'py>,
    kind: &str,
    parameters: BTreeMap<String, f64>,
    shape: Shape,
    written: Vec<u64>,
    jobs: Vec<Job>,
    time: u64,
    ramp: u64,
    seed: u64,
    commands: Option<Py<PyAny>>,
) -> PyResult<Vec<Bound<'py, PyDict>>> {
    let profile = profile(py, kind, &parameters)?;
    if shape.size == 0 || shape.zone_size == 0 || shape.zone_capacity == 0 {
        return Err(invalid(py, "a medium has bytes, and so have its zones"));
    }
    let jobs = jobs.into_iter().map(|job| job.checked(py));
    let load = Load {
        medium: Medium {
            bytes: shape.size,
            zone_bytes: shape.zone_size,
            zone_capacity: shape.zone_capacity.min(shape.zone_size),
        },
        written,
        jobs: jobs.collect::<PyResult<_>>()?,
        time,
        ramp,
        seed,
    };
    let mut rows = Vec::new();
    let tell = |py: Python<'_>, rows: &mut Vec<Sent>| -> PyResult<()> {
        let Some(commands) = &commands else {
            return Ok(());
        };
        rows.drain(..)
            .try_for_each(|sent| commands.call1(py, row(&sent)).map(drop))
    };
    let (mut ended, mut raised) = (0u64, None);
    let outcomes = py.detach(|| {
        load::run(&profile, &load, |sent| {
            if commands.is_some() {
                rows.push(sent);
            }
            ended += 1;
            if ended % BETWEEN_SIGNALS != 0 {
                return Continue(());
            }
            let told = Python::attach(|py| tell(py, &mut rows).and_then(|()| py.check_signals()));
            match told {
                Ok(()) => Continue(()),
                Err(error) => {
                    raised = Some(error);
                    Break(())
                }
            }
        })
    });
    if let Some(error) = raised {
        return Err(error);
    }
    let outcomes = outcomes.map_err(|error| invalid(py, &error.to_string()))?;
    tell(py, &mut rows)?;
    outcomes.iter().map(|outcome| told(py, outcome)).collect()
}

/// A command: its job, what it is, its place and length in bytes, and when it came, was begun and ended.
fn row(sent: &Sent) -> (usize, &'static str, u64, u64, u64, u64, u64) {
    let (name, at) = match sent.work {
        Work::Read { at, .. } => ("read", at),
        Work::Write { at, .. } => ("write", at),
        Work::Append { at, .. } => ("append", at),
        Work::Flush => ("flush", 0),
        Work::Open => ("open", 0),
        Work::Close => ("close", 0),
        Work::Finish { at, .. } => ("finish", at),
        Work::Reset { at, .. } => ("reset", at),
        Work::Report => ("report", 0),
    };
    let bytes = sent.work.bytes();
    (
        sent.job,
        name,
        at,
        bytes,
        sent.arrived,
        sent.begun,
        sent.ended,
    )
}

fn told<'py>(py: Python<'py>, outcome: &load::Outcome) -> PyResult<Bound<'py, PyDict>> {
    let mean = |sum: u64| sum.checked_div(outcome.commands).unwrap_or(0);
    let facts = PyDict::new(py);
    facts.set_item("commands", outcome.commands)?;
    facts.set_item("bytes", outcome.bytes)?;
    facts.set_item("resets", outcome.resets)?;
    facts.set_item("time_ns", outcome.time)?;
    facts.set_item("mean_ns", mean(outcome.latency))?;
    facts.set_item("queued_ns", mean(outcome.queued))?;
    for (name, share) in [
        ("p50_ns", 0.5),
        ("p95_ns", 0.95),
        ("p99_ns", 0.99),
        ("max_ns", 1.0),
    ] {
        facts.set_item(name, outcome.percentile(share))?;
    }
    Ok(facts)
}

/// How late the commands of a disk ended that takes a device's time.
pub fn lateness<'py>(py: Python<'py>, told: &Told) -> PyResult<Bound<'py, PyDict>> {
    let facts = PyDict::new(py);
    facts.set_item("commands", told.commands)?;
    facts.set_item("late", told.late)?;
    let mean = told.lateness.checked_div(told.commands);
    facts.set_item("mean_ns", mean.unwrap_or(0))?;
    facts.set_item("max_ns", told.latest)?;
    facts.set_item("time_ns", told.time)?;
    Ok(facts)
}

fn unknown(py: Python<'_>, kind: &str) -> PyErr {
    invalid(
        py,
        &format!("the timing of a device is of kind 'disk' or 'ssd', not '{kind}'"),
    )
}

fn invalid(py: Python<'_>, message: &str) -> PyErr {
    raise(py, "invalid", message, "")
}
