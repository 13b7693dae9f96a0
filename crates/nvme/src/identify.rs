//! Identify (NVMe 1.4, 5.15; ZNS 1.1, 4.1.5): what controllers and namespaces are.

use zoned::{Geometry, Identity};

use crate::events::{Notice, MOST_WAITING};
use crate::logs::MOST_ERRORS;
use crate::namespace::MAX_TRANSFER;
use crate::self_tests::EXTENDED_MINUTES;

/// Length of the data.
pub(crate) const LEN: usize = 4096;

/// Command set identifiers.
pub(crate) const NVM: u8 = 0x00;
pub(crate) const ZONED: u8 = 0x02;

/// The PCI vendor: what SPDK's controllers over vfio-user say. No driver has quirks for it, as they have for QEMU's own
/// NVMe controller (1B36h), whose identifiers Linux does not believe.
pub const VENDOR: u16 = 0x4E58;

/// NVMe 1.4.
pub(crate) const VERSION: u32 = 0x0001_0400;

/// The smallest host page, and what transfers are counted in.
const PAGE: u64 = 4096;

/// The command set of a medium.
pub(crate) fn command_set(geometry: &Geometry) -> u8 {
    match geometry.appends() {
        true => ZONED,
        false => NVM,
    }
}

/// The firmware revision of an identity.
pub(crate) fn revision(identity: &Identity) -> [u8; 8] {
    text(&identity.revision)
}

/// ASCII, padded with spaces.
fn text<const LENGTH: usize>(text: &str) -> [u8; LENGTH] {
    let mut padded = [b' '; LENGTH];
    let len = text.len().min(LENGTH);
    padded[..len].copy_from_slice(&text.as_bytes()[..len]);
    padded
}

fn put(data: &mut [u8], at: usize, bytes: &[u8]) {
    data[at..at + bytes.len()].copy_from_slice(bytes);
}

/// The controller (CNS 01h), which is named as its first namespace.
pub(crate) fn controller(identity: &Identity, namespaces: u32) -> Vec<u8> {
    const FORMAT: u16 = 1 << 1;
    const SELF_TEST: u16 = 1 << 4;
    const ONE_SELF_TEST: u8 = 1;
    const DOORBELL_BUFFER: u16 = 1 << 8;
    const COMPARE: u16 = 1 << 0;
    const DATASET_MANAGEMENT: u16 = 1 << 2;
    const WRITE_ZEROES: u16 = 1 << 3;
    const RESERVATIONS: u16 = 1 << 5;
    const VERIFY: u16 = 1 << 7;
    const LONG_HOST_IDENTIFIERS: u32 = 1 << 0;
    const LOG_OF_COMMANDS: u8 = 1 << 1;
    const LONG_LOGS: u8 = 1 << 2;
    const ONE_READ_ONLY_SLOT: u8 = 0b11;
    const CRYPTOGRAPHIC_ERASE: u8 = 1 << 2;
    const WRITE_CACHE: u8 = 1 << 0;
    const FLUSH_OF_ALL: u8 = 0b11 << 1;
    const SGL: u32 = 0b01;
    const IO_CONTROLLER: u8 = 1;
    let model = format!("{} {}", identity.vendor, identity.product);
    let name = format!("nqn.2014-08.org.nvmexpress:uuid:{}", uuid(identity));
    let mut data = vec![0; LEN];
    put(&mut data, 0, &VENDOR.to_le_bytes());
    put(&mut data, 2, &VENDOR.to_le_bytes());
    put(&mut data, 4, &text::<20>(&identity.serial));
    put(&mut data, 24, &text::<40>(model.trim()));
    put(&mut data, 64, &revision(identity));
    data[77] = (MAX_TRANSFER / PAGE).ilog2() as u8;
    put(&mut data, 80, &VERSION.to_le_bytes());
    put(&mut data, 92, &Notice::ZONE_DESCRIPTORS.to_le_bytes());
    put(&mut data, 96, &LONG_HOST_IDENTIFIERS.to_le_bytes());
    data[111] = IO_CONTROLLER;
    let optional = FORMAT | SELF_TEST | DOORBELL_BUFFER;
    put(&mut data, 256, &optional.to_le_bytes());
    data[258] = 3;
    data[259] = MOST_WAITING;
    data[260] = ONE_READ_ONLY_SLOT;
    data[261] = LOG_OF_COMMANDS | LONG_LOGS;
    data[262] = MOST_ERRORS;
    // Warning and critical composite temperature, in Kelvin.
    put(&mut data, 266, &343u16.to_le_bytes());
    put(&mut data, 268, &373u16.to_le_bytes());
    put(&mut data, 316, &EXTENDED_MINUTES.to_le_bytes());
    data[318] = ONE_SELF_TEST;
    // Entries of submission and completion queues are 64 and 16 bytes long, and no other.
    data[512] = 0x66;
    data[513] = 0x44;
    put(&mut data, 516, &namespaces.to_le_bytes());
    let optional = COMPARE | DATASET_MANAGEMENT | WRITE_ZEROES | RESERVATIONS | VERIFY;
    put(&mut data, 520, &optional.to_le_bytes());
    data[524] = CRYPTOGRAPHIC_ERASE;
    data[525] = WRITE_CACHE | FLUSH_OF_ALL;
    put(&mut data, 536, &SGL.to_le_bytes());
    put(&mut data, 768, name.as_bytes());
    // One power state, in hundredths of a watt.
    put(&mut data, 2048, &1000u16.to_le_bytes());
    data
}

