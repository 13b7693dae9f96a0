//! The messages of virtio-scsi (VIRTIO 1.2, 5.6.6) as bytes. Knows no ring and no memory.

/// Length of a command's header: LUN, tag, task attribute, priority, CRN and a CDB of 32 bytes.
pub(crate) const REQUEST_LEN: usize = 51;
/// Length of a command's answer: fixed fields and 96 bytes of sense data.
pub(crate) const RESPONSE_LEN: usize = 108;
/// Length of the field for sense data.
pub(crate) const SENSE_LEN: usize = 96;

/// Response codes (5.6.6.1 and 5.6.6.2). OK and FUNCTION COMPLETE are both 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Response {
    Ok = 0,
    Overrun = 1,
    BadTarget = 3,
    Failure = 9,
    FunctionRejected = 11,
    IncorrectLun = 12,
}

/// The header of a command (`virtio_scsi_req_cmd`, its device-readable part).
pub(crate) struct Request([u8; REQUEST_LEN]);

impl Request {
    pub(crate) fn new(bytes: [u8; REQUEST_LEN]) -> Request {
        Request(bytes)
    }

    pub(crate) fn address(&self) -> Address {
        Address::parse(self.0[..8].try_into().expect("8 bytes"))
    }

    pub(crate) fn cdb(&self) -> &[u8] {
        &self.0[19..]
    }

    /// A READ or WRITE without FUA.
    pub(crate) fn is_plain_read_or_write(&self) -> bool {
        let cdb = self.cdb();
        match cdb[0] {
            0x08 | 0x0a => true,
            0x28 | 0x2a | 0x88 | 0x8a | 0xa8 | 0xaa => cdb[1] & 0x08 == 0,
            _ => false,
        }
    }
}

/// Encodes a command's answer (`virtio_scsi_req_cmd`, its device-writable part).
pub(crate) fn response(
    response: Response,
    status: u8,
    sense: &[u8],
    residual: u32,
) -> [u8; RESPONSE_LEN] {
    let mut bytes = [0; RESPONSE_LEN];
    let sense = &sense[..sense.len().min(SENSE_LEN)];
    bytes[0..4].copy_from_slice(&(sense.len() as u32).to_le_bytes());
    bytes[4..8].copy_from_slice(&residual.to_le_bytes());
    bytes[10] = status;
    bytes[11] = response as u8;
    bytes[12..12 + sense.len()].copy_from_slice(sense);
    bytes
}

/// Whom a command or a task management function is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Address {
    /// Logical unit of target 0, by number; it may be absent.
    Unit(u16),
    /// The REPORT LUNS well-known logical unit.
    WellKnown,
    /// Target 0, but no single-level LUN structure.
    NoUnit,
    /// Not target 0.
    NoTarget,
}

impl Address {
    /// Reads the LUN field: byte 0 is 1, byte 1 the target, bytes 2 and 3 a single-level LUN structure of
    /// the peripheral (00b) or flat space (01b) method, the rest 0; `C1 01` is REPORT LUNS (VIRTIO 1.2, 5.6.6.1).
    pub(crate) fn parse(lun: [u8; 8]) -> Address {
        match lun {
            [0xc1, 0x01, 0, 0, 0, 0, 0, 0] => Address::WellKnown,
            [1, 0, 0, low, 0, 0, 0, 0] => Address::Unit(u16::from(low)),
            [1, 0, high @ 0x40..=0x7f, low, 0, 0, 0, 0] => {
                Address::Unit(u16::from_be_bytes([high & 0x3f, low]))
            }
            [1, 0, ..] => Address::NoUnit,
            _ => Address::NoTarget,
        }
    }
}

/// A request on the control queue.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Control {
    /// Task management function: its number and the logical unit.
    Task { function: u32, address: Address },
    /// Asynchronous notification, query or subscription.
    Notification { address: Address },
}

impl Control {
    /// The longest control request.
    pub(crate) const MAX_LEN: usize = 24;

    /// Reads a control request; `None` if it is cut short or of no known type.
    pub(crate) fn parse(bytes: &[u8]) -> Option<Control> {
        let word = |at: usize| {
            let bytes = bytes.get(at..at + 4)?;
            Some(u32::from_le_bytes(bytes.try_into().expect("4 bytes")))
        };
        let address = |at: usize| {
            let bytes = bytes.get(at..at + 8)?;
            Some(Address::parse(bytes.try_into().expect("8 bytes")))
        };
        match word(0)? {
            0 if bytes.len() >= 24 => Some(Control::Task {
                function: word(4)?,
                address: address(8)?,
            }),
            1 | 2 if bytes.len() >= 16 => Some(Control::Notification {
                address: address(4)?,
            }),
            _ => None,
        }
    }
}

/// Task management functions (5.6.6.2).
pub(crate) mod task {
    pub(crate) const ABORT_TASK: u32 = 0;
    pub(crate) const ABORT_TASK_SET: u32 = 1;
    pub(crate) const CLEAR_TASK_SET: u32 = 3;
    pub(crate) const I_T_NEXUS_RESET: u32 = 4;
    pub(crate) const LOGICAL_UNIT_RESET: u32 = 5;
    pub(crate) const QUERY_TASK: u32 = 6;
    pub(crate) const QUERY_TASK_SET: u32 = 7;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lun_addresses() {
        let parse = |a: u8, b: u8, c: u8, d: u8| Address::parse([a, b, c, d, 0, 0, 0, 0]);
        assert_eq!(parse(1, 0, 0x40, 0), Address::Unit(0));
        assert_eq!(parse(1, 0, 0x41, 2), Address::Unit(0x102));
        assert_eq!(parse(1, 0, 0, 7), Address::Unit(7));
        assert_eq!(parse(1, 0, 1, 7), Address::NoUnit);
        assert_eq!(parse(1, 0, 0xc0, 7), Address::NoUnit);
        assert_eq!(parse(1, 1, 0x40, 0), Address::NoTarget);
        assert_eq!(parse(0, 0, 0, 0), Address::NoTarget);
        assert_eq!(parse(0xc1, 1, 0, 0), Address::WellKnown);
        assert_eq!(Address::parse([1, 0, 0x40, 0, 0, 0, 0, 1]), Address::NoUnit);
    }

    #[test]
    fn sense_longer_than_its_field_is_cut() {
        let bytes = response(Response::Ok, 2, &[7; 200], 3);
        assert_eq!(bytes[0], 96);
        assert_eq!(bytes[107], 7);
    }

    #[test]
    fn control_requests_cut_short_are_refused() {
        let mut bytes = [0; Control::MAX_LEN];
        assert!(Control::parse(&bytes).is_some());
        assert!(Control::parse(&bytes[..23]).is_none());
        bytes[0] = 2;
        assert!(Control::parse(&bytes[..16]).is_some());
        assert!(Control::parse(&bytes[..15]).is_none());
        bytes[0] = 3;
        assert!(Control::parse(&bytes).is_none());
        assert!(Control::parse(&[]).is_none());
    }
}
