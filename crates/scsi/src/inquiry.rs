//! INQUIRY (SPC-5, 6.7) and the vital product data pages.

use zoned::Identity;

use crate::answer::{Answer, Context, Reply};
use crate::block::MAX_TRANSFER;
use crate::self_test::EXTENDED;
use crate::sense::Sense;

/// Peripheral device types (SPC-5): direct access block device, which a host-aware disk is; and host-managed zoned
/// block device.
const DIRECT_ACCESS: u8 = 0x00;
const HOST_MANAGED: u8 = 0x14;
/// Version: SPC-5.
const SPC_5: u8 = 0x07;
/// SAM-5, SPC-5, SBC-4 and ZBC, no version claimed.
const VERSION_DESCRIPTORS: [u16; 4] = [0x00A0, 0x05C0, 0x0600, 0x0620];
/// A field that is not reported, or has no limit.
const NOT_REPORTED: u32 = u32::MAX;

/// A vital product data page: its code, and what follows the page length.
type Page = (u8, fn(&Context<'_>) -> Vec<u8>);

/// All pages, by code.
const PAGES: &[Page] = &[
    (0x00, supported_pages),
    (0x80, unit_serial_number),
    (0x83, device_identification),
    (0x86, extended_inquiry),
    (0x87, mode_page_policy),
    (0xB0, block_limits),
    (0xB1, block_device_characteristics),
    (0xB6, zoned_block_device_characteristics),
];

/// INQUIRY.
pub(crate) fn inquiry(context: &Context<'_>) -> Answer {
    let vital_product_data = context.cdb.bit(1, 0);
    let code = context.cdb.byte(2);
    let data = if vital_product_data {
        let page = PAGES.iter().find(|page| page.0 == code);
        let (_, body) = page.ok_or(Sense::cdb_field(2))?;
        let body = body(context);
        let mut data = vec![device_type(context), code];
        data.extend((body.len() as u16).to_be_bytes());
        data.extend(body);
        data
    } else if code == 0 {
        standard(context)
    } else {
        return Err(Sense::cdb_field(2));
    };
    Reply::cut(data, context.cdb.be16(3))
}

fn device_type(context: &Context<'_>) -> u8 {
    if context.geometry.writes_anywhere() {
        DIRECT_ACCESS
    } else {
        HOST_MANAGED
    }
}

/// Standard INQUIRY data.
fn standard(context: &Context<'_>) -> Vec<u8> {
    const HISUP: u8 = 0x10;
    const CMDQUE: u8 = 0x02;
    let mut data = vec![0; 96];
    data[0] = device_type(context);
    data[2] = SPC_5;
    data[3] = HISUP | 2;
    data[4] = 96 - 5;
    data[7] = CMDQUE;
    data[8..36].copy_from_slice(&names(context.identity));
    for (at, version) in VERSION_DESCRIPTORS.into_iter().enumerate() {
        data[58 + 2 * at..60 + 2 * at].copy_from_slice(&version.to_be_bytes());
    }
    data
}

/// Vendor, product and revision.
fn names(identity: &Identity) -> [u8; 28] {
    let mut names = [b' '; 28];
    let fields = [
        (0, &identity.vendor),
        (8, &identity.product),
        (24, &identity.revision),
    ];
    for (at, name) in fields {
        names[at..at + name.len()].copy_from_slice(name.as_bytes());
    }
    names
}

fn supported_pages(_: &Context<'_>) -> Vec<u8> {
    PAGES.iter().map(|page| page.0).collect()
}

fn unit_serial_number(context: &Context<'_>) -> Vec<u8> {
    context.identity.serial.as_bytes().to_vec()
}

/// The WWN as NAA and as SCSI name string, and the T10 vendor name (SPC-5, 7.7.6).
fn device_identification(context: &Context<'_>) -> Vec<u8> {
    const BINARY: u8 = 1;
    const ASCII: u8 = 2;
    const UTF_8: u8 = 3;
    const T10_VENDOR: u8 = 1;
    const NAA: u8 = 3;
    const SCSI_NAME: u8 = 8;
    let identity = context.identity;
    let mut vendor = names(identity)[..24].to_vec();
    vendor.extend(identity.serial.as_bytes());
    let mut name = format!("naa.{:016X}", identity.wwn).into_bytes();
    name.resize(24, 0);

    let mut data = Vec::new();
    let mut designator = |code_set, kind, bytes: &[u8]| {
        data.extend([code_set, kind, 0, bytes.len() as u8]);
        data.extend(bytes);
    };
    designator(BINARY, NAA, &identity.wwn.to_be_bytes());
    designator(ASCII, T10_VENDOR, &vendor);
    designator(UTF_8, SCSI_NAME, &name);
    data
}

/// SPC-5, 7.7.7: simple tasks, a volatile write cache, and the minutes of an extended self-test.
fn extended_inquiry(_: &Context<'_>) -> Vec<u8> {
    const SIMPSUP: u8 = 0x01;
    const V_SUP: u8 = 0x01;
    let mut page = vec![0; 0x3C];
    page[1] = SIMPSUP;
    page[2] = V_SUP;
    page[7] = EXTENDED.as_secs().div_ceil(60) as u8;
    page
}

/// SPC-5, 7.7.11: all mode pages are shared by all who use the logical unit.
fn mode_page_policy(_: &Context<'_>) -> Vec<u8> {
    const ALL_PAGES: u8 = 0x3F;
    const ALL_SUBPAGES: u8 = 0xFF;
    const SHARED: u8 = 0b00;
    vec![ALL_PAGES, ALL_SUBPAGES, SHARED, 0]
}

/// SBC-4, 6.6.4.
fn block_limits(context: &Context<'_>) -> Vec<u8> {
    const WSNZ: u8 = 0x01;
    let most = MAX_TRANSFER / context.geometry.block_size;
    let mut page = vec![0; 0x3C];
    page[0] = WSNZ;
    page[2..4].copy_from_slice(&(context.geometry.physical_blocks() as u16).to_be_bytes());
    page[4..8].copy_from_slice(&most.to_be_bytes());
    page[32..40].copy_from_slice(&u64::from(most).to_be_bytes());
    page
}

/// SBC-4, 6.6.2. ZONED says that a disk is host-aware; that it is host-managed, the peripheral device type says.
fn block_device_characteristics(context: &Context<'_>) -> Vec<u8> {
    const HOST_AWARE: u8 = 1 << 4;
    const ROTATIONS_A_MINUTE: u16 = 7200;
    const FORM_FACTOR_3_5_INCHES: u8 = 2;
    let mut page = vec![0; 0x3C];
    page[0..2].copy_from_slice(&ROTATIONS_A_MINUTE.to_be_bytes());
    page[3] = FORM_FACTOR_3_5_INCHES;
    if context.geometry.writes_anywhere() {
        page[4] = HOST_AWARE;
    }
    page
}

/// ZBC-2, 6.5.2. The limit on open zones is one of sequential write required zones; for sequential write preferred
/// ones there is an optimal number.
fn zoned_block_device_characteristics(context: &Context<'_>) -> Vec<u8> {
    const URSWRZ: u8 = 0x01;
    /// A zone alignment method; the granularity follows.
    const CONSTANT_ZONE_STARTING_LBA_OFFSETS: u8 = 0x08;
    let mut page = vec![0; 0x3C];
    if context.geometry.unrestricted_reads {
        page[0] = URSWRZ;
    }
    let max_open = context.geometry.max_open.unwrap_or(NOT_REPORTED);
    page[4..16].fill(0xFF);
    let at = if context.geometry.writes_anywhere() {
        4
    } else {
        12
    };
    page[at..at + 4].copy_from_slice(&max_open.to_be_bytes());
    if context.geometry.zone_capacity.is_some() {
        page[19] = CONSTANT_ZONE_STARTING_LBA_OFFSETS;
        page[20..28].copy_from_slice(&context.geometry.zone_blocks.to_be_bytes());
    }
    page
}