/// A namespace (CNS 00h), of whatever command set.
pub(crate) fn namespace(geometry: &Geometry, identity: &Identity) -> Vec<u8> {
    const DEALLOCATED_READS_ZEROES: u8 = 0b001;
    const MAY_DEALLOCATE: u8 = 1 << 3;
    /// All types, over power cycles too, and Ignore Existing Key as of NVMe 1.3.
    const ALL_OF_RESERVATIONS: u8 = 0xFF;
    let mut data = vec![0; LEN];
    let capacity = match geometry.zone_capacity {
        None => geometry.blocks,
        Some(_) => (0..geometry.zones())
            .map(|zone| geometry.span(zone))
            .map(|span| span.end - span.start)
            .sum(),
    };
    put(&mut data, 0, &geometry.blocks.to_le_bytes());
    put(&mut data, 8, &capacity.to_le_bytes());
    put(&mut data, 16, &capacity.to_le_bytes());
    data[31] = ALL_OF_RESERVATIONS;
    data[33] = DEALLOCATED_READS_ZEROES | MAY_DEALLOCATE;
    put(&mut data, 48, &geometry.to_bytes(capacity).to_le_bytes());
    put(&mut data, 104, &guid(identity));
    put(&mut data, 120, &identity.wwn.to_be_bytes());
    data[130] = geometry.block_size.ilog2() as u8;
    data
}

/// What the Zoned Namespace command set says of a namespace (CNS 05h).
pub(crate) fn zoned_namespace(geometry: &Geometry) -> Vec<u8> {
    const READS_CROSS_ZONES: u16 = 1 << 0;
    let mut data = vec![0; LEN];
    if geometry.unrestricted_reads {
        put(&mut data, 2, &READS_CROSS_ZONES.to_le_bytes());
    }
    // Counted from zero; all ones: no limit.
    for (at, limit) in [(4, geometry.max_active), (8, geometry.max_open)] {
        let most = limit.map_or(u32::MAX, |limit| limit - 1);
        put(&mut data, at, &most.to_le_bytes());
    }
    put(&mut data, 2816, &geometry.zone_blocks.to_le_bytes());
    data[2824] = (geometry.extension_bytes / 64) as u8;
    data
}

/// A list of namespaces (CNS 02h, 07h): those of these numbers that are above `after`.
pub(crate) fn list(numbers: impl Iterator<Item = u32>, after: u32) -> Vec<u8> {
    let listed = numbers.filter(|&number| number > after).take(LEN / 4);
    let mut data: Vec<u8> = listed.flat_map(u32::to_le_bytes).collect();
    data.resize(LEN, 0);
    data
}

/// How a namespace is named, and its command set (CNS 03h).
pub(crate) fn descriptors(geometry: &Geometry, identity: &Identity) -> Vec<u8> {
    const EUI_64: u8 = 1;
    const NGUID: u8 = 2;
    const COMMAND_SET: u8 = 4;
    let mut data = Vec::new();
    let mut descriptor = |kind: u8, bytes: &[u8]| {
        data.extend([kind, bytes.len() as u8, 0, 0]);
        data.extend(bytes);
    };
    descriptor(EUI_64, &identity.wwn.to_be_bytes());
    descriptor(NGUID, &guid(identity));
    descriptor(COMMAND_SET, &[command_set(geometry)]);
    data.resize(LEN, 0);
    data
}

/// The combinations of command sets (CNS 1Ch): there is one, of all that namespaces here have.
pub(crate) fn command_sets(sets: impl Iterator<Item = u8>) -> Vec<u8> {
    let vector = sets.fold(1u64 << NVM, |vector, set| vector | 1 << set);
    let mut data = vector.to_le_bytes().to_vec();
    data.resize(LEN, 0);
    data
}

/// A globally unique identifier of a WWN.
fn guid(identity: &Identity) -> [u8; 16] {
    let mut guid = [0; 16];
    guid[..8].copy_from_slice(b"zonevm\0\0");
    guid[8..].copy_from_slice(&identity.wwn.to_be_bytes());
    guid
}

/// The same as a UUID of version 8 (RFC 9562).
fn uuid(identity: &Identity) -> String {
    let mut bytes = guid(identity);
    bytes[6] = bytes[6] & 0x0F | 0x80;
    bytes[8] = bytes[8] & 0x3F | 0x80;
    let hex: Vec<String> = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    [0..4, 4..6, 6..8, 8..10, 10..16]
        .map(|part| hex[part].concat())
        .join("-")
}
