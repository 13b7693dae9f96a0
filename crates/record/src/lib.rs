//! Observers of a disk's commands, as layers around a unit of any protocol.
//!
//! [`Logged`] keeps the last commands that failed, with all that is needed to explain them. [`Traced`] has every
//! command written to a file, a [`Trace`]. They observe and never change an answer; what a record means in
//! words is not their business.
#![forbid(unsafe_code)]

mod chunk;
mod log;
mod sense;
mod trace;
mod traced;

pub use log::{Active, Failure, Log, Logged};
pub use trace::Trace;
pub use traced::Traced;

use std::time::{SystemTime, UNIX_EPOCH};

/// Nanoseconds since 1970.
fn now() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    since.map_or(0, |since| since.as_nanos() as u64)
}
