//! A controller with a small zoned namespace in memory.

use std::sync::Arc;

use memory::Scatter;
use nvme::{Attached, Controller, Limits, Namespace};
use vfio_user_nvme::NvmeDevice;
use zoned::testing::RamDisk;
use zoned::{Geometry, Identity, Kind};

pub const QUEUES: u16 = 2;

pub fn new() -> NvmeDevice {
    let disk = Arc::new(RamDisk::<Scatter>::new(Geometry {
        kind: Kind::Zns,
        block_size: 512,
        blocks: 1 << 10,
        zone_blocks: 1 << 6,
        zone_capacity: Some(48),
        conventional_zones: 0,
        max_open: Some(3),
        max_active: Some(5),
        unrestricted_reads: false,
        extension_bytes: 64,
    }));
    let namespace = Arc::new(Namespace::new(disk));
    let attached = Attached {
        unit: namespace.clone(),
        namespace,
        identity: Identity {
            vendor: "ZONEVM".into(),
            product: "FUZZ".into(),
            revision: "1".into(),
            serial: "1".into(),
            wwn: 3 << 60,
        },
    };
    let limits = Limits {
        queues: QUEUES,
        vectors: QUEUES + 1,
    };
    NvmeDevice::new(
        Controller::new(vec![attached], limits),
        limits,
        Arc::default(),
    )
}
