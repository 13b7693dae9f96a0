//! A vhost-user-scsi back end: the vhost-user session, the virtqueues, task management.
//!
//! It moves bytes between a guest's memory and the logical units of a SCSI target; what a command means is their
//! business. Commands are begun in one thread a request queue, and complete in any order. The guest is not trusted:
//! whatever it writes into its rings, it gets an error or a ring that stops, and [`Server::last_error`] says why. Nor is
//! the front end (QEMU): whatever it sends, and whatever becomes of the memory and the descriptors that it shares, is the
//! end of its connection at worst. There is one at a time; another is refused.
//!
//! Events are never sent, and sense data and CDBs have virtio-scsi's default lengths, 96 and 32 bytes.
#![forbid(unsafe_code)]

mod chain;
mod connection;
mod device;
mod flights;
#[cfg(feature = "fuzzing")]
#[doc(hidden)]
pub mod fuzzing;
mod inflight;
mod queue;
mod regions;
mod request;
mod ring;
mod server;
mod session;
mod wire;
mod worker;

pub use server::{listen, Error};
pub use serving::Server;
