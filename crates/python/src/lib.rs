//! `zonevm._core`: Python's view of the emulated disk. Bindings only; `_core.pyi` documents them.

mod crash;
mod disk;
mod entries;
mod error;
mod facts;
mod faults;
mod interface;
mod logging;
mod medium;
mod record;
mod response;
mod server;
mod shape;
mod timing;
mod tools;

use pyo3::prelude::*;

#[pymodule]
mod _core {
    use pyo3::prelude::*;

    #[pymodule_export]
    use crate::crash::{Moment, Record, Recording};
    #[pymodule_export]
    use crate::disk::Disk;
    #[pymodule_export]
    use crate::entries::Entries;
    #[pymodule_export]
    use crate::error::CoreError;
    #[pymodule_export]
    use crate::facts::{inspect, Zone, Zones};
    #[pymodule_export]
    use crate::faults::{command_names, Faults};
    #[pymodule_export]
    use crate::medium::{Medium, RefusalError};
    #[pymodule_export]
    use crate::record::{command_field, command_name, FailedCommand, Trace};
    #[pymodule_export]
    use crate::response::Response;
    #[pymodule_export]
    use crate::server::Server;
    #[pymodule_init]
    fn init(module: &Bound<'_, PyModule>) -> PyResult<()> {
        crate::logging::start(module.py())
    }

    #[pymodule_export]
    use crate::timing::{check_timing, run_load, timing_parameters};
    #[pymodule_export]
    use crate::tools::{check, export, repair, resize, restore, set_zones, snapshot};
}
