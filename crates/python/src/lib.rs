//! `zonevm._core`: Python's view of the emulated disk. Bindings only; `_core.pyi` documents them.

mod disk;
mod error;
mod facts;
mod faults;
mod record;
mod server;
mod shape;
mod tools;

use pyo3::prelude::*;

#[pymodule]
mod _core {
    #[pymodule_export]
    use crate::disk::{Disk, Response};
    #[pymodule_export]
    use crate::error::CoreError;
    #[pymodule_export]
    use crate::facts::{inspect, Zone, Zones};
    #[pymodule_export]
    use crate::faults::{command_names, Faults};
    #[pymodule_export]
    use crate::record::{command_field, command_name, FailedCommand, Trace};
    #[pymodule_export]
    use crate::server::Server;
    #[pymodule_export]
    use crate::tools::{check, export, repair, resize, restore, set_zones, snapshot};
}
