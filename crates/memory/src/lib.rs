//! Memory that requests own: [`Guest`] memory, shared with a guest, and [`Scatter`], the pieces of it, or of bytes of
//! our own, that a request reads from or writes to. Knows no queue and no command.

mod guest;
mod scatter;

pub use guest::Guest;
pub use scatter::Scatter;
