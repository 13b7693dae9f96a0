//! How long a zoned device takes: models of SMR disks and ZNS SSDs, in a virtual time of their own.
//!
//! A [`Model`] is told of commands, each with the time at which it arrives, and tells when each of them ends. It has no
//! clock, no thread and no chance in it: the same commands at the same times end at the same times, anywhere. What the
//! device is like is a [`Profile`]: numbers, each with a name and a unit. [`load`] sends commands in a closed loop, as a
//! benchmark does. Knows no protocol, no image and no data.
#![forbid(unsafe_code)]

mod disk;
mod events;
pub mod load;
mod model;
mod profile;
mod ssd;

pub use model::{model, Done, Medium, Model, Nanos, Work};
pub use profile::{DiskProfile, Profile, ProfileError, SsdProfile};
