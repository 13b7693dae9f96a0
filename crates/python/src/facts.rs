//! What an image is and holds: plain values for Python.

use std::path::PathBuf;

use pyo3::exceptions::PyIndexError;
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyRange};
use zoned::{Condition, Geometry, Identity};

use crate::error::from_image;
use crate::shape::Shape;

#[pyclass(frozen, eq, hash, module = "zonevm._core")]
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Zone {
    #[pyo3(get)]
    start: u64,
    #[pyo3(get)]
    length: u64,
    #[pyo3(get)]
    conventional: bool,
    #[pyo3(get)]
    non_sequential: bool,
    #[pyo3(get)]
    condition: &'static str,
    #[pyo3(get)]
    write_pointer: Option<u64>,
}

#[pymethods]
impl Zone {
    fn __repr__(&self) -> String {
        let pointer = self
            .write_pointer
            .map_or("None".to_owned(), |lba| lba.to_string());
        let truth = |value| if value { "True" } else { "False" };
        format!(
            "Zone(start={}, length={}, conventional={}, non_sequential={}, condition='{}', write_pointer={pointer})",
            self.start,
            self.length,
            truth(self.conventional),
            truth(self.non_sequential),
            self.condition,
        )
    }
}

impl From<zoned::Zone> for Zone {
    fn from(zone: zoned::Zone) -> Self {
        Self {
            start: zone.start,
            length: zone.len,
            conventional: zone.conventional,
            non_sequential: zone.non_sequential,
            condition: name(zone.condition),
            write_pointer: zone.write_pointer,
        }
    }
}

/// What Python calls a condition.
pub fn name(condition: Condition) -> &'static str {
    match condition {
        Condition::NotWritePointer => "not write pointer",
        Condition::Empty => "empty",
        Condition::ImplicitlyOpen => "implicitly open",
        Condition::ExplicitlyOpen => "explicitly open",
        Condition::Closed => "closed",
        Condition::Full => "full",
        Condition::ReadOnly => "read-only",
        Condition::Offline => "offline",
    }
}

#[pyclass(frozen, eq, sequence, module = "zonevm._core")]
#[derive(PartialEq, Eq)]
pub struct Zones(image::Zones);

#[pymethods]
impl Zones {
    fn __len__(&self) -> usize {
        self.0.len()
    }

    fn __getitem__(&self, number: isize) -> PyResult<Zone> {
        let zone = usize::try_from(number)
            .ok()
            .and_then(|number| self.0.get(number));
        zone.map(Zone::from)
            .ok_or_else(|| PyIndexError::new_err("there is no such zone"))
    }

    fn __iter__<'py>(slf: &Bound<'py, Self>) -> PyResult<Bound<'py, PyAny>> {
        let numbers = PyRange::new(slf.py(), 0, slf.len()? as isize)?;
        let map = slf.py().import("builtins")?.getattr("map")?;
        map.call1((slf.getattr("__getitem__")?, numbers))
    }

    fn sums<'py>(
        &self,
        py: Python<'py>,
        first: usize,
        count: usize,
    ) -> PyResult<Bound<'py, PyDict>> {
        let found = py.detach(|| self.0.sums(first, count));
        let conditions = PyDict::new(py);
        for (condition, count) in found.conditions {
            conditions.set_item(name(condition), count)?;
        }
        let sums = PyDict::new(py);
        sums.set_item("conditions", conditions)?;
        sums.set_item("written", found.written)?;
        sums.set_item("sequential", found.sequential)?;
        Ok(sums)
    }
}

/// The dictionary `Info`.
pub fn info<'py>(
    py: Python<'py>,
    geometry: &Geometry,
    identity: &Identity,
    uuid: [u8; 16],
    created: u64,
) -> PyResult<Bound<'py, PyDict>> {
    let info = Shape::of(geometry, identity).into_pyobject(py)?;
    info.set_item("zone_count", geometry.zones())?;
    info.set_item("vendor", &identity.vendor)?;
    info.set_item("product", &identity.product)?;
    info.set_item("revision", &identity.revision)?;
    info.set_item("uuid", hyphenated(uuid))?;
    info.set_item("created", created)?;
    Ok(info)
}

fn hyphenated(uuid: [u8; 16]) -> String {
    let digits = format!("{:032x}", u128::from_be_bytes(uuid));
    [
        &digits[..8],
        &digits[8..12],
        &digits[12..16],
        &digits[16..20],
        &digits[20..],
    ]
    .join("-")
}

#[pyfunction]
pub fn inspect(py: Python<'_>, path: PathBuf) -> PyResult<Bound<'_, PyDict>> {
    let found = py
        .detach(|| image::inspect(&path))
        .map_err(|e| from_image(py, &e))?;
    let facts = info(
        py,
        &found.geometry,
        &found.identity,
        found.uuid,
        found.created,
    )?;
    facts.set_item("zones", Zones(found.zones))?;
    facts.set_item("allocated", found.allocated)?;
    let user = match found.user {
        Some(holder) => {
            let user = PyDict::new(py);
            user.set_item("pid", holder.pid)?;
            user.set_item("program", holder.program)?;
            Some(user)
        }
        None => None,
    };
    facts.set_item("user", user)?;
    Ok(facts)
}
