//! `Disk`.

use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use command::{Command, Unit, MAX_INITIATORS};
use crash::{Recorder, Stage, View};
use faults::{Faults, FaultyDisk, FaultyUnit};
use image::{Cache, Loss};
use memory::Scatter;
use nvme::Attached;
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyList};
use record::{Log, Logged, Traced};
use timed::{Pace, TimedDisk};
use timing::Profile;
use zoned::{Geometry, Identity, ZonedDisk};

use crate::crash::{from_crash, Recording};
use crate::error::{from_image, raise};
use crate::facts::{info, Zone};
use crate::interface::{self, Interface};
use crate::record::{FailedCommand, Trace};
use crate::response::Response;
use crate::shape::Shape;
use crate::timing::{lateness, Parameters};

/// How many failed commands of a disk are kept.
const FAILURES: usize = 64;

#[pyclass(frozen, module = "zonevm._core")]
pub struct Disk {
    /// `None` when closed.
    opened: Mutex<Option<Opened>>,
    /// What `lost` was when the disk was closed.
    was_lost: AtomicBool,
    geometry: Geometry,
    log: Arc<Log>,
}

/// An open disk, and the layers over it by which commands come.
struct Opened {
    /// `None`: it is a state of a record.
    image: Option<Arc<image::Disk>>,
    /// `None`: it is on an image.
    stage: Option<Arc<Stage<Scatter>>>,
    recorder: Arc<Recorder<Scatter>>,
    identity: Identity,
    faults: Arc<Faults<Scatter>>,
    interface: Interface,
    /// Its logical unit or namespace with all layers around it.
    unit: Arc<dyn Unit<Scatter>>,
    /// The clock of the device whose time it takes, if it does.
    pace: Option<Arc<Pace>>,
}

impl Disk {
    fn new(py: Python<'_>, disk: image::Disk, profile: Option<&Profile>) -> PyResult<Self> {
        let identity = disk.identity().clone();
        let image = Arc::new(disk);
        Self::over(py, image.clone(), Some(image), None, identity, profile)
    }

    /// A disk that a power cut has left.
    pub fn of_view(py: Python<'_>, view: View<Scatter>) -> PyResult<Self> {
        let stage = Arc::new(Stage::new(view));
        let identity = stage.identity().clone();
        Self::over(py, stage.clone(), None, Some(stage), identity, None)
    }

    /// The layers over what keeps the data.
    fn over(
        py: Python<'_>,
        kept: Arc<dyn ZonedDisk<Scatter>>,
        image: Option<Arc<image::Disk>>,
        stage: Option<Arc<Stage<Scatter>>>,
        identity: Identity,
        profile: Option<&Profile>,
    ) -> PyResult<Self> {
        let geometry = kept.geometry().clone();
        let commands = interface::commands(&geometry);
        let recorder = Arc::new(Recorder::new(kept.clone()));
        let faults = Arc::new(Faults::new(recorder.clone(), commands));
        let mut medium: Arc<dyn ZonedDisk<Scatter>> = Arc::new(FaultyDisk::new(faults.clone()));
        let mut pace = None;
        if let Some(profile) = profile {
            let timed = TimedDisk::new(medium, profile);
            let timed = timed.map_err(|e| raise(py, "io", &format!("no thread: {e}"), ""))?;
            pace = Some(timed.pace());
            medium = Arc::new(timed);
        }
        let interface = Interface::new(medium, identity.clone());
        let unit = Arc::new(FaultyUnit::new(faults.clone(), interface.unit()));
        let log = Arc::new(Log::new(FAILURES));
        let unit = Arc::new(Logged::new(unit, kept, log.clone()));
        Ok(Self {
            opened: Mutex::new(Some(Opened {
                image,
                stage,
                recorder,
                identity,
                faults,
                interface,
                unit,
                pace,
            })),
            was_lost: AtomicBool::new(false),
            geometry,
            log,
        })
    }

    /// It as a namespace of a controller; `None`: it is a SCSI disk.
    pub fn attached(&self, py: Python<'_>) -> PyResult<Option<Attached<Scatter>>> {
        self.with(py, |opened| match &opened.interface {
            Interface::Scsi(_) => None,
            Interface::Nvme(namespace) => Some(Attached {
                namespace: namespace.clone(),
                unit: opened.unit.clone(),
                identity: opened.identity.clone(),
            }),
        })
    }

    /// The unit that commands of a server go to.
    pub fn unit(&self, py: Python<'_>) -> PyResult<Arc<dyn Unit<Scatter>>> {
        self.with(py, |opened| opened.unit.clone())
    }

    pub fn faults(&self, py: Python<'_>) -> PyResult<Arc<Faults<Scatter>>> {
        self.with(py, |opened| opened.faults.clone())
    }

