//! What a refusal of the disk is as sense data.

use zoned::Refusal;

use crate::sense::Sense;

/// Where READ, WRITE and ZBC OUT have their LBA or ZONE ID, and where ZBC OUT has its ZONE COUNT.
const LBA: u16 = 2;
const ZONE_COUNT: u16 = 12;

/// The sense data of a command whose request was refused.
pub(crate) fn sense(refusal: Refusal) -> Sense {
    match refusal {
        Refusal::OutOfRange { lba } => Sense::LBA_OUT_OF_RANGE.at(lba),
        Refusal::GapZone { .. } => Sense::GAP_ZONE,
        Refusal::NotZoneStart { .. } | Refusal::Full { .. } => Sense::cdb_field(LBA),
        Refusal::TooManyZones { .. } => Sense::cdb_field(ZONE_COUNT),
        Refusal::ReadBoundary { .. } => Sense::READ_BOUNDARY,
        Refusal::ReadUnwritten { .. } => Sense::READ_INVALID_DATA,
        Refusal::Unaligned { .. } => Sense::UNALIGNED_WRITE,
        Refusal::WriteBoundary { .. } => Sense::WRITE_BOUNDARY,
        Refusal::ReadOnly { .. } => Sense::ZONE_READ_ONLY,
        Refusal::Offline { .. } => Sense::ZONE_OFFLINE,
        Refusal::TooManyOpen { .. } | Refusal::TooManyActive { .. } => {
            Sense::INSUFFICIENT_ZONE_RESOURCES
        }
        // ZBC refuses no transition, and has no request that a disk would not support.
        Refusal::Transition { .. } | Refusal::NotSupported => Sense::UNKNOWN_OPERATION_CODE,
        Refusal::Unreadable { lba } => Sense::READ_ERROR.at(lba),
        Refusal::Unwritable { lba } => Sense::WRITE_ERROR.at(lba),
        Refusal::WriteFault { lba } => Sense::WRITE_FAULT.at(lba),
        Refusal::Differs { lba } => Sense::MISCOMPARE.at(lba),
        Refusal::NotStable => Sense::WRITE_ERROR,
        Refusal::Lost => Sense::TARGET_FAILURE,
    }
}
