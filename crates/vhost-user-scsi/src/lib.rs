//! A vhost-user-scsi back end: the vhost-user session, the virtqueues, task management.
//!
//! It moves bytes between a guest's memory and logical units ([`Lun`]); what a command means is the
//! logical unit's business. Commands run in one thread a request queue. The guest is not trusted: whatever it
//! writes into its rings, it gets an error or a ring that stops, and [`Server::last_error`] says why. Nor is the
//! front end (QEMU): whatever it sends, and whatever becomes of the memory and the descriptors that it shares, is the
//! end of its connection at worst. There is one at a time; another is refused.
//!
//! Events are never sent, and sense data and CDBs have virtio-scsi's default lengths, 96 and 32 bytes.
#![forbid(unsafe_code)]

mod chain;
mod connection;
mod device;
mod event;
#[cfg(feature = "fuzzing")]
#[doc(hidden)]
pub mod fuzzing;
mod memory;
mod queue;
mod request;
mod ring;
mod server;
mod session;
mod target;
mod wire;
mod worker;

pub use queue::current_queue;
pub use server::{Error, Server};

use std::time::Duration;

use image::Outcome;
use vm_memory::VolatileSlice;

/// Lets so much time pass, or less.
pub type Pause<'a> = &'a dyn Fn(Duration);

/// A logical unit: carries out SCSI commands.
pub trait Lun: Send + Sync {
    /// Runs one command to its end. `cdb` is 32 bytes long, whatever the command's own length is.
    ///
    /// `out` is what the initiator sends, `into` what it receives into. Both are guest memory: the guest can
    /// change them at any moment, and they may overlap. Called from several threads at a time.
    ///
    /// A unit that wants to let time pass calls `pause`, which returns early when the command's ring has to
    /// stop: the command is to end without more ado then. `None`: the command is never answered.
    fn execute(
        &self,
        cdb: &[u8],
        out: &[VolatileSlice<'_>],
        into: &[VolatileSlice<'_>],
        pause: Pause<'_>,
    ) -> Option<Outcome>;

    /// Logical unit reset. No command that was sent before the reset is in flight.
    fn reset(&self);
}

impl Lun for image::Disk {
    fn execute(
        &self,
        cdb: &[u8],
        out: &[VolatileSlice<'_>],
        into: &[VolatileSlice<'_>],
        _: Pause<'_>,
    ) -> Option<Outcome> {
        Some(image::Disk::execute(self, cdb, out, into))
    }

    fn reset(&self) {
        image::Disk::reset(self);
    }
}
