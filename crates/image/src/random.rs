//! Random names, for what must differ from everything else.

use rustix::rand::{getrandom, GetRandomFlags};
use zoned::Identity;

/// Up to 256 random bytes.
pub(crate) fn bytes<const N: usize>() -> [u8; N] {
    let mut bytes = [0; N];
    getrandom(&mut bytes[..], GetRandomFlags::empty())
        .expect("the kernel has random numbers, and gives up to 256 bytes at once");
    bytes
}

/// A random UUID (RFC 9562, version 4).
pub(crate) fn uuid() -> [u8; 16] {
    let mut uuid = bytes::<16>();
    uuid[6] = uuid[6] & 0x0f | 0x40;
    uuid[8] = uuid[8] & 0x3f | 0x80;
    uuid
}

/// zonevm's vendor, product and revision with a random serial number and WWN.
pub fn identity() -> Identity {
    const LOCALLY_ASSIGNED: u64 = 3 << 60;
    let [serial, wwn] = [(); 2].map(|()| u64::from_ne_bytes(bytes()));
    Identity {
        vendor: "ZONEVM".to_owned(),
        product: "SMR DISK".to_owned(),
        revision: "1".to_owned(),
        serial: format!("{serial:016X}"),
        wwn: LOCALLY_ASSIGNED | wwn >> 4,
    }
}
