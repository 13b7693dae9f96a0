//! `FailedCommand`, `Trace`, and what a command is called.

use std::fs::OpenOptions;
use std::path::PathBuf;
use std::sync::Arc;

use pyo3::prelude::*;
use record::Failure;
use zoned::Geometry;

use crate::error::from_host;
use crate::facts::Zone;

#[pyfunction]
#[pyo3(signature = (command, protocol="SCSI"))]
pub fn command_name(command: &[u8], protocol: &str) -> Option<&'static str> {
    match protocol {
        "NVMe" => nvme::command_name(*command.first()?),
        _ => scsi::command_name(command),
    }
}

#[pyfunction]
pub fn command_field(cdb: &[u8], byte: usize) -> Option<&'static str> {
    scsi::field_name(cdb, byte)
}

#[pyclass(frozen, get_all, module = "zonevm._core")]
pub struct FailedCommand {
    time: u64,
    protocol: &'static str,
    raw: Vec<u8>,
    name: Option<&'static str>,
    lba: Option<u64>,
    blocks: Option<u64>,
    status: u16,
    sense: Vec<u8>,
    overrun: bool,
    zone_number: Option<u32>,
    zone: Option<Zone>,
    explicitly_open: Option<u32>,
    implicitly_open: Option<u32>,
    closed: Option<u32>,
    block_size: u32,
    disk_blocks: u64,
    conventional_blocks: u64,
    max_open: Option<u32>,
    max_active: Option<u32>,
}

impl FailedCommand {
    pub fn new(failure: Failure, geometry: &Geometry) -> Self {
        Self {
            time: failure.time,
            name: failure.name,
            protocol: failure.protocol,
            raw: failure.raw,
            lba: failure.lba,
            blocks: failure.count,
            status: failure.status,
            sense: failure.sense,
            overrun: failure.overrun,
            zone_number: failure.zone.map(|(number, _)| number),
            zone: failure.zone.map(|(_, zone)| Zone::from(zone)),
            explicitly_open: failure.active.map(|active| active.explicitly_open),
            implicitly_open: failure.active.map(|active| active.implicitly_open),
            closed: failure.active.map(|active| active.closed),
            block_size: geometry.block_size,
            disk_blocks: geometry.blocks,
            conventional_blocks: u64::from(geometry.conventional_zones) * geometry.zone_blocks,
            max_open: geometry.max_open,
            max_active: geometry.max_active,
        }
    }
}

#[pyclass(frozen, module = "zonevm._core")]
pub struct Trace {
    trace: Arc<record::Trace>,
    path: PathBuf,
}

impl Trace {
    pub fn get(&self) -> Arc<record::Trace> {
        self.trace.clone()
    }
}

#[pymethods]
impl Trace {
    #[new]
    fn new(py: Python<'_>, path: PathBuf) -> PyResult<Self> {
        let file = OpenOptions::new().write(true).create_new(true).open(&path);
        let trace = file.and_then(record::Trace::start);
        let trace = trace.map_err(|e| from_host(py, "create the trace", &path, &e))?;
        Ok(Self {
            trace: Arc::new(trace),
            path,
        })
    }

    fn close(&self, py: Python<'_>) -> PyResult<()> {
        py.detach(|| self.trace.close())
            .map_err(|e| from_host(py, "write the trace", &self.path, &e))
    }
}
