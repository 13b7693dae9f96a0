//! A zone that can be written no more: condition READ ONLY, for good.

use image::Disk;

use super::Fault;

pub(crate) const FAULT: Fault = Fault::OnZone(Disk::make_read_only);
