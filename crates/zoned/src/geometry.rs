//! What a [`Geometry`] may be, the rules of its kind, and the arithmetic of zones.
//!
//! Knows nothing of zone state or requests.

use std::fmt;
use std::ops::Range;

/// The size of a physical block, in bytes: what a torn write leaves whole.
pub const PHYSICAL_BLOCK: u32 = 4096;

/// The largest zone, in bytes: what the write pointer of a zone word has to hold.
const MAX_ZONE_BYTES: u64 = 1 << 40;
/// The largest disk, in bytes: the largest file offset there is, rounded down to a physical block.
const MAX_BYTES: u64 = i64::MAX as u64 / PHYSICAL_BLOCK as u64 * PHYSICAL_BLOCK as u64;

/// What kind of medium it is, by the standard that has its rules.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// ZBC-2: sequential write required zones.
    HostManaged,
    /// ZBC-2: sequential write preferred zones, which may be written anywhere.
    HostAware,
    /// NVMe ZNS: sequential write required zones.
    Zns,
    /// No sequential zone.
    Conventional,
}

/// What a disk's medium looks like, and the rules that follow; fixed for the disk's life.
///
/// All lengths in logical blocks (LBAs) unless said otherwise. Code asks for the rule, never for the kind.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Geometry {
    pub kind: Kind,
    /// Logical block size in bytes: 512 or 4096.
    pub block_size: u32,
    /// Capacity, a multiple of the physical block.
    pub blocks: u64,
    /// Zone size: a power of two. The last zone may be smaller.
    pub zone_blocks: u64,
    /// Blocks of a sequential zone that can be written, less than the zone size; a multiple of the physical block.
    /// What is behind them is a gap zone (ZBC-2, 4.4.3.6), or cannot be written and reads as zeroes (ZNS 1.1, 2.1.1).
    /// `None`: all.
    pub zone_capacity: Option<u64>,
    /// Conventional zones, which come first; fewer than all zones, or all of a conventional medium.
    pub conventional_zones: u32,
    /// Most zones that may be open at a time; `None`: no limit. Of a host-aware disk the optimal number, which it
    /// tells and does not insist on.
    pub max_open: Option<u32>,
    /// Most zones that may be active at a time, open ones included (ZNS 1.1, 2.1.1.4); `None`: no limit.
    pub max_active: Option<u32>,
    /// Reads of sequential zones are unrestricted (URSWRZ: ZBC-2, 6.5.2), or may cross zones (ZNS 1.1, 2.1.1.1). If
    /// not, they stay within a zone; of a ZBC disk moreover below its write pointer.
    pub unrestricted_reads: bool,
    /// Bytes of a zone descriptor extension: a multiple of 64, 0 for none (ZNS 1.1, 3.4.2.2.3).
    pub extension_bytes: u32,
}

/// Zone descriptor extensions come in these units (ZNS 1.1, 4.1.5.1), up to what one byte can count.
const EXTENSION_UNIT: u32 = 64;
const MAX_EXTENSION: u32 = 255 * EXTENSION_UNIT;

/// Why a [`Geometry`] cannot be a disk's. The message names the value seen and what is allowed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GeometryError(String);

