//! A zoned disk that takes the time of a real device: each request completes when a model says that it would.
//!
//! A request is carried out when it is submitted, and its completion waits for its time; but nothing is made stable
//! before its time. So a loss of power takes what was not completed, as the rules of the disk behind have it. Knows no
//! protocol and no image.
#![forbid(unsafe_code)]

mod disk;
mod pace;
mod work;

pub use disk::TimedDisk;
pub use pace::{Pace, Told};
