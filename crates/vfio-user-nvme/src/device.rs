//! What a session needs of the device that it presents to its client.

use std::fs::File;
use std::sync::Arc;

use memory::Guest;

/// A PCI device: the registers behind its base address register 0, its interrupts, its reset.
///
/// Called by the control thread, which must not wait for anything but a moment.
pub trait Device: Send + Sync {
    /// Bytes of base address register 0: a power of two.
    fn bytes(&self) -> u64;

    /// How many MSI-X vectors it has.
    fn vectors(&self) -> u16;

    /// Reads registers, at `offset` of base address register 0. What is not there reads as zeroes.
    fn read(&self, offset: u64, into: &mut [u8]);

    /// Writes registers. What is not there is not written.
    fn write(&self, offset: u64, from: &[u8]);

    /// The client's memory is this from now on. What has begun may end on the memory before.
    fn set_memory(&self, memory: Arc<Guest>);

    /// What to signal for an MSI-X vector; `None`: nothing.
    fn set_interrupt(&self, vector: u16, event: Option<Arc<File>>);

    /// A reset of the device: all that the client made of it is gone. No command is in flight when it returns.
    fn reset(&self);
}
