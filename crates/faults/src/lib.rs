//! An emulated disk that fails on purpose, as a real one does, when told to.
//!
//! [`Faulty`] is a logical unit around a disk. It holds rules ([`Rule`]): what fails ([`Kind`]), where
//! ([`Place`]), at which commands, and how often. Rules come and go while a guest runs. A disk without rules
//! pays one relaxed load a command. The same commands and the same seed fail in the same way.
//!
//! Knows no ring and no Python.
#![forbid(unsafe_code)]

mod command;
mod kinds;
mod layer;
mod random;
mod rule;
mod selector;

pub use kinds::Kind;
pub use layer::{Faulty, Listed};
pub use rule::{Place, Rule, RuleError};
pub use selector::Selector;
