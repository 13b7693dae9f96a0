//! What a decided request leaves to be done: I/O on the medium, for whoever keeps the data.

/// A stretch of a read. Offsets are bytes of the medium: LBA times block size.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Extent {
    Data {
        offset: u64,
        len: u64,
    },
    /// At or above a write pointer: the medium is not touched.
    Zeroes {
        offset: u64,
        len: u64,
    },
}

/// I/O on the medium. A data extent, and a write, lie within one zone's capacity, or within conventional zones, or on a
/// medium that is written anywhere.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Op {
    /// Fill the data from these stretches, in order. `stable`: make all stable first.
    Read { extents: Extents, stable: bool },
    /// Read the stretches, for nothing.
    Verify { extents: Extents },
    /// Compare the stretches with the data; the first difference is where it fails.
    Compare { extents: Extents },
    /// Write `len` bytes of the data at `offset`. `skipped` bytes just before it have to read as zeroes from now on.
    /// `stable`: all is stable before the answer, which is after `Machine::finish`.
    Write {
        offset: u64,
        len: u64,
        skipped: u64,
        stable: bool,
    },
    /// As a write, of the data, a block, again and again; without data, of zeroes.
    Fill {
        offset: u64,
        len: u64,
        skipped: u64,
        stable: bool,
    },
    /// Make everything that was completed before stable.
    Flush,
    /// Zones were reset: make that stable, and only then give back the space of these byte ranges (start, length).
    /// What is written to a zone from now on takes the place of what it held before, which a crash must not bring back.
    Discard {
        zones: Vec<u32>,
        ranges: Vec<(u64, u64)>,
    },
    /// Keep the data as the descriptor extension of `zone`, and make them stable before the answer.
    Extension { zone: u32 },
    /// Zones failed: make their conditions stable, and no data.
    Degrade { zones: std::ops::Range<u32> },
}

/// Why carrying out an [`Op`] failed. Offsets are bytes of the medium.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Failed {
    Read {
        offset: u64,
    },
    /// A full file system of the host is this, too.
    Write {
        offset: u64,
    },
    /// The first byte that differs.
    Differs {
        offset: u64,
    },
    /// What was done, or was to be done first, could not be made stable.
    NotStable,
}

/// Stretches without a gap, in order; seldom more than two.
pub type Extents = Vec<Extent>;
