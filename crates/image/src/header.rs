//! The header page of an image: what the file is, and whether it can be trusted.
//!
//! All numbers are little-endian. The magic, the version and the checksum keep their places in every
//! version of the format. There are three sets of feature flags: a bit that a program does not know
//! means nothing to it in *compatible*, forbids it to write in *read-only compatible*, and to read in
//! *incompatible*. An image has a bit only if its disk needs it, so that older programs read all others. A copy
//! of the page follows it, for repair.
//!
//! | bit of incompatible | meaning |
//! |---|---|
//! | 0 | reads are restricted: URSWRZ is zero, or reads do not cross zones |
//! | 1 | the zone capacity means something |
//! | 2 | the disk is host-aware; version 1 only |
//!
//! | byte | length | field |
//! |---|---|---|
//! | 0 | 8 | magic |
//! | 8 | 4 | version |
//! | 12 | 4 | length of the header |
//! | 16 | 8 | compatible features |
//! | 24 | 8 | incompatible features |
//! | 32 | 8 | read-only compatible features |
//! | 40 | 16 | UUID |
//! | 56 | 8 | creation, seconds since 1970 |
//! | 64 | 4 | logical block size, bytes |
//! | 68 | 4 | conventional zones |
//! | 72 | 8 | capacity, logical blocks |
//! | 80 | 8 | zone size, logical blocks |
//! | 88 | 4 | max open; FFFFFFFFh: no limit |
//! | 92 | 4 | max active; FFFFFFFFh: no limit |
//! | 96 | 8 | WWN |
//! | 104, 112, 128, 132 | 8, 16, 4, 32 | vendor, product, revision, serial; padded with NUL |
//! | 164 | 4 | bytes of a zone descriptor extension |
//! | 168 | 5 x 16 | offset and size of the table, the journal, the checkpoints, the data |
//! | 248 | 8 | zone capacity, logical blocks; zero where it means nothing |
//! | 256 | 4 | kind: 0 host-managed, 1 host-aware, 2 ZNS, 3 conventional |
//! | 260 | 4 | write unit, bytes |
//! | 264 | 2 x 16 | offset and size of the extensions, of what is saved |
//! | 4092 | 4 | CRC-32C of all bytes before |
//!
//! Version 1 has zeroes at 92, 164 and from 256 on.

use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::Path;

use crc32c::crc32c;
use zoned::{Geometry, Identity, Kind};

use crate::bytes::{u32_at, u64_at};
use crate::error::{corrupt, not_an_image, truncated, unknown_format};
use crate::layout::{Area, Layout, PAGE};
use crate::Error;

/// One header page.
pub(crate) type Page = [u8; PAGE as usize];

const MAGIC: [u8; 8] = *b"\x89ZONEVM\n";
/// The version of images that are made or written.
pub(crate) const VERSION: u32 = 2;
/// The version before: it has no slots, a zone's data are where its LBAs are.
pub(crate) const LINEAR: u32 = 1;

/// Byte offsets in the page.
mod at {
    pub const VERSION: usize = 8;
    pub const LENGTH: usize = 12;
    pub const INCOMPATIBLE: usize = 24;
    pub const READ_ONLY_COMPATIBLE: usize = 32;
    pub const UUID: usize = 40;
    pub const CREATED: usize = 56;
    pub const BLOCK_SIZE: usize = 64;
    pub const CONVENTIONAL_ZONES: usize = 68;
    pub const BLOCKS: usize = 72;
    pub const ZONE_BLOCKS: usize = 80;
    pub const MAX_OPEN: usize = 88;
    pub const MAX_ACTIVE: usize = 92;
    pub const WWN: usize = 96;
    pub const VENDOR: usize = 104;
    pub const PRODUCT: usize = 112;
    pub const REVISION: usize = 128;
    pub const SERIAL: usize = 132;
    pub const EXTENSION_BYTES: usize = 164;
    pub const AREAS: usize = 168;
    pub const ZONE_CAPACITY: usize = 248;
    pub const KIND: usize = 256;
    pub const WRITE_UNIT: usize = 260;
    pub const MORE_AREAS: usize = 264;
    pub const CRC: usize = super::PAGE as usize - 4;
}

/// Lengths of the identity's texts, padded with NUL.
const VENDOR: usize = 8;
const PRODUCT: usize = 16;
const REVISION: usize = 4;
const SERIAL: usize = 32;

/// Incompatible features.
const RESTRICTED_READS: u64 = 1 << 0;
const ZONE_CAPACITY: u64 = 1 << 1;
const HOST_AWARE: u64 = 1 << 2;

const KINDS: [Kind; 4] = [
    Kind::HostManaged,
    Kind::HostAware,
    Kind::Zns,
    Kind::Conventional,
];

/// Stands for no limit of open or active zones.
const NO_LIMIT: u32 = u32::MAX;

/// What the image is to be used for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Access {
    Read,
    Write,
}

