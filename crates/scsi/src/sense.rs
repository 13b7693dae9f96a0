//! Sense data: why a command failed (SPC-5, 4.4), and its two formats on the wire.

use command::Outcome;

use crate::background::{Task, Work};
use crate::Status;

const NO_SENSE: u8 = 0x0;
const NOT_READY: u8 = 0x2;
const MEDIUM_ERROR: u8 = 0x3;
const HARDWARE_ERROR: u8 = 0x4;
const ILLEGAL_REQUEST: u8 = 0x5;
const UNIT_ATTENTION: u8 = 0x6;
const DATA_PROTECT: u8 = 0x7;
const ABORTED_COMMAND: u8 = 0xB;
const MISCOMPARE: u8 = 0xE;

/// Why a command failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Sense {
    key: u8,
    /// ADDITIONAL SENSE CODE and QUALIFIER.
    code: u16,
    detail: Detail,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Detail {
    None,
    /// The INFORMATION field: an LBA.
    Information(u64),
    /// Field pointer sense key specific data: the byte, and the highest bit, of the field in error.
    Field {
        in_cdb: bool,
        byte: u16,
        bit: Option<u8>,
    },
    /// Progress indication sense key specific data.
    Progress(u16),
}

impl Sense {
    /// MEDIUM FORMAT CORRUPTED: a format did not end.
    pub const FORMAT_CORRUPTED: Sense = Sense::new(MEDIUM_ERROR, 0x3100);
    pub const FORMAT_FAILED: Sense = Sense::new(MEDIUM_ERROR, 0x3101);
    pub const SANITIZE_FAILED: Sense = Sense::new(MEDIUM_ERROR, 0x3103);
    /// LOGICAL UNIT FAILED SELF-TEST.
    pub const FAILED_SELF_TEST: Sense = Sense::new(HARDWARE_ERROR, 0x3E03);
    pub const NONE: Sense = Sense::new(NO_SENSE, 0x0000);
    /// INITIALIZING COMMAND REQUIRED: the unit was stopped.
    pub const STOPPED: Sense = Sense::new(NOT_READY, 0x0402);
    /// PERIPHERAL DEVICE WRITE FAULT.
    pub const WRITE_FAULT: Sense = Sense::new(MEDIUM_ERROR, 0x0300);
    pub const WRITE_ERROR: Sense = Sense::new(MEDIUM_ERROR, 0x0C00);
    pub const READ_ERROR: Sense = Sense::new(MEDIUM_ERROR, 0x1100);
    pub const MISCOMPARE: Sense = Sense::new(MISCOMPARE, 0x1D00);
    /// INTERNAL TARGET FAILURE.
    pub const TARGET_FAILURE: Sense = Sense::new(HARDWARE_ERROR, 0x4400);
    /// FAILURE PREDICTION THRESHOLD EXCEEDED (FALSE).
    pub const FAILURE_PREDICTION_FALSE: Sense = Sense::new(NO_SENSE, 0x5DFF);
    pub const ABORTED: Sense = Sense::new(ABORTED_COMMAND, 0x0000);
    pub const NO_LOGICAL_UNIT: Sense = Sense::new(ILLEGAL_REQUEST, 0x2500);
    pub const PARAMETER_LIST_LENGTH: Sense = Sense::new(ILLEGAL_REQUEST, 0x1A00);
    pub const UNKNOWN_OPERATION_CODE: Sense = Sense::new(ILLEGAL_REQUEST, 0x2000);
    pub const LBA_OUT_OF_RANGE: Sense = Sense::new(ILLEGAL_REQUEST, 0x2100);
    pub const UNALIGNED_WRITE: Sense = Sense::new(ILLEGAL_REQUEST, 0x2104);
    pub const WRITE_BOUNDARY: Sense = Sense::new(ILLEGAL_REQUEST, 0x2105);
    /// ATTEMPT TO READ INVALID DATA.
    pub const READ_INVALID_DATA: Sense = Sense::new(ILLEGAL_REQUEST, 0x2106);
    pub const READ_BOUNDARY: Sense = Sense::new(ILLEGAL_REQUEST, 0x2107);
    /// ATTEMPT TO ACCESS GAP ZONE.
    pub const GAP_ZONE: Sense = Sense::new(ILLEGAL_REQUEST, 0x2109);
    /// INVALID RELEASE OF PERSISTENT RESERVATION.
    pub const INVALID_RELEASE: Sense = Sense::new(ILLEGAL_REQUEST, 0x2604);
    pub const COMMAND_SEQUENCE_ERROR: Sense = Sense::new(ILLEGAL_REQUEST, 0x2C00);
    pub const INSUFFICIENT_REGISTRATION_RESOURCES: Sense = Sense::new(ILLEGAL_REQUEST, 0x5504);
    pub const POWER_ON: Sense = Sense::new(UNIT_ATTENTION, 0x2900);
    /// BUS DEVICE RESET FUNCTION OCCURRED.
    pub const RESET: Sense = Sense::new(UNIT_ATTENTION, 0x2903);
    pub const MODE_PARAMETERS_CHANGED: Sense = Sense::attention(0x2A01);
    pub const LOG_PARAMETERS_CHANGED: Sense = Sense::attention(0x2A02);
    pub const RESERVATIONS_PREEMPTED: Sense = Sense::attention(0x2A03);
    pub const RESERVATIONS_RELEASED: Sense = Sense::attention(0x2A04);
    pub const REGISTRATIONS_PREEMPTED: Sense = Sense::attention(0x2A05);
    pub const TIMESTAMP_CHANGED: Sense = Sense::attention(0x2A10);
    /// LOGICAL UNIT SOFTWARE WRITE PROTECTED.
    pub const WRITE_PROTECTED: Sense = Sense::new(DATA_PROTECT, 0x2702);
    pub const ZONE_READ_ONLY: Sense = Sense::new(DATA_PROTECT, 0x2708);
    pub const ZONE_OFFLINE: Sense = Sense::new(DATA_PROTECT, 0x2C0E);
    pub const INSUFFICIENT_ZONE_RESOURCES: Sense = Sense::new(DATA_PROTECT, 0x550E);

