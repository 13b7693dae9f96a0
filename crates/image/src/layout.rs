//! Where things are in an image's file.
//!
//! ```text
//! 0         header, one page, and a copy of it in the next page
//! table     one little-endian 64-bit word a zone
//! journal   the table's stamp, one page, then changes of zones since the last checkpoint
//! checkpoint A, checkpoint B   stable copies of the table
//! extensions   zone descriptor extensions, where there are any
//! saved     for what a protocol keeps over power cycles
//! data      slots for the zones' data, at a multiple of 1 MiB, up to the end of the file
//! ```
//! Readers use the offsets in the header and assume no order.

use zoned::Geometry;

use crate::{Error, ErrorKind};

/// The length of the header, and what the areas before the data are aligned to, in bytes.
pub(crate) const PAGE: u64 = 4096;
const DATA_ALIGNMENT: u64 = 1 << 20;
const JOURNAL: u64 = 1 << 20;
const SAVED: u64 = 32 << 10;
/// Where the header's copy is.
pub(crate) const COPY: u64 = PAGE;
/// It is read as a whole.
const MAX_JOURNAL: u64 = 64 << 20;

/// Places are from 1 to this in a zone's word. Keeps the table, which is never sparse, under 128 MiB, too.
const MAX_ZONES: u32 = (1 << 24) - 1;

/// A stretch of the file, in bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Area {
    pub offset: u64,
    pub size: u64,
}

impl Area {
    /// None.
    pub const NONE: Area = Area { offset: 0, size: 0 };

    /// The first byte after the area; `None` when no file can be that long.
    fn end(&self) -> Option<u64> {
        self.offset
            .checked_add(self.size)
            .filter(|end| *end <= i64::MAX as u64)
    }
}

/// The areas after the header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Layout {
    pub table: Area,
    pub journal: Area,
    pub checkpoints: [Area; 2],
    /// Where the slots begin; the length is the disk's.
    pub data: Area,
    pub extensions: Area,
    pub saved: Area,
}

impl Layout {
    /// The layout of a new image.
    ///
    /// # Errors
    /// `Invalid` for too many zones, `TooLarge` when no file can be that long.
    pub fn new(geometry: &Geometry) -> Result<Self, Error> {
        if geometry.zones() > MAX_ZONES {
            return Err(Error::new(
                ErrorKind::Invalid,
                format!(
                    "{} zones: at most {MAX_ZONES} are allowed",
                    geometry.zones()
                ),
                "choose larger zones",
            ));
        }
        Self::place(geometry).ok_or_else(|| {
            Error::new(
                ErrorKind::TooLarge,
                format!(
                    "{} bytes: no file can hold a disk of this size",
                    geometry.bytes()
                ),
                "choose a size below 8 EiB",
            )
        })
    }

    /// `None` when no file can be that long.
    fn place(geometry: &Geometry) -> Option<Self> {
        let table_size = table_bytes(geometry).next_multiple_of(PAGE);
        let table = Area {
            offset: COPY + PAGE,
            size: table_size,
        };
        let journal = Area {
            offset: table.end()?,
            size: JOURNAL,
        };
        let checkpoint_size = PAGE + table_size;
        let first = Area {
            offset: journal.end()?,
            size: checkpoint_size,
        };
        let second = Area {
            offset: first.end()?,
            size: checkpoint_size,
        };
        let extensions = Area {
            offset: second.end()?,
            size: extension_bytes(geometry).next_multiple_of(PAGE),
        };
        let saved = Area {
            offset: extensions.end()?,
            size: SAVED,
        };
        let data = Area {
            offset: saved.end()?.next_multiple_of(DATA_ALIGNMENT),
            size: geometry.bytes(),
        };
        data.end()?;
        Some(Self {
            table,
            journal,
            checkpoints: [first, second],
            data,
            extensions,
            saved,
        })
    }

    /// The layout of an image of version 1 that becomes one of version 2 where it is: what is saved gets the end of the
    /// journal, if that is long enough.
    pub fn upgraded(&self) -> Self {
        let mut layout = *self;
        if self.journal.size >= 2 * SAVED {
            layout.journal.size -= SAVED;
            layout.saved = Area {
                offset: self.journal.offset + layout.journal.size,
                size: SAVED,
            };
        }
        layout
    }

    /// All areas, in the order in which the header lists them; version 1 has the first five.
    pub fn areas(&self) -> [Area; 7] {
        let [first, second] = self.checkpoints;
        [
            self.table,
            self.journal,
            first,
            second,
            self.data,
            self.extensions,
            self.saved,
        ]
    }

    /// The areas before the data that there are, for which there is always space.
    pub fn state_areas(&self) -> impl Iterator<Item = Area> {
        let [first, second] = self.checkpoints;
        let areas = [
            self.table,
            self.journal,
            first,
            second,
            self.extensions,
            self.saved,
        ];
        areas.into_iter().filter(|area| area.size > 0)
    }

    /// Whether there is room for the header's copy.
    pub fn has_copy(&self) -> bool {
        self.state_areas()
            .chain([self.data])
            .all(|area| area.offset >= COPY + PAGE)
    }

    /// The first byte after all areas but the data.
    pub fn state_end(&self) -> u64 {
        let ends = self.state_areas().map(|area| area.offset + area.size);
        ends.max().unwrap_or(PAGE)
    }

    /// Puts together what [`Self::areas`] took apart.
    pub fn from_areas([table, journal, first, second, data, extensions, saved]: [Area; 7]) -> Self {
        Self {
            table,
            journal,
            checkpoints: [first, second],
            data,
            extensions,
            saved,
        }
    }

    /// How long the file of a disk is of which nothing is written.
    pub fn least_length(&self) -> u64 {
        self.data.offset
    }

    /// Whether the areas can be an image's of this geometry: aligned, big enough, apart from each other, the data last.
    pub fn fits(&self, geometry: &Geometry) -> bool {
        let mut areas: Vec<Area> = self.state_areas().chain([self.data]).collect();
        areas.sort_by_key(|area| (area.offset, area.size));
        let apart = areas
            .windows(2)
            .all(|pair| pair[0].end().is_some_and(|end| end <= pair[1].offset));
        let aligned = |area: &Area| area.offset >= PAGE && area.offset % PAGE == 0;
        apart
            && geometry.zones() <= MAX_ZONES
            && areas.iter().all(aligned)
            && areas.last() == Some(&self.data)
            && self.data.end().is_some()
            && self.table.size >= table_bytes(geometry)
            && self.journal.size > PAGE
            && self.journal.size % PAGE == 0
            && self.journal.size <= MAX_JOURNAL
            && self
                .checkpoints
                .iter()
                .all(|area| area.size >= PAGE + table_bytes(geometry))
            && self.extensions.size >= extension_bytes(geometry)
            && self.data.offset % DATA_ALIGNMENT == 0
            && self.data.size == geometry.bytes()
    }
}

/// The bytes of all zone descriptor extensions.
fn extension_bytes(geometry: &Geometry) -> u64 {
    u64::from(geometry.zones()) * u64::from(geometry.extension_bytes)
}

/// The bytes of one word for each zone.
pub(crate) fn table_bytes(geometry: &Geometry) -> u64 {
    u64::from(geometry.zones()) * 8
}