    /// The clock of its device, if it has one and is open.
    fn pace(&self) -> Option<Arc<Pace>> {
        let opened = self.opened.lock().unwrap_or_else(PoisonError::into_inner);
        opened.as_ref().and_then(|opened| opened.pace.clone())
    }

    pub fn image(&self, py: Python<'_>) -> PyResult<Arc<image::Disk>> {
        let image = self.with(py, |opened| opened.image.clone())?;
        let message = "the disk is a state of a record, and has no image";
        image.ok_or_else(|| raise(py, "invalid", message, ""))
    }

    /// Where its states are shown.
    pub fn stage(&self, py: Python<'_>) -> PyResult<Arc<Stage<Scatter>>> {
        let stage = self.with(py, |opened| opened.stage.clone())?;
        let message = "the disk is on an image, and shows no states of a record";
        stage.ok_or_else(|| raise(py, "invalid", message, ""))
    }

    fn recorder(&self, py: Python<'_>) -> PyResult<Arc<Recorder<Scatter>>> {
        self.with(py, |opened| opened.recorder.clone())
    }

    fn with<T>(&self, py: Python<'_>, of: impl FnOnce(&mut Opened) -> T) -> PyResult<T> {
        let mut opened = self.opened.lock().unwrap_or_else(PoisonError::into_inner);
        opened
            .as_mut()
            .map(of)
            .ok_or_else(|| raise(py, "invalid", "the disk is closed", "open it again"))
    }
}

#[pymethods]
impl Disk {
    #[staticmethod]
    fn create(py: Python<'_>, path: PathBuf, shape: Shape) -> PyResult<()> {
        let (geometry, identity) = shape.into_parts(py)?;
        py.detach(|| image::Disk::create(&path, &geometry, &identity))
            .map_err(|e| from_image(py, &e))
    }

    #[staticmethod]
    #[pyo3(signature = (directory, shape, cache="host", timing=None))]
    fn temporary(
        py: Python<'_>,
        directory: PathBuf,
        shape: Shape,
        cache: &str,
        timing: Option<Parameters>,
    ) -> PyResult<Self> {
        let (geometry, identity) = shape.into_parts(py)?;
        let cache = named_cache(py, cache)?;
        let profile = timing.map(|timing| timing.profile(py)).transpose()?;
        let disk = py
            .detach(|| image::Disk::temporary(&directory, &geometry, &identity, cache))
            .map_err(|e| from_image(py, &e))?;
        Self::new(py, disk, profile.as_ref())
    }

    #[staticmethod]
    #[pyo3(signature = (path, cache="host", timing=None))]
    fn open(
        py: Python<'_>,
        path: PathBuf,
        cache: &str,
        timing: Option<Parameters>,
    ) -> PyResult<Self> {
        let cache = named_cache(py, cache)?;
        let profile = timing.map(|timing| timing.profile(py)).transpose()?;
        let disk = py
            .detach(|| image::Disk::open(&path, cache))
            .map_err(|e| from_image(py, &e))?;
        Self::new(py, disk, profile.as_ref())
    }

