//! Requests in flight, for a power cut: it waits for them, and those that come meanwhile wait for it.

use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};

/// A gate that can be closed. `T` is who waits before it.
pub(crate) struct Gate<T> {
    state: Mutex<State<T>>,
    empty: Condvar,
    /// One at a time is alone.
    alone: Mutex<()>,
}

struct State<T> {
    inside: usize,
    closed: bool,
    waiting: Vec<T>,
}

impl<T> Default for Gate<T> {
    fn default() -> Gate<T> {
        Gate {
            state: Mutex::new(State {
                inside: 0,
                closed: false,
                waiting: Vec::new(),
            }),
            empty: Condvar::new(),
            alone: Mutex::new(()),
        }
    }
}

impl<T> Gate<T> {
    /// Enters, unless the gate is closed: then `wait` makes who waits before it.
    pub fn enter(&self, wait: impl FnOnce() -> T) -> bool {
        let mut state = self.state();
        if state.closed {
            state.waiting.push(wait());
        } else {
            state.inside += 1;
        }
        !state.closed
    }

    /// Leaves.
    pub fn leave(&self) {
        let mut state = self.state();
        state.inside -= 1;
        if state.inside == 0 {
            self.empty.notify_all();
        }
    }

    /// Runs `within` while nobody is inside, and returns what it does and who waited meanwhile, in order of arrival: they
    /// are inside now.
    pub fn alone<R>(&self, within: impl FnOnce() -> R) -> (R, Vec<T>) {
        let _one = self.alone.lock().unwrap_or_else(PoisonError::into_inner);
        let mut state = self.state();
        state.closed = true;
        while state.inside > 0 {
            let waited = self.empty.wait(state);
            state = waited.unwrap_or_else(PoisonError::into_inner);
        }
        drop(state);
        let result = within();
        let mut state = self.state();
        state.closed = false;
        let waited = std::mem::take(&mut state.waiting);
        state.inside += waited.len();
        (result, waited)
    }

    fn state(&self) -> MutexGuard<'_, State<T>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
