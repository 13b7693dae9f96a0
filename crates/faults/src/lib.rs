//! An emulated disk that fails on purpose, as a real one does, when told to.
//!
//! [`Faults`] holds rules ([`Rule`]): what fails ([`Kind`]), where ([`Place`]), at which commands, and how often. It acts
//! in two places: [`FaultyDisk`] is a zoned disk around a zoned disk, whose medium fails; [`FaultyUnit`] a unit around a
//! unit, whose commands do. Rules come and go while a guest runs. Without rules a command costs one relaxed load in each.
//! The same commands and the same seed fail in the same way.
//!
//! Knows no protocol, no transport and no file.
#![forbid(unsafe_code)]

mod disk;
mod error;
mod kinds;
mod matching;
mod rule;
mod rules;
mod selector;
mod timer;
mod unit;

pub use disk::FaultyDisk;
pub use error::RuleError;
pub use kinds::Kind;
pub use rule::{Place, Rule};
pub use rules::{Faults, Listed};
pub use selector::Selector;
pub use unit::FaultyUnit;
