//! `Medium` and `RefusalError`: a zoned disk in memory, asked at the waist.
//!
//! The rules of a medium without protocol and image, for tests. Knows no command.

use std::num::NonZeroU32;

use pyo3::create_exception;
use pyo3::exceptions::{PyException, PyIndexError};
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyDict};
use zoned::testing::{Bytes, RamDisk};
use zoned::{Action, Answer, Blocks, Degraded, Operation, Refusal, Target, ZonedDisk};

use crate::error::raise;
use crate::facts::{name, Zone};
use crate::shape;

create_exception!(zonevm._core, RefusalError, PyException);

/// From Python by its attributes.
#[derive(FromPyObject)]
struct Geometry {
    kind: String,
    block_size: u32,
    blocks: u64,
    zone_blocks: u64,
    zone_capacity: Option<u64>,
    conventional_zones: u32,
    max_open: Option<u32>,
    max_active: Option<u32>,
    unrestricted_reads: bool,
    extension_bytes: u32,
}

impl Geometry {
    fn checked(self, py: Python<'_>) -> PyResult<zoned::Geometry> {
        let geometry = zoned::Geometry {
            kind: shape::kind(py, &self.kind)?.0,
            block_size: self.block_size,
            blocks: self.blocks,
            zone_blocks: self.zone_blocks,
            zone_capacity: self.zone_capacity,
            conventional_zones: self.conventional_zones,
            max_open: self.max_open,
            max_active: self.max_active,
            unrestricted_reads: self.unrestricted_reads,
            extension_bytes: self.extension_bytes,
        };
        geometry
            .validate()
            .map_err(|error| invalid(py, &error.to_string()))?;
        Ok(geometry)
    }
}

#[pyclass(frozen, module = "zonevm._core")]
pub struct Medium(RamDisk<Bytes>);

impl Medium {
    fn ask(&self, py: Python<'_>, operation: Operation, data: &Bytes) -> PyResult<Answer> {
        let submitted = self.0.submit(operation.into(), data);
        // A disk in memory forgets nobody.
        let result = submitted.wait().map_or(Err(Refusal::Lost), |it| it.result);
        result.map_err(|refusal| refused(py, refusal))
    }

    /// What a read puts its data into. No request has more blocks than the disk.
    fn room(&self, count: u64) -> Bytes {
        let geometry = self.0.geometry();
        let bytes = geometry.to_bytes(count.min(geometry.blocks));
        Bytes::new(vec![0; bytes as usize])
    }

    /// How many blocks these data are.
    fn count(&self, py: Python<'_>, data: &[u8]) -> PyResult<u64> {
        let block = self.0.geometry().block_size as usize;
        if data.len() % block != 0 {
            let message = format!("{} bytes are no blocks of {block} bytes", data.len());
            return Err(invalid(py, &message));
        }
        Ok((data.len() / block) as u64)
    }
}

#[pymethods]
impl Medium {
    #[new]
    fn new(py: Python<'_>, geometry: Geometry) -> PyResult<Self> {
        Ok(Self(RamDisk::new(geometry.checked(py)?)))
    }

