//! Crash tests of what runs on emulated disks: a record of all that they were asked to keep, and every state in which a
//! power cut may have left them.
//!
//! A [`Recorder`] is a layer around a disk, and appends to a [`Log`], which several disks share. A [`Reader`] reads it, also
//! while it grows. A [`Moment`] is the disks after the first so many entries: what of them is stable, and what may be
//! lost. [`States`] are what they may be after a power cut at that moment; a [`View`] shows one as a disk, on
//! a [`Stage`] one after the other. Knows no
//! protocol and no image.
#![forbid(unsafe_code)]

mod bytes;
mod entries;
mod entry;
mod error;
mod extents;
mod held;
mod history;
mod index;
mod log;
mod lost;
mod moment;
mod overwritten;
mod payload;
mod reader;
mod recorder;
mod shown;
mod stage;
mod states;
mod view;

pub use entries::Entries;
pub use entry::{Completed, Entry, Medium, Outcome, Submission};
pub use error::{Error, ErrorKind};
pub use log::Log;
pub use lost::LostCommand;
pub use moment::Moment;
pub use reader::Reader;
pub use recorder::Recorder;
pub use stage::Stage;
pub use states::{Loss, Place, States};
pub use view::View;
