//! What a [`Geometry`] and an [`Identity`] may be, and the arithmetic of zones.
//!
//! Knows nothing of zone state or commands.

use std::fmt;
use std::ops::Range;

use crate::api::{Geometry, Identity, PHYSICAL_BLOCK};

/// The largest zone, in bytes: what the write pointer of a zone word has to hold.
const MAX_ZONE_BYTES: u64 = 1 << 40;
/// The largest disk, in bytes: the largest file offset there is, rounded down to a physical block.
const MAX_BYTES: u64 = i64::MAX as u64 / PHYSICAL_BLOCK as u64 * PHYSICAL_BLOCK as u64;

/// Why a [`Geometry`] cannot be a disk's. The message names the value seen and what is allowed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GeometryError(String);

impl fmt::Display for GeometryError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for GeometryError {}

/// Why an [`Identity`] cannot be a disk's. The message names the value seen and what is allowed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IdentityError(String);

impl fmt::Display for IdentityError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for IdentityError {}

impl Geometry {
    /// Checks that a disk can look like this.
    ///
    /// # Errors
    /// [`GeometryError`] for the first field that is out of its range.
    pub fn validate(&self) -> Result<(), GeometryError> {
        let fail = |message: String| Err(GeometryError(message));
        if !matches!(self.block_size, 512 | 4096) {
            return fail(format!(
                "logical block size is {} bytes; it must be 512 or 4096",
                self.block_size
            ));
        }
        let physical = u64::from(self.physical_blocks());
        let most = MAX_BYTES / u64::from(self.block_size);
        if self.blocks == 0 || self.blocks % physical != 0 || self.blocks > most {
            return fail(format!(
                "capacity is {} logical blocks; it must be a multiple of {physical} ({PHYSICAL_BLOCK} bytes), from {physical} to {most}",
                self.blocks
            ));
        }
        let most = MAX_ZONE_BYTES / u64::from(self.block_size);
        if !self.zone_blocks.is_power_of_two() || !(physical..=most).contains(&self.zone_blocks) {
            return fail(format!(
                "zone size is {} logical blocks; it must be a power of two from {physical} to {most} ({PHYSICAL_BLOCK} bytes to 1 TiB)",
                self.zone_blocks
            ));
        }
        if let Some(capacity) = self.zone_capacity {
            if capacity == 0 || capacity % physical != 0 || capacity >= self.zone_blocks {
                return fail(format!(
                    "zone capacity is {capacity} logical blocks; it must be a multiple of {physical} ({PHYSICAL_BLOCK} bytes) below the zone size of {}, or none",
                    self.zone_blocks
                ));
            }
        }
        if self.host_aware && (self.zone_capacity.is_some() || !self.urswrz) {
            return fail("a host-aware disk has no gap zones and no restricted reads".to_owned());
        }
        let zones = self.blocks.div_ceil(self.zone_blocks);
        if zones > u64::from(u32::MAX) {
            return fail(format!(
                "zones of {} logical blocks make {zones} zones of this capacity; {} is the most: take larger zones",
                self.zone_blocks,
                u32::MAX
            ));
        }
        if u64::from(self.conventional_zones) >= zones {
            return fail(format!(
                "{} conventional zones; the disk has {zones} zones, and at least one must be sequential",
                self.conventional_zones
            ));
        }
        if matches!(self.max_open, Some(0 | u32::MAX)) {
            return fail(format!(
                "max open is {}; it must be from 1 to {}, or none for no limit",
                self.max_open.unwrap_or_default(),
                u32::MAX - 1
            ));
        }
        Ok(())
    }

    /// Zones, the last and perhaps smaller one included. Meaningful for a valid geometry.
    pub fn zones(&self) -> u32 {
        self.blocks.div_ceil(self.zone_blocks) as u32
    }

    /// Capacity in bytes. Meaningful for a valid geometry.
    pub fn bytes(&self) -> u64 {
        self.blocks * u64::from(self.block_size)
    }

    /// Logical blocks in a physical block: 1 or 8.
    pub(crate) fn physical_blocks(&self) -> u32 {
        PHYSICAL_BLOCK / self.block_size
    }

    /// What the words of sequential zones count in, in bytes: a write to a sequential write required zone begins and
    /// ends on a physical block (ZBC-2, 4.4), one to a sequential write preferred zone on a logical block.
    pub fn write_unit(&self) -> u32 {
        if self.host_aware {
            self.block_size
        } else {
            PHYSICAL_BLOCK
        }
    }

    /// The same in logical blocks.
    pub(crate) fn write_unit_blocks(&self) -> u64 {
        u64::from(self.write_unit() / self.block_size)
    }

    /// How many zones may be open at a time, if there is a limit.
    pub fn open_limit(&self) -> Option<u32> {
        self.max_open.filter(|_| !self.host_aware)
    }

    /// The zone that `lba`, one of the disk's, lies in, or whose gap zone it lies in.
    pub fn zone_of(&self, lba: u64) -> u32 {
        (lba / self.zone_blocks) as u32
    }

    /// The LBAs of `zone`, without the gap zone after it.
    pub fn span(&self, zone: u32) -> Range<u64> {
        let start = u64::from(zone) * self.zone_blocks;
        let len = match self.zone_capacity {
            Some(capacity) if !self.is_conventional(zone) => capacity,
            _ => self.zone_blocks,
        };
        start..(start + len).min(self.blocks)
    }

    /// The LBAs of the gap zone after `zone`: none if there is no gap zone.
    pub(crate) fn gap(&self, zone: u32) -> Range<u64> {
        let next = (u64::from(zone) + 1) * self.zone_blocks;
        self.span(zone).end..next.min(self.blocks)
    }

    /// Whether `zone` is a conventional one.
    pub fn is_conventional(&self, zone: u32) -> bool {
        zone < self.conventional_zones
    }

    /// The first LBA after the conventional zones.
    pub(crate) fn conventional_end(&self) -> u64 {
        u64::from(self.conventional_zones) * self.zone_blocks
    }

    /// A number of logical blocks, or an LBA, in bytes.
    pub(crate) fn to_bytes(&self, blocks: u64) -> u64 {
        blocks * u64::from(self.block_size)
    }
}

impl Identity {
    /// Checks that INQUIRY data can say this.
    ///
    /// # Errors
    /// [`IdentityError`] for the first field that is out of its range.
    pub fn validate(&self) -> Result<(), IdentityError> {
        let texts = [
            ("vendor", &self.vendor, 0, 8),
            ("product", &self.product, 0, 16),
            ("revision", &self.revision, 0, 4),
            ("serial", &self.serial, 1, 32),
        ];
        for (name, text, least, most) in texts {
            let printable = text.bytes().all(|byte| (0x20..=0x7E).contains(&byte));
            if !printable || !(least..=most).contains(&text.len()) {
                return Err(IdentityError(format!(
                    "{name} is {text:?}; it must be {least} to {most} printable ASCII characters"
                )));
            }
        }
        if !matches!(self.wwn >> 60, 3 | 5) {
            return Err(IdentityError(format!(
                "WWN is {:016x}; it must be an NAA name whose first digit is 3 (locally assigned) or 5 (IEEE registered)",
                self.wwn
            )));
        }
        Ok(())
    }
}
