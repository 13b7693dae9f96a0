//! `Faults`: the rules by which a disk fails.

use std::time::Duration;

use faults::{Kind, Place, Rule, RuleError, Selector};
use pyo3::prelude::*;

use crate::disk::Disk;
use crate::error::{from_image, raise};

#[pyclass(frozen, module = "zonevm._core")]
pub struct Faults {
    disk: Py<Disk>,
}

#[pymethods]
impl Faults {
    #[new]
    fn new(disk: Py<Disk>) -> Self {
        Self { disk }
    }

    #[pyo3(signature = (
        label, kind, *, zone=None, lba=None, blocks=1, command=None, count=None, after=0, probability=1.0, seed=0,
        milliseconds=0, code=None
    ))]
    #[allow(clippy::too_many_arguments)] // they are keywords in Python
    fn add(
        &self,
        py: Python<'_>,
        label: String,
        kind: &str,
        zone: Option<u32>,
        lba: Option<u64>,
        blocks: u64,
        command: Option<&str>,
        count: Option<u64>,
        after: u64,
        probability: f64,
        seed: u64,
        milliseconds: u64,
        code: Option<u16>,
    ) -> PyResult<u64> {
        let invalid = |message: &str| raise(py, "invalid", message, "");
        let protocol = self.disk.get().unit(py)?.protocol();
        if kind == "unit-attention" && protocol.name() != "SCSI" {
            let message = format!("{label}: {} has no unit attentions", protocol.name());
            let hint = "Use aborted, or a fault of a zone, of which the controller tells.";
            return Err(raise(py, "invalid", &message, hint));
        }
        let known = protocol.commands();
        let rule = Rule {
            kind: Kind::named(kind, Duration::from_millis(milliseconds), code)
                .ok_or_else(|| invalid(&format!("there is no kind of fault {kind:?}")))?,
            place: match (zone, lba) {
                (Some(zone), _) => Place::Zone(zone),
                (None, Some(lba)) => Place::Blocks(lba..lba.saturating_add(blocks)),
                (None, None) => Place::Anywhere,
            },
            commands: command
                .map(|text| {
                    Selector::parse(text, &known)
                        .ok_or_else(|| invalid(&format!("there is no command {text:?}")))
                })
                .transpose()?,
            count,
            after,
            probability,
            seed,
            label,
        };
        let disk = self.disk.get();
        let (faults, image) = (disk.faults(py)?, disk.image(py).ok());
        let added = py.detach(|| faults.add(&rule));
        added.map_err(
            |error| match (&error, image.and_then(|image| image.last_error())) {
                (RuleError::NotStable(_), Some(cause)) => from_image(py, &cause),
                _ => raise(py, "invalid", &error.to_string(), error.hint()),
            },
        )
    }

    fn remove(&self, py: Python<'_>, number: u64) -> PyResult<bool> {
        Ok(self.disk.get().faults(py)?.remove(number))
    }

    fn clear(&self, py: Python<'_>) -> PyResult<()> {
        self.disk.get().faults(py)?.clear();
        Ok(())
    }

    fn list(&self, py: Python<'_>) -> PyResult<Vec<(u64, String, u64, u64)>> {
        let listed = self.disk.get().faults(py)?.list();
        Ok(listed
            .into_iter()
            .map(|rule| (rule.number, rule.label, rule.matched, rule.fired))
            .collect())
    }
}

#[pyfunction]
pub fn command_names() -> Vec<&'static str> {
    let commands = scsi::commands().into_iter().chain(nvme::commands());
    commands.filter_map(|command| command.name).collect()
}
