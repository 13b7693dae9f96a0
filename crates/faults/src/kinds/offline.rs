//! A zone that can be neither read nor written: condition OFFLINE, for good.

use image::Disk;

use super::Fault;

pub(crate) const FAULT: Fault = Fault::OnZone {
    inflict: Disk::take_offline,
    sequential: false,
};
