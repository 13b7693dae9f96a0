//! The messages of virtio-scsi (VIRTIO 1.2, 5.6.6) as bytes. Knows no ring and no memory.

use scsi::Address;

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
    Aborted = 2,
    BadTarget = 3,
    Reset = 4,
    Failure = 9,
    /// The task that was asked for is there.
    FunctionSucceeded = 10,
    FunctionRejected = 11,
    IncorrectLun = 12,
}

/// The header of a command (`virtio_scsi_req_cmd`, its device-readable part).
pub(crate) struct Request([u8; REQUEST_LEN]);

impl Request {
    pub(crate) fn new(bytes: [u8; REQUEST_LEN]) -> Request {
        Request(bytes)
    }

    /// What of target 0 it is for; `None`: of another.
    pub(crate) fn address(&self) -> Option<Address> {
        address(self.0[..8].try_into().expect("8 bytes"))
    }

    pub(crate) fn tag(&self) -> u64 {
        u64::from_le_bytes(self.0[8..16].try_into().expect("8 bytes"))
    }

    pub(crate) fn cdb(&self) -> &[u8] {
        &self.0[19..]
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

/// Reads a LUN field: byte 0 is 1, byte 1 the target, bytes 2 and 3 a single-level LUN structure of the peripheral (00b)
/// or flat space (01b) method, the rest 0; `C1 01` is REPORT LUNS (VIRTIO 1.2, 5.6.6.1). `None`: not target 0.
pub(crate) fn address(lun: [u8; 8]) -> Option<Address> {
    match lun {
        [0xc1, 0x01, 0, 0, 0, 0, 0, 0] => Some(Address::WellKnown),
        [1, 0, 0, low, 0, 0, 0, 0] => Some(Address::Unit(u16::from(low))),
        [1, 0, high @ 0x40..=0x7f, low, 0, 0, 0, 0] => {
            Some(Address::Unit(u16::from_be_bytes([high & 0x3f, low])))
        }
        [1, 0, ..] => Some(Address::NoUnit),
        _ => None,
    }
}

/// A request on the control queue.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Control {
    /// Task management function: its number, the logical unit, and the task's tag.
    Task {
        function: u32,
        address: Option<Address>,
        tag: u64,
    },
    /// Asynchronous notification, query or subscription.
    Notification { address: Option<Address> },
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
        let field = |at: usize| -> Option<[u8; 8]> {
            let bytes = bytes.get(at..at + 8)?;
            Some(bytes.try_into().expect("8 bytes"))
        };
        match word(0)? {
            0 if bytes.len() >= 24 => Some(Control::Task {
                function: word(4)?,
                address: address(field(8)?),
                tag: u64::from_le_bytes(field(16)?),
            }),
            1 | 2 if bytes.len() >= 16 => Some(Control::Notification {
                address: address(field(4)?),
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
        let parse = |a: u8, b: u8, c: u8, d: u8| address([a, b, c, d, 0, 0, 0, 0]);
        assert_eq!(parse(1, 0, 0x40, 0), Some(Address::Unit(0)));
        assert_eq!(parse(1, 0, 0x41, 2), Some(Address::Unit(0x102)));
        assert_eq!(parse(1, 0, 0, 7), Some(Address::Unit(7)));
        assert_eq!(parse(1, 0, 1, 7), Some(Address::NoUnit));
        assert_eq!(parse(1, 0, 0xc0, 7), Some(Address::NoUnit));
        assert_eq!(parse(1, 1, 0x40, 0), None);
        assert_eq!(parse(0, 0, 0, 0), None);
        assert_eq!(parse(0xc1, 1, 0, 0), Some(Address::WellKnown));
        assert_eq!(address([1, 0, 0x40, 0, 0, 0, 0, 1]), Some(Address::NoUnit));
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
