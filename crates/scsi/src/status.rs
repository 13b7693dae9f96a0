//! SCSI status codes.

/// Status codes (SAM-5, 5.3.1) that are used here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Status {
    Good = 0x00,
    /// Sense data says why.
    CheckCondition = 0x02,
    /// The logical unit cannot take the command now.
    Busy = 0x08,
    /// Another initiator has reserved the logical unit.
    ReservationConflict = 0x18,
    TaskAborted = 0x40,
}