/// A header's contents.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Header {
    /// [`VERSION`] or [`LINEAR`].
    pub version: u32,
    pub uuid: [u8; 16],
    /// Seconds since 1970.
    pub created: u64,
    pub geometry: Geometry,
    pub identity: Identity,
    pub layout: Layout,
}

impl Header {
    /// The header's page.
    pub fn encode(&self) -> Page {
        let mut page = [0; PAGE as usize];
        let mut put = |at: usize, bytes: &[u8]| page[at..at + bytes.len()].copy_from_slice(bytes);
        put(0, &MAGIC);
        put(at::VERSION, &self.version.to_le_bytes());
        put(at::LENGTH, &(PAGE as u32).to_le_bytes());
        put(
            at::INCOMPATIBLE,
            &incompatible(self.version, &self.geometry).to_le_bytes(),
        );
        put(at::UUID, &self.uuid);
        put(at::CREATED, &self.created.to_le_bytes());
        let geometry = &self.geometry;
        put(at::BLOCK_SIZE, &geometry.block_size.to_le_bytes());
        put(
            at::CONVENTIONAL_ZONES,
            &geometry.conventional_zones.to_le_bytes(),
        );
        put(at::BLOCKS, &geometry.blocks.to_le_bytes());
        put(at::ZONE_BLOCKS, &geometry.zone_blocks.to_le_bytes());
        put(
            at::MAX_OPEN,
            &geometry.max_open.unwrap_or(NO_LIMIT).to_le_bytes(),
        );
        put(at::WWN, &self.identity.wwn.to_le_bytes());
        put(at::VENDOR, self.identity.vendor.as_bytes());
        put(at::PRODUCT, self.identity.product.as_bytes());
        put(at::REVISION, self.identity.revision.as_bytes());
        put(at::SERIAL, self.identity.serial.as_bytes());
        for (at, area) in area_places(self.version).zip(self.layout.areas()) {
            put(at, &area.offset.to_le_bytes());
            put(at + 8, &area.size.to_le_bytes());
        }
        put(
            at::ZONE_CAPACITY,
            &geometry.zone_capacity.unwrap_or(0).to_le_bytes(),
        );
        if self.version > LINEAR {
            let max_active = geometry.max_active.unwrap_or(NO_LIMIT);
            let kind = KINDS.iter().position(|kind| *kind == geometry.kind);
            put(at::MAX_ACTIVE, &max_active.to_le_bytes());
            put(at::EXTENSION_BYTES, &geometry.extension_bytes.to_le_bytes());
            put(at::KIND, &(kind.unwrap_or_default() as u32).to_le_bytes());
            put(at::WRITE_UNIT, &geometry.write_unit().to_le_bytes());
        }
        seal(&mut page);
        page
    }

    /// Reads the header of `file`, and checks that the file has all zone state; `path` is for the errors.
    ///
    /// # Errors
    /// `NotAnImage`, `Corrupt`, `Truncated`, `Io`, or `Version` for a format or a feature that is not known.
    pub fn read(file: &File, path: &Path, access: Access) -> Result<Self, Error> {
        let failed = |e| Error::io("read", path, e);
        let length = file.metadata().map_err(failed)?.len();
        let mut page = [0; PAGE as usize];
        let start = &mut page[..length.min(PAGE) as usize];
        file.read_exact_at(start, 0).map_err(failed)?;
        if length < PAGE && page.starts_with(&MAGIC) {
            return Err(truncated(path, length, PAGE));
        }
        let header = Self::decode(&page, path, access)?;
        let needed = header.layout.least_length();
        if length < needed {
            return Err(truncated(path, length, needed));
        }
        Ok(header)
    }

    /// The same disk in an image of today's version, which it becomes where it is.
    pub fn upgraded(&self) -> Self {
        Self {
            version: VERSION,
            layout: self.layout.upgraded(),
            ..self.clone()
        }
    }

