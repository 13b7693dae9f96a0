//! An emulated zoned disk's file: data and zone state.
//!
//! [`Disk::execute`] runs one SCSI command: the device model (`zbc`) decides, this crate carries the
//! plan out on the file. Knows no virtio and no Python.
//!
//! What a completed command changed survives the end of the process, however it ends, `kill -9`
//! included: data and zone state are in the page cache by then. It does not always survive a crash of
//! the host: SYNCHRONIZE CACHE makes both stable, but FUA makes only the data stable, not the write
//! pointer, and nothing orders the two.

mod crc32c;
mod disk;
mod error;
mod file;
mod header;
mod inspect;
mod layout;
mod lock;
mod medium;
mod outcome;
mod random;
mod slices;
mod table;

pub use disk::Disk;
pub use error::{Error, ErrorKind};
pub use inspect::{inspect, Inspection};
pub use lock::Holder;
pub use outcome::Outcome;
pub use random::identity as random_identity;
