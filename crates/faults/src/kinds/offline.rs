//! A zone that can be neither read nor written: condition OFFLINE, for good.

use image::Disk;

use super::Fault;

pub(crate) const FAULT: Fault = Fault::OnZone(Disk::take_offline);
