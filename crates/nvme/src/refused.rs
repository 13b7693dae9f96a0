//! What a refusal of the disk is as a status.

use zoned::Refusal;

use crate::Status;

/// The status of a command whose request was refused.
pub(crate) fn status(refusal: Refusal) -> Status {
    match refusal {
        Refusal::OutOfRange { .. } => Status::LBA_OUT_OF_RANGE,
        Refusal::NotZoneStart { .. } | Refusal::TooManyZones { .. } => Status::INVALID_FIELD,
        Refusal::ReadBoundary { .. } | Refusal::WriteBoundary { .. } => Status::ZONE_BOUNDARY_ERROR,
        Refusal::Unaligned { .. } => Status::ZONE_INVALID_WRITE,
        Refusal::Full { .. } => Status::ZONE_IS_FULL,
        Refusal::ReadOnly { .. } => Status::ZONE_IS_READ_ONLY,
        Refusal::Offline { .. } => Status::ZONE_IS_OFFLINE,
        Refusal::TooManyOpen { .. } => Status::TOO_MANY_OPEN_ZONES,
        Refusal::TooManyActive { .. } => Status::TOO_MANY_ACTIVE_ZONES,
        Refusal::Transition { .. } => Status::INVALID_ZONE_STATE_TRANSITION,
        // ZNS has no gap zones, and no reads that end at a write pointer.
        Refusal::NotSupported | Refusal::GapZone { .. } | Refusal::ReadUnwritten { .. } => {
            Status::INVALID_FIELD
        }
        Refusal::Unreadable { .. } => Status::UNRECOVERED_READ_ERROR,
        Refusal::Unwritable { .. } | Refusal::WriteFault { .. } | Refusal::NotStable => {
            Status::WRITE_FAULT
        }
        Refusal::Differs { .. } => Status::COMPARE_FAILURE,
        Refusal::Lost => Status::INTERNAL_ERROR,
    }
}
