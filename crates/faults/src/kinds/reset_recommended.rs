//! A zone whose write pointer the disk recommends to reset: the RESET bit in REPORT ZONES, until it is reset.

use super::Fault;

pub(crate) const FAULT: Fault = Fault::OnZone(|disk, zones| {
    zones.for_each(|zone| disk.recommend_reset(zone));
    Ok(())
});
