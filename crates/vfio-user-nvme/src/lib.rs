//! An NVMe controller over vfio-user: the session with its client (QEMU), the registers, doorbells, queues and interrupts.
//! Knows no command's meaning.
#![forbid(unsafe_code)]

mod alarms;
mod completion;
mod device;
mod dma;
mod flights;
mod interrupt;
mod nvme_device;
mod pci;
mod registers;
mod server;
mod session;
mod shadow;
mod submission;
mod transfer;
mod wire;
mod wires;

pub use device::Device;
pub use nvme_device::NvmeDevice;
pub use server::{listen, Error};
pub use session::serve;
