//! The waist: a zoned medium, whatever protocol presents it and whatever keeps its data.
//!
//! Operations come in ([`Request`]), and what came of them goes out ([`Completion`]: an [`Answer`], or a [`Refusal`]
//! that says why not, in facts and never in a protocol's codes). [`Machine`] decides and never does I/O. Knows no
//! command, no file, no thread.
#![forbid(unsafe_code)]

mod data;
mod disk;
mod event;
mod geometry;
mod identity;
mod machine;
mod pending;
mod plan;
mod recommended;
mod request;
mod statistics;
mod table;
#[cfg(feature = "testing")]
pub mod testing;
mod word;
mod zone;

pub use data::Data;
pub use disk::{ZonedDisk, MOST_SAVED};
pub use event::{Event, Listener};
pub use geometry::{Geometry, GeometryError, Kind, PHYSICAL_BLOCK};
pub use identity::{Identity, IdentityError};
pub use machine::{Decided, Machine, MachineError, Resumed, Step, Waits};
pub use pending::{pending, Completer, Pending, Submitted, Ticket};
pub use plan::{Extent, Extents, Failed, Op, Plan};
pub use request::{
    Action, Answer, Blocks, Completion, Degraded, Operation, Origin, Refusal, Request, Spent,
    Target,
};
pub use statistics::Statistics;
pub use table::ZoneTable;
pub use word::{
    check_word, cut_back, decode, extended_word_of, fresh_word, is_active, place, placed,
    powered_off, word_of, written, written_bytes, WordError,
};
pub use zone::{Condition, Zone};