    pub const fn new(key: u8, code: u16) -> Sense {
        Sense {
            key,
            code,
            detail: Detail::None,
        }
    }

    /// What an initiator has to know, by additional sense code and qualifier.
    pub const fn attention(code: u16) -> Sense {
        Sense::new(UNIT_ATTENTION, code)
    }

    /// A low power condition, by its additional sense code qualifier.
    pub const fn low_power(qualifier: u8) -> Sense {
        Sense::new(NO_SENSE, 0x5E00 | qualifier as u16)
    }

    /// LOGICAL UNIT NOT READY, for this is in progress, and how far it is.
    pub fn in_progress(task: &Task) -> Sense {
        let code = match task.work() {
            Work::Format => 0x0404,
            Work::Test(_) => 0x0409,
            Work::Sanitize => 0x041B,
        };
        Sense {
            detail: Detail::Progress(task.progress()),
            ..Sense::new(NOT_READY, code)
        }
    }

    /// INVALID FIELD IN CDB: the field that starts at `byte`, as a whole.
    pub const fn cdb_field(byte: u16) -> Sense {
        Sense {
            key: ILLEGAL_REQUEST,
            code: 0x2400,
            detail: Detail::Field {
                in_cdb: true,
                byte,
                bit: None,
            },
        }
    }

    /// INVALID FIELD IN CDB: the field whose highest bit is `bit` of `byte`.
    pub const fn cdb_bit(byte: u16, bit: u8) -> Sense {
        Sense {
            key: ILLEGAL_REQUEST,
            code: 0x2400,
            detail: Detail::Field {
                in_cdb: true,
                byte,
                bit: Some(bit),
            },
        }
    }

    /// INVALID FIELD IN PARAMETER LIST: the field at `byte` of the data-out buffer.
    pub const fn parameter_field(byte: u16) -> Sense {
        Sense {
            key: ILLEGAL_REQUEST,
            code: 0x2600,
            detail: Detail::Field {
                in_cdb: false,
                byte,
                bit: None,
            },
        }
    }

