//! What a model of a device is asked, and what it tells. Knows no device.

use crate::disk::Disk;
use crate::ssd::Ssd;
use crate::Profile;

/// Virtual time: nanoseconds since the model began.
pub type Nanos = u64;

/// What the medium of a device is like, in bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Medium {
    /// The capacity, which is not zero.
    pub bytes: u64,
    /// From the start of a zone to that of the next one; not zero.
    pub zone_bytes: u64,
    /// What of a zone can be written; not zero, and not more than `zone_bytes`.
    pub zone_capacity: u64,
}

impl Medium {
    /// The number of the zone that the byte is in.
    pub fn zone_of(&self, byte: u64) -> u64 {
        byte / self.zone_bytes
    }

    /// How much of a zone's capacity these bytes are, from 0 to 1.
    pub(crate) fn share(&self, bytes: u64) -> f64 {
        (bytes as f64 / self.zone_capacity as f64).min(1.0)
    }
}

/// What a command is to a device. Places and lengths are in bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Work {
    /// `written`: some of it holds data, so the device has to look at the medium.
    Read { at: u64, bytes: u64, written: bool },
    /// `stable`: it is on the medium before it ends.
    Write { at: u64, bytes: u64, stable: bool },
    /// A write of which the device chose the place.
    Append { at: u64, bytes: u64, stable: bool },
    /// All writes that ended before are on the medium before it ends.
    Flush,
    /// A zone is opened, by a command.
    Open,
    /// A zone is closed.
    Close,
    /// `missing`: what the zone that starts at `at` lacks to be full, after what was written of it.
    Finish { at: u64, missing: u64 },
    /// `written`: what of the zone that starts at `at` was written.
    Reset { at: u64, written: u64 },
    /// Anything that looks at no medium: a report of zones.
    Report,
}

impl Work {
    /// Bytes that are read or written.
    pub fn bytes(&self) -> u64 {
        match *self {
            Work::Read { bytes, .. } | Work::Write { bytes, .. } | Work::Append { bytes, .. } => {
                bytes
            }
            _ => 0,
        }
    }
}

/// A command that ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Done {
    /// The name that it was given.
    pub token: u64,
    /// When it came.
    pub arrived: Nanos,
    /// When the device first did something for it.
    pub begun: Nanos,
    /// When it ended.
    pub ended: Nanos,
}

/// A device that takes time.
pub trait Model: Send {
    /// Has a command arrive. One whose time is before what the model has seen arrives now.
    fn submit(&mut self, arrival: Nanos, token: u64, work: Work);

    /// When something happens next in the device; `None`: nothing will until a command comes.
    fn next(&self) -> Option<Nanos>;

    /// Lets time pass until then, and adds the commands that end, in order.
    fn advance(&mut self, until: Nanos, done: &mut Vec<Done>);
}

/// The device of a profile, idle, at time 0.
pub fn model(profile: &Profile, medium: Medium) -> Box<dyn Model> {
    match profile {
        Profile::Disk(profile) => Box::new(Disk::new(profile.clone(), medium)),
        Profile::Ssd(profile) => Box::new(Ssd::new(profile.clone(), medium)),
    }
}

/// A time in nanoseconds, rounded, of one in microseconds.
pub(crate) fn micros(time: f64) -> Nanos {
    (time * 1e3).round() as Nanos
}

/// A time in nanoseconds, rounded, of one in milliseconds.
pub(crate) fn millis(time: f64) -> Nanos {
    (time * 1e6).round() as Nanos
}

/// How long bytes take at a rate in MB/s, a million bytes each.
pub(crate) fn transfer(bytes: u64, rate: f64) -> Nanos {
    (bytes as f64 * 1e3 / rate).round() as Nanos
}