    fn read<'py>(&self, py: Python<'py>, lba: u64, count: u64) -> PyResult<Bound<'py, PyBytes>> {
        let into = self.room(count);
        let read = Operation::Read {
            blocks: Blocks { lba, count },
            stable: false,
        };
        self.ask(py, read, &into)?;
        Ok(PyBytes::new(py, &into.to_vec()))
    }

    fn verify(&self, py: Python<'_>, lba: u64, count: u64) -> PyResult<()> {
        let blocks = Blocks { lba, count };
        self.ask(py, Operation::Verify { blocks }, &Bytes::default())?;
        Ok(())
    }

    fn compare(&self, py: Python<'_>, lba: u64, data: &[u8]) -> PyResult<()> {
        let count = self.count(py, data)?;
        let blocks = Blocks { lba, count };
        let data = Bytes::new(data.to_vec());
        self.ask(py, Operation::Compare { blocks }, &data)?;
        Ok(())
    }

    fn write(&self, py: Python<'_>, lba: u64, data: &[u8]) -> PyResult<()> {
        let count = self.count(py, data)?;
        let write = Operation::Write {
            blocks: Blocks { lba, count },
            stable: false,
        };
        self.ask(py, write, &Bytes::new(data.to_vec()))?;
        Ok(())
    }

    fn append(&self, py: Python<'_>, zone: u32, data: &[u8]) -> PyResult<Option<u64>> {
        let append = Operation::Append {
            zone,
            count: self.count(py, data)?,
            stable: false,
        };
        Ok(self.ask(py, append, &Bytes::new(data.to_vec()))?.lba)
    }

    #[pyo3(
        signature = (lba, count, block=b"".as_slice()),
        text_signature = "($self, lba, count, block=b'')"
    )]
    fn fill(&self, py: Python<'_>, lba: u64, count: u64, block: &[u8]) -> PyResult<()> {
        if self.count(py, block)? > 1 {
            return Err(invalid(py, "a medium is filled with one block"));
        }
        let fill = Operation::Fill {
            blocks: Blocks { lba, count },
            stable: false,
        };
        self.ask(py, fill, &Bytes::new(block.to_vec()))?;
        Ok(())
    }

    fn flush(&self, py: Python<'_>) -> PyResult<()> {
        self.ask(py, Operation::Flush, &Bytes::default())?;
        Ok(())
    }

    #[pyo3(
        signature = (action, first=None, count=NonZeroU32::MIN, extension=b"".as_slice()),
        text_signature = "($self, action, first=None, count=1, extension=b'')"
    )]
    fn manage(
        &self,
        py: Python<'_>,
        action: &str,
        first: Option<u32>,
        count: NonZeroU32,
        extension: &[u8],
    ) -> PyResult<()> {
        let action = match action {
            "open" => Action::Open,
            "close" => Action::Close,
            "finish" => Action::Finish,
            "reset" => Action::Reset,
            "offline" => Action::Offline,
            "set-extension" => Action::SetExtension,
            other => return Err(invalid(py, &format!("there is no action '{other}'"))),
        };
        let wanted = match action {
            Action::SetExtension => self.0.geometry().extension_bytes as usize,
            _ => 0,
        };
        if extension.len() != wanted {
            let message = format!(
                "a descriptor extension of {} bytes; {wanted} are wanted",
                extension.len()
            );
            return Err(invalid(py, &message));
        }
        let target = target(first, count);
        let manage = Operation::Manage { action, target };
        self.ask(py, manage, &Bytes::new(extension.to_vec()))?;
        Ok(())
    }

    fn report(&self, py: Python<'_>, lba: u64) -> PyResult<Vec<Zone>> {
        self.ask(py, Operation::Report { from: lba }, &Bytes::default())?;
        let geometry = self.0.geometry();
        let zones = geometry.zone_of(lba)..geometry.zones();
        Ok(zones.map(|zone| self.0.zone(zone).into()).collect())
    }

    fn extension<'py>(&self, py: Python<'py>, zone: u32) -> PyResult<Option<Bound<'py, PyBytes>>> {
        if zone >= self.0.geometry().zones() {
            return Err(PyIndexError::new_err("there is no such zone"));
        }
        let valid = self.0.zone(zone).extension_valid;
        Ok(valid.then(|| PyBytes::new(py, &self.0.extension(zone))))
    }

    #[pyo3(
        signature = (to, first=None, count=NonZeroU32::MIN),
        text_signature = "($self, to, first=None, count=1)"
    )]
    fn degrade(
        &self,
        py: Python<'_>,
        to: &str,
        first: Option<u32>,
        count: NonZeroU32,
    ) -> PyResult<()> {
        let to = match to {
            "read-only" => Degraded::ReadOnly,
            "offline" => Degraded::Offline,
            other => return Err(invalid(py, &format!("no zone fails to be '{other}'"))),
        };
        let target = target(first, count);
        self.ask(py, Operation::Degrade { target, to }, &Bytes::default())?;
        Ok(())
    }

    fn power_cycle(&self) {
        self.0.power_cycle(|_, word| word);
    }
}

