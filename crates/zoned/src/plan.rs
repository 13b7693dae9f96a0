//! What a decided request leaves to be done: I/O on the medium, for whoever keeps the data.

use std::ops::Range;

use crate::machine::Hold;
use crate::Answer;

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

/// I/O on the medium.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Op {
    /// Fill the data from these stretches, in order. `stable`: make all stable first.
    Read { extents: Extents, stable: bool },
    /// Read the stretches, for nothing.
    Verify { extents: Extents },
    /// Compare the stretches with the data; the first difference is where it fails.
    Compare { extents: Extents },
    /// Write `len` bytes of the data at `offset`. `skipped` bytes just before it have to read as zeroes from now on.
    /// `stable`: all is stable before the answer, which is after [`crate::Machine::finish`].
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
    Degrade { zones: Range<u32> },
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
    /// What keeps the data is gone.
    Lost,
}

/// A request that was decided and needs I/O, and what it holds of the disk meanwhile. It must be given back to
/// [`crate::Machine::finish`].
#[derive(Debug)]
#[must_use]
pub struct Plan {
    pub(crate) op: Op,
    pub(crate) answer: Answer,
    pub(crate) hold: Hold,
}

impl Plan {
    /// The I/O to carry out.
    pub fn op(&self) -> &Op {
        &self.op
    }
}

/// Stretches without a gap, in order. The first two, and there are seldom more, take no allocation.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Extents {
    first: [Option<Extent>; 2],
    rest: Vec<Extent>,
}

impl Extents {
    /// In order.
    pub fn iter(&self) -> impl Iterator<Item = Extent> + '_ {
        let first = self.first.iter().flatten();
        first.chain(&self.rest).copied()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.first[0].is_none()
    }

    /// Adds a stretch behind the last one, of which it becomes a part where it is alike.
    pub(crate) fn push(&mut self, extent: Extent) {
        if let Extent::Data { len: 0, .. } | Extent::Zeroes { len: 0, .. } = extent {
            return;
        }
        let last = match &mut self.rest[..] {
            [.., last] => Some(last),
            [] => self.first.iter_mut().flatten().last(),
        };
        match (last, extent) {
            (Some(Extent::Data { len, .. }), Extent::Data { len: more, .. })
            | (Some(Extent::Zeroes { len, .. }), Extent::Zeroes { len: more, .. }) => *len += more,
            _ => match self.first.iter_mut().find(|place| place.is_none()) {
                Some(place) => *place = Some(extent),
                None => self.rest.push(extent),
            },
        }
    }
}
