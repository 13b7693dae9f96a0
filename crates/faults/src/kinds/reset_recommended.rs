//! A zone whose write pointer the disk recommends to reset: the RESET bit in REPORT ZONES, until it is reset.

use image::Disk;

use super::Fault;

pub(crate) const FAULT: Fault = Fault::OnZone {
    inflict: Disk::recommend_reset,
    sequential: true,
};
