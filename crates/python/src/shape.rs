//! A disk's geometry and identity, as Python gives them (`zonevm.disks.Shape`) and is told them (`Info`).
//!
//! The only place of the bindings that lists the options of an emulated medium.

use pyo3::prelude::*;
use zoned::{Geometry, Identity, Kind};

use crate::error::raise;

/// What Python calls the kinds of media, and what product each is.
const MODELS: [(&str, Kind, &str); 4] = [
    ("host-managed", Kind::HostManaged, "SMR DISK"),
    ("host-aware", Kind::HostAware, "SMR DISK"),
    ("zns", Kind::Zns, "ZNS"),
    ("conventional", Kind::Conventional, "NVME"),
];

/// Sizes in bytes. From Python by its attributes, to Python as a dictionary.
#[derive(FromPyObject, IntoPyObject)]
pub struct Shape {
    size: u64,
    zone_size: u64,
    conventional: u32,
    block_size: u32,
    max_open: Option<u32>,
    max_active: Option<u32>,
    zone_capacity: Option<u64>,
    model: String,
    urswrz: bool,
    descr_ext_size: u32,
    serial: Option<String>,
    wwn: Option<u64>,
}

impl Shape {
    /// What a disk is.
    pub fn of(geometry: &Geometry, identity: &Identity) -> Self {
        let bytes = |blocks| blocks * u64::from(geometry.block_size);
        Self {
            size: geometry.bytes(),
            zone_size: bytes(geometry.zone_blocks),
            conventional: geometry.conventional_zones,
            block_size: geometry.block_size,
            max_open: geometry.max_open,
            max_active: geometry.max_active,
            zone_capacity: Some(bytes(
                geometry.zone_capacity.unwrap_or(geometry.zone_blocks),
            )),
            model: name_of(geometry.kind).to_owned(),
            urswrz: geometry.unrestricted_reads,
            descr_ext_size: geometry.extension_bytes,
            serial: Some(identity.serial.clone()),
            wwn: Some(identity.wwn),
        }
    }

    /// Bytes to blocks; the model checks the rest. An identity that is not given is drawn.
    pub fn into_parts(self, py: Python<'_>) -> PyResult<(Geometry, Identity)> {
        let blocks = |name: &str, bytes: u64| {
            let block = u64::from(self.block_size.max(1));
            if bytes % block == 0 {
                return Ok(bytes / block);
            }
            let message = format!(
                "{name} is {bytes} bytes; it must be a multiple of the block size, {block}"
            );
            Err(raise(py, "invalid", &message, ""))
        };
        let (kind, product) = kind(py, &self.model)?;
        let geometry = Geometry {
            kind,
            block_size: self.block_size,
            blocks: blocks("size", self.size)?,
            zone_blocks: blocks("zone size", self.zone_size)?,
            zone_capacity: self
                .zone_capacity
                .filter(|&capacity| capacity != self.zone_size)
                .map(|capacity| blocks("zone capacity", capacity))
                .transpose()?,
            conventional_zones: self.conventional,
            max_open: self.max_open,
            max_active: self.max_active,
            unrestricted_reads: self.urswrz,
            extension_bytes: self.descr_ext_size,
        };
        let random = image::random_identity();
        let identity = Identity {
            serial: self.serial.unwrap_or(random.serial),
            wwn: self.wwn.unwrap_or(random.wwn),
            product: product.to_owned(),
            ..random
        };
        Ok((geometry, identity))
    }
}

/// The kind of this name, and its product.
pub fn kind(py: Python<'_>, model: &str) -> PyResult<(Kind, &'static str)> {
    let known = MODELS.iter().find(|(name, ..)| *name == model);
    known
        .map(|&(_, kind, product)| (kind, product))
        .ok_or_else(|| {
            let names = MODELS.map(|(name, ..)| name).join(", ");
            let message = format!("the model is '{model}'; it must be one of {names}");
            raise(py, "invalid", &message, "")
        })
}

fn name_of(kind: Kind) -> &'static str {
    let known = MODELS.iter().find(|(_, known, _)| *known == kind);
    known.map_or("", |(name, ..)| name)
}