    /// The same, at this LBA.
    pub const fn at(self, lba: u64) -> Sense {
        Sense {
            detail: Detail::Information(lba),
            ..self
        }
    }

    /// Whether sense data, of either format, are INSUFFICIENT ZONE RESOURCES.
    pub fn is_lack_of_zones(data: &[u8]) -> bool {
        let at = match data.first().map(|code| code & 0x7F) {
            Some(0x70) => 12,
            Some(0x72) => 2,
            _ => return false,
        };
        data.get(at..at + 2) == Some(&Self::INSUFFICIENT_ZONE_RESOURCES.code()[..])
    }

    /// ADDITIONAL SENSE CODE and QUALIFIER.
    pub const fn code(&self) -> [u8; 2] {
        self.code.to_be_bytes()
    }

    /// CHECK CONDITION with this sense data.
    pub fn outcome(&self, descriptor_format: bool) -> Outcome {
        Outcome {
            status: Status::CheckCondition as u16,
            sense: self.encode(descriptor_format),
            ..Outcome::default()
        }
    }

    pub fn encode(&self, descriptor_format: bool) -> Vec<u8> {
        if descriptor_format {
            self.descriptor()
        } else {
            self.fixed()
        }
    }

    /// Current information, fixed format (SPC-5, 4.4.3). An LBA of more than 32 bits does not fit.
    fn fixed(&self) -> Vec<u8> {
        let mut sense = vec![0; 18];
        sense[0] = 0x70;
        sense[2] = self.key;
        sense[7] = 10;
        sense[12..14].copy_from_slice(&self.code.to_be_bytes());
        match self.detail {
            Detail::None => {}
            Detail::Information(lba) => {
                if let Ok(lba) = u32::try_from(lba) {
                    sense[0] |= 0x80;
                    sense[3..7].copy_from_slice(&lba.to_be_bytes());
                }
            }
            Detail::Field { in_cdb, byte, bit } => {
                sense[15..18].copy_from_slice(&field_pointer(in_cdb, byte, bit));
            }
            Detail::Progress(progress) => {
                sense[15] = 0x80;
                sense[16..18].copy_from_slice(&progress.to_be_bytes());
            }
        }
        sense
    }

    /// Current information, descriptor format (SPC-5, 4.4.2).
    fn descriptor(&self) -> Vec<u8> {
        let mut sense = vec![0x72, self.key];
        sense.extend(self.code.to_be_bytes());
        sense.extend([0; 4]);
        match self.detail {
            Detail::None => {}
            Detail::Information(lba) => {
                sense.extend([0x00, 0x0A, 0x80, 0x00]);
                sense.extend(lba.to_be_bytes());
            }
            Detail::Field { in_cdb, byte, bit } => {
                sense.extend([0x02, 0x06, 0x00, 0x00]);
                sense.extend(field_pointer(in_cdb, byte, bit));
                sense.push(0);
            }
            Detail::Progress(progress) => {
                sense.extend([0x02, 0x06, 0x00, 0x00, 0x80]);
                sense.extend(progress.to_be_bytes());
                sense.push(0);
            }
        }
        sense[7] = (sense.len() - 8) as u8;
        sense
    }
}

/// Sense key specific data of ILLEGAL REQUEST (SPC-5, 4.4.2.4.2): SKSV, C/D, BPV, bit pointer, field pointer.
fn field_pointer(in_cdb: bool, byte: u16, bit: Option<u8>) -> [u8; 3] {
    let [high, low] = byte.to_be_bytes();
    let bit = bit.map_or(0, |bit| 0x08 | bit);
    [0x80 | u8::from(in_cdb) << 6 | bit, high, low]
}

/// Fixed format sense data of this key, additional sense code and qualifier.
pub fn fixed_sense(key: u8, code: u16) -> Vec<u8> {
    Sense::new(key, code).encode(false)
}
