//! What is reserved: the state of RESERVE and RELEASE (SPC-2, 5.5, 7.21 and 7.24) and of persistent reservations, and whom
//! they refuse. Either excludes the other: compatible reservation handling (SPC-5, 5.13.3) there is none.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use command::MAX_INITIATORS;
use reservations::{Access, Table, MOST_REGISTRANTS};

use crate::answer::{Answer, Context, Reply};
use crate::entry::Conflict;

const _: () = assert!(MOST_REGISTRANTS == MAX_INITIATORS, "all can register");

/// What is reserved of a logical unit.
pub(crate) struct Reserved {
    /// Whether anything is: where nothing is, commands look no further.
    any: AtomicBool,
    state: Mutex<State>,
    /// Whose turn it is to have the disk keep what persists.
    turn: Mutex<()>,
}

pub(crate) struct State {
    pub table: Table,
    /// Who reserved the unit with RESERVE.
    pub unit: Option<u8>,
    /// What the disk was asked to keep last.
    kept: Vec<u8>,
}

impl Reserved {
    /// Power on, with what the disk keeps.
    pub fn new(kept: Vec<u8>) -> Reserved {
        let table = Table::from_kept(&kept);
        Reserved {
            any: AtomicBool::new(table.reservation().is_some()),
            state: Mutex::new(State {
                table,
                unit: None,
                kept,
            }),
            turn: Mutex::default(),
        }
    }

    /// Power on, once more.
    pub fn power_on(&self) {
        self.with(|state| {
            state.table = Table::from_kept(&state.kept);
            state.unit = None;
        });
    }

    /// LOGICAL UNIT RESET: persistent reservations stay as they are (SPC-5, 5.13.1).
    pub fn reset(&self) {
        self.with(|state| state.unit = None);
    }

    /// Whether a command that is refused under such reservations is refused now.
    pub fn refuses(&self, initiator: u8, conflict: Conflict) -> bool {
        if !self.any.load(Ordering::Relaxed) || conflict == Conflict::Never {
            return false;
        }
        let state = self.state();
        let persistently = match conflict {
            Conflict::Never | Conflict::Reserved => false,
            Conflict::Read => state.table.conflicts(initiator, Access::Read),
            Conflict::Write => state.table.conflicts(initiator, Access::Write),
        };
        persistently || state.unit.is_some_and(|by| by != initiator)
    }

    /// Has the disk keep what persists, if that is or was anything: one after the other, so that the last one has it all.
    /// Nothing is locked meanwhile that an event of the disk could wait for.
    pub fn keep<T>(&self, submit: impl FnOnce(Vec<u8>) -> T) -> Option<T> {
        let _turn = self.turn.lock().unwrap_or_else(PoisonError::into_inner);
        self.with(State::renew_kept).map(submit)
    }

    /// Looks at what is reserved, or changes it.
    pub fn with<T>(&self, of: impl FnOnce(&mut State) -> T) -> T {
        let mut state = self.state();
        let result = of(&mut state);
        let any = state.unit.is_some() || state.table.reservation().is_some();
        self.any.store(any, Ordering::Relaxed);
        result
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// What the disk is to keep from now on; `None`: nothing, as before.
    fn renew_kept(&mut self) -> Option<Vec<u8>> {
        let to_keep = self.table.to_keep();
        let before = std::mem::replace(&mut self.kept, to_keep.clone());
        (!before.is_empty() || !to_keep.is_empty()).then_some(to_keep)
    }

    fn has_registrants(&self) -> bool {
        self.table.registrants().next().is_some()
    }
}

/// RESERVE(6), (10): of the whole unit, for who sends it.
pub(crate) fn reserve(context: &Context<'_>) -> Answer {
    context.state.reserved.with(|state| {
        let is_free = state.unit.is_none_or(|by| by == context.initiator);
        if !is_free || state.has_registrants() {
            return Ok(Reply::Conflict);
        }
        state.unit = Some(context.initiator);
        Reply::GOOD
    })
}

/// RELEASE(6), (10): what another one reserved stays so, and that is no error.
pub(crate) fn release(context: &Context<'_>) -> Answer {
    context.state.reserved.with(|state| {
        if state.has_registrants() {
            return Ok(Reply::Conflict);
        }
        state.unit = state.unit.filter(|&by| by != context.initiator);
        Reply::GOOD
    })
}
