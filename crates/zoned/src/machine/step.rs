//! What the machine says: what became of a request, who goes on, and why there can be no machine.

use std::fmt;

use crate::word::WordError;
use crate::{Answer, GeometryError, Plan, Refusal};

/// Why a [`Machine`] cannot be made.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum MachineError {
    Geometry(GeometryError),
    /// The table does not have one word a zone.
    Table {
        words: usize,
        zones: u32,
    },
    Word(WordError),
}

impl fmt::Display for MachineError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            MachineError::Geometry(error) => error.fmt(f),
            MachineError::Table { words, zones } => {
                write!(
                    f,
                    "the zone table has {words} words; it must have one for each of {zones} zones"
                )
            }
            MachineError::Word(error) => error.fmt(f),
        }
    }
}

impl std::error::Error for MachineError {}

/// Who waits for a request that is parked.
pub trait Waits {
    /// Whether the request may be begun: nobody took it back.
    fn begin(&self) -> bool;
}

/// What became of a request.
#[derive(Debug)]
#[must_use]
pub enum Step {
    /// It was carried out, without I/O.
    Done(Answer),
    /// This has to be carried out, and then given to [`Machine::finish`].
    Plan(Plan),
    /// It waits, and is decided later. `flush`: it waits for full zones to be stable ([`Machine::stable`]), and nobody
    /// has been asked for that yet.
    Parked { flush: bool },
}

/// A parked request that was decided.
#[derive(Debug)]
pub struct Decided<W> {
    /// Who waited.
    pub waiter: W,
    /// Never parked again.
    pub step: Result<Step, Refusal>,
}

/// What goes on because something else ended, in order of arrival.
#[derive(Debug)]
#[must_use]
pub struct Resumed<W> {
    pub decided: Vec<Decided<W>>,
    /// As of [`Step::Parked`].
    pub flush: bool,
}

/// What was decided, if it could be now.
pub(super) enum Turn<T> {
    Done(T),
    /// Only after a busy zone is released.
    Later,
    /// Only after full zones are stable.
    AfterFlush,
}

impl<T> Turn<T> {
    pub fn map<U>(self, change: impl FnOnce(T) -> U) -> Turn<U> {
        match self {
            Turn::Done(result) => Turn::Done(change(result)),
            Turn::Later => Turn::Later,
            Turn::AfterFlush => Turn::AfterFlush,
        }
    }
}