    /// Reads a header's page; `path` is for the errors.
    ///
    /// # Errors
    /// As for [`Self::read`], but for what concerns the file.
    pub fn decode(page: &Page, path: &Path, access: Access) -> Result<Self, Error> {
        check_trust(page, path, access)?;
        let version = u32_at(page, at::VERSION);
        let features = u64_at(page, at::INCOMPATIBLE);
        let limit = |at| Some(u32_at(page, at)).filter(|limit| *limit != NO_LIMIT);
        let kind = match version {
            LINEAR if features & HOST_AWARE == 0 => Kind::HostManaged,
            LINEAR => Kind::HostAware,
            _ => {
                let kind = u32_at(page, at::KIND);
                *KINDS.get(kind as usize).ok_or_else(|| {
                    unknown_format(
                        path,
                        &format!("is of kind {kind}, which this program does not know"),
                    )
                })?
            }
        };
        let geometry = Geometry {
            block_size: u32_at(page, at::BLOCK_SIZE),
            blocks: u64_at(page, at::BLOCKS),
            zone_blocks: u64_at(page, at::ZONE_BLOCKS),
            conventional_zones: u32_at(page, at::CONVENTIONAL_ZONES),
            max_open: limit(at::MAX_OPEN),
            max_active: limit(at::MAX_ACTIVE).filter(|_| version > LINEAR),
            zone_capacity: (features & ZONE_CAPACITY != 0).then(|| u64_at(page, at::ZONE_CAPACITY)),
            unrestricted_reads: features & RESTRICTED_READS == 0,
            kind,
            extension_bytes: u32_at(page, at::EXTENSION_BYTES),
        };
        geometry
            .validate()
            .map_err(|e| corrupt(path, &e.to_string()))?;
        let write_unit = u32_at(page, at::WRITE_UNIT);
        if version > LINEAR && write_unit != geometry.write_unit() {
            return Err(unknown_format(
                path,
                &format!(
                    "has a write unit of {write_unit} bytes; this program knows {} for a disk like this",
                    geometry.write_unit()
                ),
            ));
        }
        let identity = Identity {
            vendor: text_at(page, at::VENDOR, VENDOR),
            product: text_at(page, at::PRODUCT, PRODUCT),
            revision: text_at(page, at::REVISION, REVISION),
            serial: text_at(page, at::SERIAL, SERIAL),
            wwn: u64_at(page, at::WWN),
        };
        identity
            .validate()
            .map_err(|e| corrupt(path, &e.to_string()))?;
        let mut areas = [Area::NONE; 7];
        for (at, area) in area_places(version).zip(&mut areas) {
            area.offset = u64_at(page, at);
            area.size = u64_at(page, at + 8);
        }
        let layout = Layout::from_areas(areas);
        if !layout.fits(&geometry) {
            return Err(corrupt(
                path,
                "the areas its header lists do not fit the disk's geometry",
            ));
        }
        Ok(Self {
            version,
            uuid: page[at::UUID..at::UUID + 16].try_into().expect("16 bytes"),
            created: u64_at(page, at::CREATED),
            geometry,
            identity,
            layout,
        })
    }
}

/// Where the header lists each area: those of version 1, then the others.
fn area_places(version: u32) -> impl Iterator<Item = usize> {
    let more = if version > LINEAR { 2 } else { 0 };
    let places = (0..5).map(|i| at::AREAS + 16 * i);
    places.chain((0..more).map(|i| at::MORE_AREAS + 16 * i))
}

/// The incompatible features that a program may know in an image of this version.
fn known_incompatible(version: u32) -> u64 {
    match version {
        LINEAR => RESTRICTED_READS | ZONE_CAPACITY | HOST_AWARE,
        _ => RESTRICTED_READS | ZONE_CAPACITY,
    }
}

/// The incompatible features that a disk needs.
fn incompatible(version: u32, geometry: &Geometry) -> u64 {
    let needs = [
        (!geometry.unrestricted_reads, RESTRICTED_READS),
        (geometry.zone_capacity.is_some(), ZONE_CAPACITY),
        (geometry.kind == Kind::HostAware, HOST_AWARE),
    ];
    let needed = needs
        .iter()
        .filter(|(needed, _)| *needed)
        .fold(0, |features, (_, feature)| features | feature);
    needed & known_incompatible(version)
}

/// Puts the checksum into a page.
fn seal(page: &mut Page) {
    let crc = crc32c(&page[..at::CRC]);
    page[at::CRC..].copy_from_slice(&crc.to_le_bytes());
}

/// Checks magic, checksum, version and feature flags, in this order.
fn check_trust(page: &Page, path: &Path, access: Access) -> Result<(), Error> {
    if !page.starts_with(&MAGIC) {
        return Err(not_an_image(path));
    }
    let (expected, found) = (u32_at(page, at::CRC), crc32c(&page[..at::CRC]));
    if expected != found {
        return Err(corrupt(
            path,
            &format!("its header's checksum is {found:08x}, but {expected:08x} is recorded"),
        ));
    }
    let version = u32_at(page, at::VERSION);
    let length = u32_at(page, at::LENGTH);
    if !matches!(version, LINEAR | VERSION) || u64::from(length) != PAGE {
        return Err(unknown_format(
            path,
            &format!("has format version {version} (header of {length} bytes); this program knows versions {LINEAR} and {VERSION}"),
        ));
    }
    let incompatible = u64_at(page, at::INCOMPATIBLE) & !known_incompatible(version);
    if incompatible != 0 {
        return Err(unknown_format(
            path,
            &format!(
                "uses incompatible features {incompatible:#x} that this program does not know"
            ),
        ));
    }
    let read_only = u64_at(page, at::READ_ONLY_COMPATIBLE);
    if access == Access::Write && read_only != 0 {
        return Err(unknown_format(
            path,
            &format!("uses features {read_only:#x} that this program can only read"),
        ));
    }
    Ok(())
}

fn text_at(page: &Page, at: usize, length: usize) -> String {
    let field = &page[at..at + length];
    let end = field.iter().position(|byte| *byte == 0).unwrap_or(length);
    String::from_utf8_lossy(&field[..end]).into_owned()
}

#[cfg(test)]
mod tests;
