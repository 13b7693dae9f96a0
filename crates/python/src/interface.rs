//! The protocol that a disk speaks, by the kind of its medium.

use std::sync::Arc;

use command::{Description, Unit};
use memory::Scatter;
use nvme::Namespace;
use scsi::LogicalUnit;
use zoned::{Geometry, Identity, Kind, ZonedDisk};

/// A disk by its protocol.
pub enum Interface {
    Scsi(Arc<dyn Unit<Scatter>>),
    Nvme(Arc<Namespace<Scatter>>),
}

impl Interface {
    /// What `medium` is to a host.
    pub fn new(medium: Arc<dyn ZonedDisk<Scatter>>, identity: Identity) -> Self {
        match is_nvme(medium.geometry()) {
            true => Self::Nvme(Arc::new(Namespace::new(medium))),
            false => Self::Scsi(Arc::new(LogicalUnit::new(medium, identity))),
        }
    }

    /// What carries out its commands.
    pub fn unit(&self) -> Arc<dyn Unit<Scatter>> {
        match self {
            Self::Scsi(unit) => unit.clone(),
            Self::Nvme(namespace) => namespace.clone(),
        }
    }
}

/// The commands that a disk has.
pub fn commands(geometry: &Geometry) -> Vec<Description> {
    match is_nvme(geometry) {
        true => nvme::commands(),
        false => scsi::commands(),
    }
}

fn is_nvme(geometry: &Geometry) -> bool {
    matches!(geometry.kind, Kind::Zns | Kind::Conventional)
}
