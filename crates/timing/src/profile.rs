//! What a device is like: its numbers, by name, each with the range that makes sense of it. Which device has which is
//! not known here.

use std::collections::BTreeMap;
use std::error::Error;
use std::fmt;

/// Why numbers are no profile.
#[derive(Clone, Debug, PartialEq)]
pub enum ProfileError {
    /// There is no parameter of this name; those that there are.
    Unknown(String, &'static [&'static str]),
    /// This parameter is missing.
    Missing(&'static str),
    /// This parameter cannot be this; what it may be, from and to.
    Range(&'static str, f64, f64, f64),
}

impl fmt::Display for ProfileError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ProfileError::Unknown(name, known) => {
                write!(
                    f,
                    "there is no parameter {name}; there are: {}",
                    known.join(", ")
                )
            }
            ProfileError::Missing(name) => write!(f, "parameter {name} is missing"),
            ProfileError::Range(name, value, least, most) => {
                write!(f, "{name} = {value}: it is from {least} to {most}")
            }
        }
    }
}

impl Error for ProfileError {}

macro_rules! parameters {
    (
        $(#[$about:meta])* $name:ident {
            $($(#[$doc:meta])* $field:ident in $least:literal, $most:literal;)*
        }
    ) => {
        $(#[$about])*
        #[derive(Clone, Debug, PartialEq)]
        pub struct $name {
            $($(#[$doc])* pub $field: f64,)*
        }

        impl $name {
            /// The names of all parameters.
            pub const NAMES: &'static [&'static str] = &[$(stringify!($field)),*];

            /// The profile of these numbers: all of them are needed, and no other.
            ///
            /// # Errors
            /// Where one is missing, unknown or out of its range.
            pub fn of(values: &BTreeMap<String, f64>) -> Result<$name, ProfileError> {
                if let Some(name) = values.keys().find(|name| !Self::NAMES.contains(&name.as_str())) {
                    return Err(ProfileError::Unknown(name.clone(), Self::NAMES));
                }
                Ok($name {
                    $($field: checked(values, stringify!($field), $least, $most)?,)*
                })
            }
        }
    };
}

fn checked(
    values: &BTreeMap<String, f64>,
    name: &'static str,
    least: f64,
    most: f64,
) -> Result<f64, ProfileError> {
    let value = *values.get(name).ok_or(ProfileError::Missing(name))?;
    if (least..=most).contains(&value) {
        Ok(value)
    } else {
        Err(ProfileError::Range(name, value, least, most))
    }
}

parameters! {
    /// A disk with heads on an arm, which writes zones of shingled tracks.
    DiskProfile {
        /// Revolutions a minute.
        rpm in 100.0, 1e6;
        /// What passes under a head at the outer edge, where the disk begins, in MB/s.
        outer_mb_s in 0.1, 1e6;
        /// The same at the inner edge.
        inner_mb_s in 0.1, 1e6;
        /// The arm's shortest way, with settling, in ms.
        seek_min_ms in 0.0, 1e5;
        /// Its longest way, from edge to edge. Between them it takes by the root of the distance.
        seek_full_ms in 0.0, 1e5;
        /// What the disk does for each command, one after the other, in us.
        command_us in 0.0, 1e7;
        /// The interface, in MB/s.
        link_mb_s in 0.1, 1e6;
        /// How many commands the disk looks at to choose the one whose access is the shortest.
        queue_depth in 1.0, 65536.0;
        /// After how long, in ms, what waits is next whatever its access.
        longest_wait_ms in 0.0, 1e6;
        /// How much is read ahead while nothing else is asked for, in KiB.
        read_ahead_kib in 0.0, 1e9;
        /// Writes that ended and are not on the medium, in KiB; 0: there is no write cache.
        cache_kib in 0.0, 1e9;
        /// How many writes that can be, of whatever size.
        cache_writes in 1.0, 1e9;
        /// To begin to write in another zone than the one written last, beyond the way there, in ms.
        zone_switch_ms in 0.0, 1e5;
        /// To open a zone by a command, in ms.
        open_ms in 0.0, 1e6;
        /// To close a zone, in ms.
        close_ms in 0.0, 1e6;
        /// To finish a zone, in ms: nothing of it is written.
        finish_ms in 0.0, 1e6;
        /// To reset a zone, in ms.
        reset_ms in 0.0, 1e6;
        /// To report zones, in ms.
        report_ms in 0.0, 1e6;
        /// To flush, beyond what has to be written, in ms.
        flush_ms in 0.0, 1e6;
    }
}

parameters! {
    /// A zoned SSD: dies on channels, behind a buffer and a controller.
    SsdProfile {
        /// Channels to the dies.
        channels in 1.0, 4096.0;
        /// Dies, which belong to the channels in turn.
        dies in 1.0, 65536.0;
        /// Dies that a zone is spread over; the next zone begins on the die after them.
        dies_per_zone in 1.0, 65536.0;
        /// Bytes that lie on one die before the zone goes on to its next one, and are read at a time, in KiB.
        stripe_kib in 0.5, 1e6;
        /// To read a page, in us.
        page_read_us in 0.0, 1e7;
        /// What a channel carries, in MB/s.
        channel_mb_s in 0.1, 1e6;
        /// What is programmed at a time on a die, in KiB.
        program_kib in 0.5, 1e6;
        /// To program that, in us.
        program_us in 0.1, 1e7;
        /// A read waits for so much of a program at most, in us: then that is held up.
        program_slice_us in 0.0, 1e7;
        /// Writes that ended and are not programmed, in KiB.
        buffer_kib in 1.0, 1e9;
        /// The link to the host, in MB/s.
        link_mb_s in 0.1, 1e6;
        /// What the controller does for a read, one after the other, in us.
        read_us in 0.0, 1e7;
        /// The same for a write.
        write_us in 0.0, 1e7;
        /// The same for an append.
        append_us in 0.0, 1e7;
        /// What a read takes beyond that, whatever others do, in us.
        read_latency_us in 0.0, 1e7;
        /// The same for a write.
        write_latency_us in 0.0, 1e7;
        /// The same for an append.
        append_latency_us in 0.0, 1e7;
        /// What a command takes more if others are in the device when it comes, in us.
        shared_us in 0.0, 1e7;
        /// To open a zone by a command, in us.
        open_us in 0.0, 1e9;
        /// To close a zone, in us.
        close_us in 0.0, 1e9;
        /// To finish a zone, beyond programming what is missing, in us.
        finish_us in 0.0, 1e9;
        /// To reset a zone of which nothing is written, in us.
        reset_empty_us in 0.0, 1e9;
        /// To reset a zone of which all is written. Between them it takes by the root of what is written.
        reset_full_us in 0.0, 1e9;
        /// How many times as long a reset takes beside writes.
        reset_shared in 1.0, 1000.0;
        /// To report zones, in us.
        report_us in 0.0, 1e9;
        /// To flush, in us: the buffer survives a loss of power.
        flush_us in 0.0, 1e9;
    }
}

/// A device's numbers.
#[derive(Clone, Debug, PartialEq)]
pub enum Profile {
    /// An SMR disk.
    Disk(DiskProfile),
    /// A ZNS SSD.
    Ssd(SsdProfile),
}