fn target(first: Option<u32>, count: NonZeroU32) -> Target {
    first.map_or(Target::All, |first| Target::Zones {
        first,
        count: count.get(),
    })
}

fn invalid(py: Python<'_>, message: &str) -> PyErr {
    raise(py, "invalid", message, "")
}

/// A `RefusalError` with its attributes.
fn refused(py: Python<'_>, refusal: Refusal) -> PyErr {
    let (reason, listed) = parts(refusal);
    let error = RefusalError::new_err(format!("{refusal:?}"));
    let told = || {
        let facts = PyDict::new(py);
        for (fact, value) in listed {
            facts.set_item(fact, value)?;
        }
        let value = error.value(py);
        value.setattr("reason", reason)?;
        value.setattr("facts", facts)
    };
    told().err().unwrap_or(error)
}

#[derive(IntoPyObject)]
enum Fact {
    Number(u64),
    Condition(&'static str),
}

/// What a refusal is called, and its facts.
fn parts(refusal: Refusal) -> (&'static str, Vec<(&'static str, Fact)>) {
    let number = |name, value: u64| (name, Fact::Number(value));
    let lba = |lba| vec![number("lba", lba)];
    let zone = |zone: u32| vec![number("zone", zone.into())];
    let limit = |limit: u32| vec![number("limit", limit.into())];
    let at = |zone: u32, pointer| {
        vec![
            number("zone", zone.into()),
            number("write_pointer", pointer),
        ]
    };
    match refusal {
        Refusal::OutOfRange { lba: from } => ("out-of-range", lba(from)),
        Refusal::GapZone { zone: before } => ("gap-zone", zone(before)),
        Refusal::NotZoneStart { lba, zone } => (
            "not-zone-start",
            vec![number("lba", lba), number("zone", zone.into())],
        ),
        Refusal::TooManyZones { count } => ("too-many-zones", vec![number("count", count.into())]),
        Refusal::ReadBoundary { zone: next } => ("read-boundary", zone(next)),
        Refusal::ReadUnwritten {
            zone,
            write_pointer,
        } => ("read-unwritten", at(zone, write_pointer)),
        Refusal::Unaligned {
            zone,
            write_pointer,
        } => ("unaligned", at(zone, write_pointer)),
        Refusal::WriteBoundary { zone: left } => ("write-boundary", zone(left)),
        Refusal::Full { zone: full } => ("full", zone(full)),
        Refusal::ReadOnly { zone: failed } => ("read-only", zone(failed)),
        Refusal::Offline { zone: failed } => ("offline", zone(failed)),
        Refusal::TooManyOpen { limit: most } => ("too-many-open", limit(most)),
        Refusal::TooManyActive { limit: most } => ("too-many-active", limit(most)),
        Refusal::Transition { zone, condition } => (
            "transition",
            vec![
                number("zone", zone.into()),
                ("condition", Fact::Condition(name(condition))),
            ],
        ),
        Refusal::NotSupported => ("not-supported", Vec::new()),
        Refusal::Unreadable { lba: bad } => ("unreadable", lba(bad)),
        Refusal::Unwritable { lba: bad } => ("unwritable", lba(bad)),
        Refusal::WriteFault { lba: bad } => ("write-fault", lba(bad)),
        Refusal::Differs { lba: first } => ("differs", lba(first)),
        Refusal::NotStable => ("not-stable", Vec::new()),
        Refusal::Lost => ("lost", Vec::new()),
    }
}
