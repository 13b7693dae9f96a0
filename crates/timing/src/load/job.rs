//! What is sent to a device, as fio would name it. Knows no device.

use std::error::Error;
use std::fmt;

use crate::Nanos;

/// What the commands of a job are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// What was written of the zones, one after the other, from the start again at the end.
    Read,
    /// Anywhere in what was written.
    RandomRead,
    /// Zones are filled, each stream one after the other of its own; full ones are reset first.
    Write,
    /// Each write goes to the write pointer of any zone; a full one is reset first.
    RandomWrite,
    /// As writes, but the device chooses the place.
    Append,
    /// Zones are opened by command.
    Open,
    /// Zones are closed.
    Close,
    /// Zones, each filled to a part before without taking time, are finished.
    Finish,
    /// Zones, filled likewise, are reset.
    Reset,
    /// What was written is flushed.
    Flush,
    /// Zones are reported.
    Report,
}

/// Clients that all do the same: each sends its next command when one of its own has ended.
#[derive(Clone, Debug, PartialEq)]
pub struct Job {
    pub kind: Kind,
    /// Bytes of a read, write or append.
    pub block: u64,
    /// Streams, each of which has a place of its own and is as deep as `depth`.
    pub streams: u64,
    /// Commands in flight of each stream.
    pub depth: u64,
    /// The first zone that the job is for.
    pub first: u64,
    /// How many zones it is for. Sequential streams have equal shares of them.
    pub zones: u64,
    /// Streams go to any zone of theirs next, not to the one that follows.
    pub shuffled: bool,
    /// Reads are of what was not written, too.
    pub unwritten: bool,
    /// Writes are on the medium before they end.
    pub stable: bool,
    /// How full zones are made before they are finished or reset, from 0 to 1.
    pub fill: f64,
    /// What a stream sends at most, in MB/s.
    pub rate: Option<f64>,
}

impl Job {
    /// A job of one stream of depth 1, for these zones.
    pub fn new(kind: Kind, block: u64, first: u64, zones: u64) -> Job {
        Job {
            kind,
            block,
            streams: 1,
            depth: 1,
            first,
            zones,
            shuffled: false,
            unwritten: false,
            stable: false,
            fill: 0.0,
            rate: None,
        }
    }

    /// How long a stream leaves between two commands at least.
    pub(super) fn pause(&self) -> Nanos {
        let at = |rate: f64| (self.block as f64 * 1e3 / rate) as Nanos;
        self.rate.map_or(0, at)
    }
}

/// Why a job cannot be run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LoadError {
    /// The job of this number has nothing in flight, or blocks of no bytes.
    Nothing(usize),
    /// The job of this number is for zones that the medium does not have; how many it has.
    NoSuchZones(usize, u64),
    /// The job of this number has more streams than zones.
    TooManyStreams(usize),
    /// The job of this number reads, and no block of its zones was written.
    NothingWritten(usize),
    /// It takes no time, or less than what is not to be counted.
    NoTime,
}

impl fmt::Display for LoadError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            LoadError::Nothing(job) => write!(f, "job {job} sends nothing"),
            LoadError::NoSuchZones(job, zones) => {
                write!(
                    f,
                    "job {job} is for zones that are not there: there are {zones}"
                )
            }
            LoadError::TooManyStreams(job) => write!(f, "job {job} has more streams than zones"),
            LoadError::NothingWritten(job) => {
                write!(
                    f,
                    "job {job} reads, and no whole block of its zones is written"
                )
            }
            LoadError::NoTime => write!(f, "nothing is left of the time to count in"),
        }
    }
}

impl Error for LoadError {}
