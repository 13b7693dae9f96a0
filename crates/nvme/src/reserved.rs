//! What is reserved of a namespace, by whom, and whom that refuses (NVMe 1.4, 8.8).
//!
//! A host is known by the number that its commands have, which is kept over power cycles with its key; the identifier that
//! it gives itself is told to others, and lasts until its controller is reset.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};

use command::MAX_INITIATORS;
use reservations::{Access, Done, Notice, Refused, Table, MOST_REGISTRANTS};

use crate::host::HostIdentifier;
use crate::Status;

const _: () = assert!(MOST_REGISTRANTS == MAX_INITIATORS, "all can register");

/// What is told of hosts that have lost something.
type Listener = Box<dyn Fn(Notice) + Send + Sync>;

/// What is reserved of a namespace.
pub(crate) struct Reserved {
    /// Whether anything is: where nothing is, commands look no further.
    any: AtomicBool,
    state: Mutex<State>,
    /// Whose turn it is to have the disk keep what persists.
    turn: Mutex<()>,
    listener: OnceLock<Listener>,
}

struct State {
    table: Table,
    /// What the disk was asked to keep last.
    kept: Vec<u8>,
    /// By initiator.
    hosts: BTreeMap<u8, HostIdentifier>,
}

impl Reserved {
    /// Power on, with what the disk keeps.
    pub fn new(kept: Vec<u8>) -> Reserved {
        let table = Table::from_kept(&kept);
        Reserved {
            any: AtomicBool::new(table.reservation().is_some()),
            state: Mutex::new(State {
                table,
                kept,
                hosts: BTreeMap::new(),
            }),
            turn: Mutex::default(),
            listener: OnceLock::new(),
        }
    }

    /// Has the controller that the namespace is attached to told of notices.
    pub fn listen(&self, listener: impl Fn(Notice) + Send + Sync + 'static) {
        let is_first = self.listener.set(Box::new(listener)).is_ok();
        debug_assert!(is_first, "a namespace is attached to one controller");
    }

    /// Whether a command that needs this is in conflict with what is reserved.
    pub fn refuses(&self, initiator: u8, access: Option<Access>) -> bool {
        self.any.load(Ordering::Relaxed)
            && access.is_some_and(|access| self.state().table.conflicts(initiator, access))
    }

    /// How a host names itself from now on.
    pub fn set_host(&self, initiator: u8, host: HostIdentifier) {
        self.state().hosts.insert(initiator, host);
    }

    /// Looks at the table, and at how hosts name themselves.
    pub fn look<T>(&self, at: impl FnOnce(&Table, &BTreeMap<u8, HostIdentifier>) -> T) -> T {
        let state = self.state();
        at(&state.table, &state.hosts)
    }

    /// Changes the table, and tells who has to know.
    pub fn change(&self, how: impl FnOnce(&mut Table) -> Done) -> Result<(), Status> {
        let mut state = self.state();
        let done = how(&mut state.table);
        let is_reserved = state.table.reservation().is_some();
        self.any.store(is_reserved, Ordering::Relaxed);
        drop(state);
        let told = done.map_err(|refused| match refused {
            Refused::Conflict | Refused::Full => Status::RESERVATION_CONFLICT,
            Refused::OtherKind | Refused::NoKey | Refused::NoKind => Status::INVALID_FIELD,
        })?;
        if let Some(listener) = self.listener.get() {
            told.into_iter().for_each(listener);
        }
        Ok(())
    }

    /// Has the disk keep what persists, if that is or was anything: one after the other, so that the last one has it all.
    /// Nothing is locked meanwhile that an event of the disk could wait for.
    pub fn keep<T>(&self, submit: impl FnOnce(Vec<u8>) -> T) -> Option<T> {
        let _turn = self.turn.lock().unwrap_or_else(PoisonError::into_inner);
        let mut state = self.state();
        let to_keep = state.table.to_keep();
        let before = std::mem::replace(&mut state.kept, to_keep.clone());
        drop(state);
        (!before.is_empty() || !to_keep.is_empty()).then(|| submit(to_keep))
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