impl fmt::Display for GeometryError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for GeometryError {}

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
        if self.kind == Kind::HostAware
            && (self.zone_capacity.is_some() || !self.unrestricted_reads)
        {
            return fail("a host-aware disk has no gap zones and no restricted reads".to_owned());
        }
        if self.kind != Kind::Zns && (self.max_active.is_some() || self.extension_bytes > 0) {
            return fail(
                "only a ZNS namespace has a limit of active zones, or zone descriptor extensions"
                    .to_owned(),
            );
        }
        let zones = self.blocks.div_ceil(self.zone_blocks);
        if zones > u64::from(u32::MAX) {
            return fail(format!(
                "zones of {} logical blocks make {zones} zones of this capacity; {} is the most: take larger zones",
                self.zone_blocks,
                u32::MAX
            ));
        }
        let conventional = u64::from(self.conventional_zones);
        if self.kind == Kind::Conventional && conventional != zones {
            return fail(format!(
                "{conventional} conventional zones; a conventional medium of {zones} zones has no other"
            ));
        }
        if self.kind != Kind::Conventional && conventional >= zones {
            return fail(format!(
                "{conventional} conventional zones; the disk has {zones} zones, and at least one must be sequential"
            ));
        }
        if self.kind == Kind::Zns && self.blocks % self.zone_blocks != 0 {
            return fail(format!(
                "capacity is {} logical blocks; a ZNS namespace has whole zones, here of {}",
                self.blocks, self.zone_blocks
            ));
        }
        if self.kind == Kind::Zns && conventional > 0 {
            return fail(format!(
                "{conventional} conventional zones; a ZNS namespace has sequential zones only"
            ));
        }
        for (name, limit) in [("open", self.max_open), ("active", self.max_active)] {
            if let Some(limit @ (0 | u32::MAX)) = limit {
                return fail(format!(
                    "max {name} is {limit}; it must be from 1 to {}, or none for no limit",
                    u32::MAX - 1
                ));
            }
        }
        if let (Some(open), Some(active)) = (self.max_open, self.max_active) {
            if open > active {
                return fail(format!(
                    "max open is {open}; it must be at most max active, {active}: open zones are active ones"
                ));
            }
        }
        if self.extension_bytes % EXTENSION_UNIT != 0 || self.extension_bytes > MAX_EXTENSION {
            return fail(format!(
                "zone descriptor extensions have {} bytes; it must be a multiple of {EXTENSION_UNIT} up to {MAX_EXTENSION}",
                self.extension_bytes
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
    pub fn physical_blocks(&self) -> u32 {
        PHYSICAL_BLOCK / self.block_size
    }

    /// What writes to sequential zones begin and end on, and their words count in, in bytes: the physical block for
    /// sequential write required zones of ZBC (ZBC-2, 4.4), else the logical one.
    pub fn write_unit(&self) -> u32 {
        match self.kind {
            Kind::HostManaged => PHYSICAL_BLOCK,
            Kind::HostAware | Kind::Zns | Kind::Conventional => self.block_size,
        }
    }

    /// The same in logical blocks.
    pub fn write_unit_blocks(&self) -> u64 {
        u64::from(self.write_unit() / self.block_size)
    }

    /// How many zones may be open at a time, if there is a limit.
    pub fn open_limit(&self) -> Option<u32> {
        self.max_open.filter(|_| self.kind != Kind::HostAware)
    }

    /// How many zones may be active at a time, if there is a limit.
    pub fn active_limit(&self) -> Option<u32> {
        self.max_active
    }

    /// Whether sequential zones may be written anywhere (ZBC-2, 4.4.3.4: sequential write preferred zones).
    pub fn writes_anywhere(&self) -> bool {
        self.kind == Kind::HostAware
    }

    /// What closing an open zone makes of it in which nothing is written: empty again (ZBC-2, 4.4.3.5), or closed, and
    /// still active (ZNS 1.1, 2.1.1.3).
    pub fn closes_unwritten(&self) -> bool {
        self.kind == Kind::Zns
    }

    /// Whether an action that is not for a zone's condition is refused (ZNS 1.1, 3.4.3.1). If not, it does nothing
    /// (ZBC-2, 5.2 to 5.6).
    pub fn refuses_transitions(&self) -> bool {
        self.kind == Kind::Zns
    }

    /// Whether there are gap zones behind zone capacities (ZBC-2, 4.4.3.6), of which nothing can be read. If not, what
    /// is behind a capacity reads as zeroes (ZNS 1.1, 2.1.1.1).
    pub fn has_gap_zones(&self) -> bool {
        self.zone_capacity.is_some() && self.kind != Kind::Zns
    }

    /// Whether a read may go on from a conventional zone into a sequential one (ZBC-2, 4.4.3: not into a sequential
    /// write required one).
    pub fn reads_into_sequential(&self) -> bool {
        self.kind != Kind::HostManaged
    }

    /// Whether reads of sequential zones have to end below the write pointer (ZBC-2, 4.4.3).
    pub fn reads_only_written(&self) -> bool {
        self.kind == Kind::HostManaged && !self.unrestricted_reads
    }

    /// Whether there is zone append (ZNS 1.1, 3.4.1).
    pub fn appends(&self) -> bool {
        self.kind == Kind::Zns
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
    pub fn gap(&self, zone: u32) -> Range<u64> {
        self.span(zone).end..self.end_of(zone)
    }

    /// The first LBA that is neither in `zone` nor in the gap zone after it.
    pub(crate) fn end_of(&self, zone: u32) -> u64 {
        ((u64::from(zone) + 1) * self.zone_blocks).min(self.blocks)
    }

    /// Whether `zone` is a conventional one.
    pub fn is_conventional(&self, zone: u32) -> bool {
        zone < self.conventional_zones
    }

    /// The first LBA after the conventional zones.
    pub fn conventional_end(&self) -> u64 {
        u64::from(self.conventional_zones) * self.zone_blocks
    }

    /// A number of logical blocks, or an LBA, in bytes.
    pub fn to_bytes(&self, blocks: u64) -> u64 {
        blocks * u64::from(self.block_size)
    }
}
