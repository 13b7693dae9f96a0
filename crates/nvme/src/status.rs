//! Status codes (NVMe 1.4, 4.6.1; ZNS 1.1, 4.1.1).

use command::Outcome;

/// Why a command failed: the status field of a completion queue entry without the phase tag, which is the status code, the
/// status code type from bit 8 on, and DNR in bit 14.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Status(u16);

/// Do Not Retry: the same command would fail again.
const DO_NOT_RETRY: u16 = 1 << 14;

/// Status code types.
const GENERIC: u16 = 0 << 8;
const COMMAND_SPECIFIC: u16 = 1 << 8;
const MEDIA: u16 = 2 << 8;

impl Status {
    pub const INVALID_OPCODE: Status = Status::for_good(GENERIC | 0x01);
    pub const INVALID_FIELD: Status = Status::for_good(GENERIC | 0x02);
    pub const DATA_TRANSFER_ERROR: Status = Status(GENERIC | 0x04);
    pub const INTERNAL_ERROR: Status = Status(GENERIC | 0x06);
    pub const ABORT_REQUESTED: Status = Status(GENERIC | 0x07);
    pub const INVALID_NAMESPACE: Status = Status::for_good(GENERIC | 0x0B);
    pub const COMMAND_SEQUENCE_ERROR: Status = Status::for_good(GENERIC | 0x0C);
    pub const INVALID_SGL_SEGMENT_DESCRIPTOR: Status = Status::for_good(GENERIC | 0x0D);
    pub const INVALID_NUMBER_OF_SGL_DESCRIPTORS: Status = Status::for_good(GENERIC | 0x0E);
    pub const DATA_SGL_LENGTH_INVALID: Status = Status::for_good(GENERIC | 0x0F);
    pub const SGL_DESCRIPTOR_TYPE_INVALID: Status = Status::for_good(GENERIC | 0x11);
    pub const INVALID_PRP_OFFSET: Status = Status::for_good(GENERIC | 0x13);
    pub const HOST_IDENTIFIER_INCONSISTENT_FORMAT: Status = Status::for_good(GENERIC | 0x18);
    pub const LBA_OUT_OF_RANGE: Status = Status::for_good(GENERIC | 0x80);
    pub const NOT_READY: Status = Status(GENERIC | 0x82);
    pub const RESERVATION_CONFLICT: Status = Status::for_good(GENERIC | 0x83);
    pub const COMPLETION_QUEUE_INVALID: Status = Status::for_good(COMMAND_SPECIFIC);
    pub const INVALID_QUEUE_IDENTIFIER: Status = Status::for_good(COMMAND_SPECIFIC | 0x01);
    pub const INVALID_QUEUE_SIZE: Status = Status::for_good(COMMAND_SPECIFIC | 0x02);
    pub const EVENT_REQUEST_LIMIT_EXCEEDED: Status = Status::for_good(COMMAND_SPECIFIC | 0x05);
    pub const INVALID_INTERRUPT_VECTOR: Status = Status::for_good(COMMAND_SPECIFIC | 0x08);
    pub const INVALID_LOG_PAGE: Status = Status::for_good(COMMAND_SPECIFIC | 0x09);
    pub const INVALID_FORMAT: Status = Status::for_good(COMMAND_SPECIFIC | 0x0A);
    pub const INVALID_QUEUE_DELETION: Status = Status::for_good(COMMAND_SPECIFIC | 0x0C);
    pub const FEATURE_NOT_SAVEABLE: Status = Status::for_good(COMMAND_SPECIFIC | 0x0D);
    pub const FEATURE_NOT_CHANGEABLE: Status = Status::for_good(COMMAND_SPECIFIC | 0x0E);
    pub const SELF_TEST_IN_PROGRESS: Status = Status(COMMAND_SPECIFIC | 0x1D);
    pub const COMMAND_SETS_REJECTED: Status = Status::for_good(COMMAND_SPECIFIC | 0x2B);
    pub const ZONE_BOUNDARY_ERROR: Status = Status::for_good(COMMAND_SPECIFIC | 0xB8);
    pub const ZONE_IS_FULL: Status = Status::for_good(COMMAND_SPECIFIC | 0xB9);
    pub const ZONE_IS_READ_ONLY: Status = Status::for_good(COMMAND_SPECIFIC | 0xBA);
    pub const ZONE_IS_OFFLINE: Status = Status::for_good(COMMAND_SPECIFIC | 0xBB);
    pub const ZONE_INVALID_WRITE: Status = Status::for_good(COMMAND_SPECIFIC | 0xBC);
    pub const TOO_MANY_ACTIVE_ZONES: Status = Status::for_good(COMMAND_SPECIFIC | 0xBD);
    pub const TOO_MANY_OPEN_ZONES: Status = Status::for_good(COMMAND_SPECIFIC | 0xBE);
    pub const INVALID_ZONE_STATE_TRANSITION: Status = Status::for_good(COMMAND_SPECIFIC | 0xBF);
    pub const WRITE_FAULT: Status = Status(MEDIA | 0x80);
    pub const UNRECOVERED_READ_ERROR: Status = Status(MEDIA | 0x81);
    pub const COMPARE_FAILURE: Status = Status::for_good(MEDIA | 0x85);

    const fn for_good(code: u16) -> Status {
        Status(code | DO_NOT_RETRY)
    }

    /// By status code and type, as [`Self::code`] has them.
    pub const fn new(code: u16) -> Status {
        Status(code)
    }

    /// Status code, and status code type from bit 8 on.
    pub const fn code(self) -> u16 {
        self.0 & 0x07FF
    }

    /// A command that failed so.
    pub fn outcome(self) -> Outcome {
        Outcome {
            status: self.0,
            ..Outcome::default()
        }
    }
}