    fn info<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
        let disk = self.image(py)?;
        info(
            py,
            disk.geometry(),
            disk.identity(),
            disk.uuid(),
            disk.created(),
        )
    }

    fn zones(&self, py: Python<'_>) -> PyResult<Vec<Zone>> {
        let disk = self.recorder(py)?;
        let zones = 0..self.geometry.zones();
        Ok(py.detach(|| zones.map(|zone| disk.zone(zone).into()).collect()))
    }

    #[pyo3(
        signature = (cdb, data_out=b"".as_slice(), data_in_length=0, *, initiator=0),
        text_signature = "($self, cdb, data_out=b'', data_in_length=0, *, initiator=0)"
    )]
    fn execute(
        &self,
        py: Python<'_>,
        cdb: &[u8],
        data_out: &[u8],
        data_in_length: usize,
        initiator: i64,
    ) -> PyResult<Response> {
        let unit = self.unit(py)?;
        let known = u8::try_from(initiator).ok();
        let Some(number) = known.filter(|&number| usize::from(number) < MAX_INITIATORS) else {
            let message = format!(
                "initiator {initiator} is not one of 0 to {}",
                MAX_INITIATORS - 1
            );
            return Err(raise(py, "invalid", &message, ""));
        };
        let into = Scatter::zeroed(data_in_length);
        let out = Scatter::from_bytes(data_out.to_vec());
        let mut command = Command::new(cdb, None, out, into.clone());
        command.initiator = number;
        let outcome = py.detach(|| unit.execute(&command).wait());
        let Some(outcome) = outcome else {
            let message = "the disk does not answer: a fault keeps it from that";
            return Err(raise(py, "no-answer", message, "clear its faults"));
        };
        Ok(Response::new(py, &outcome, &into))
    }

    fn errors(&self) -> Vec<FailedCommand> {
        let failures = self.log.failures().into_iter();
        failures
            .map(|failure| FailedCommand::new(failure, &self.geometry))
            .collect()
    }

    fn trace_to(&self, py: Python<'_>, trace: &Trace, number: u16) -> PyResult<()> {
        let geometry = self.geometry.clone();
        self.with(py, |opened| {
            let unit = opened.unit.clone();
            opened.unit = Arc::new(Traced::new(unit, geometry, trace.get(), number));
        })
    }

    fn record_to(&self, py: Python<'_>, recording: &Recording, number: u16) -> PyResult<()> {
        let image = self.image(py)?;
        if !image.is_blank() {
            let message =
                "something was written to the disk already, and a record begins with an empty one";
            let hint = "give the disk another file, or none";
            return Err(raise(py, "invalid", message, hint));
        }
        let (log, identity) = (recording.log(), image.identity().clone());
        self.recorder(py)?
            .start(log, number, identity, image.is_lying())
            .map_err(|error| from_crash(py, &error))
    }

    fn reset(&self, py: Python<'_>) -> PyResult<()> {
        self.unit(py)?.reset();
        Ok(())
    }

    fn sync(&self, py: Python<'_>) -> PyResult<()> {
        let disk = self.image(py)?;
        py.detach(|| disk.sync()).map_err(|e| from_image(py, &e))
    }

    #[pyo3(signature = (loss="random", seed=0))]
    fn power_cut<'py>(
        &self,
        py: Python<'py>,
        loss: &str,
        seed: u64,
    ) -> PyResult<Bound<'py, PyDict>> {
        let loss = match loss {
            "all" => Loss::All,
            "none" => Loss::None,
            "random" => Loss::Random { seed },
            _ => {
                let message = format!("a power cut loses 'all', 'none' or 'random', not '{loss}'");
                return Err(raise(py, "invalid", &message, ""));
            }
        };
        if self.recorder(py)?.is_started() {
            let message = "the disk is recorded, and a power cut is not in the record";
            let hint = "look at the states of the record instead";
            return Err(raise(py, "invalid", message, hint));
        }
        let disk = self.image(py)?;
        let cut = py
            .detach(|| disk.power_cut(loss))
            .map_err(|e| from_image(py, &e))?;
        let zones = PyList::empty(py);
        for zone in cut.zones {
            let facts = PyDict::new(py);
            facts.set_item("zone", zone.zone)?;
            facts.set_item("stable", zone.stable)?;
            facts.set_item("before", zone.before)?;
            facts.set_item("after", zone.after)?;
            zones.append(facts)?;
        }
        let facts = PyDict::new(py);
        facts.set_item("zones", zones)?;
        facts.set_item("blocks", cut.blocks)?;
        Ok(facts)
    }

    fn power_off(&self, py: Python<'_>) {
        let pace = self.pace();
        py.detach(|| pace.iter().for_each(|pace| pace.power_off()));
    }

    fn power_on(&self) {
        self.pace().iter().for_each(|pace| pace.power_on());
    }

    fn lateness<'py>(&self, py: Python<'py>) -> PyResult<Option<Bound<'py, PyDict>>> {
        let pace = self.pace();
        pace.map(|pace| lateness(py, &pace.told())).transpose()
    }

    #[getter]
    fn lost(&self) -> bool {
        let opened = self.opened.lock().unwrap_or_else(PoisonError::into_inner);
        match &*opened {
            Some(opened) => opened.image.as_ref().is_some_and(|image| image.is_lost()),
            None => self.was_lost.load(Ordering::Relaxed),
        }
    }

    fn close(&self, py: Python<'_>) {
        self.was_lost.store(self.lost(), Ordering::Relaxed);
        py.detach(|| {
            self.opened
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .take()
        });
    }

    fn __enter__(slf: Py<Self>) -> Py<Self> {
        slf
    }

    fn __exit__(
        &self,
        py: Python<'_>,
        _exc_type: &Bound<'_, PyAny>,
        _exc: &Bound<'_, PyAny>,
        _traceback: &Bound<'_, PyAny>,
    ) {
        self.close(py);
    }
}

fn named_cache(py: Python<'_>, name: &str) -> PyResult<Cache> {
    match name {
        "host" => Ok(Cache::Host),
        "volatile" => Ok(Cache::Volatile),
        "lying" => Ok(Cache::Lying),
        _ => {
            let message = format!("a write cache is 'host', 'volatile' or 'lying', not '{name}'");
            Err(raise(py, "invalid", &message, ""))
        }
    }
}
