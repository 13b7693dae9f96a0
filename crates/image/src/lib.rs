//! An emulated zoned disk's file: data and zone state.
//!
//! [`Disk`] is a zoned disk: the machine at the waist (`zoned`) decides, this crate carries its plans out on the file.
//! Knows no protocol, no transport and no Python.
//!
//! What a completed request changed survives the end of the process, however it ends, `kill -9`
//! included: data and zone state are in the page cache by then. What a flush, a stable write, a finish and a
//! reset made stable survives a crash of the host too, as does the condition of a zone that was made
//! to fail, and after one no write pointer is above stable data.

#[cfg(test)]
extern crate self as image;

mod ahead;
mod attributes;
mod bytes;
mod causes;
mod check;
mod conditions;
mod copying;
#[cfg(test)]
mod crash;
mod disk;
mod durability;
mod error;
mod export;
#[cfg(test)]
mod failing;
mod file;
mod gate;
mod header;
mod helpers;
mod inspect;
mod journal;
mod layout;
mod live;
mod lock;
mod medium;
mod power;
mod random;
mod repair;
mod resize;
mod saved;
mod slots;
mod snapshot;
mod state;
mod store;
mod table;
mod undo;
#[cfg(test)]
#[path = "../tests/common/unit.rs"]
mod unit;

pub use attributes::Owner;
pub use check::{check, Finding};
pub use conditions::set_zones;
pub use copying::Progress;
pub use disk::{Cache, Disk};
pub use error::{Error, ErrorKind};
pub use export::export;
pub use file::temporary as unnamed_file;
pub use inspect::{inspect, Inspection, Sums, Zones};
pub use lock::Holder;
pub use power::{Cut, CutZone, Loss};
pub use random::identity as random_identity;
pub use repair::repair;
pub use resize::resize;
pub use snapshot::{restore, snapshot};
