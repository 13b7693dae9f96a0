//! Alarms of interrupts that wait for more completions: one thread for all, which starts with the first.

use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError, Weak};
use std::thread::{self, JoinHandle};
use std::time::Instant;

use crate::interrupt::Interrupt;

/// The alarms of a device.
#[derive(Default)]
pub(crate) struct Alarms {
    clock: Arc<Clock>,
    thread: Mutex<Option<JoinHandle<()>>>,
}

#[derive(Default)]
struct Clock {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    /// At most one a queue.
    set: Vec<(Instant, Weak<Interrupt>)>,
    is_over: bool,
}

impl Alarms {
    /// Sets an alarm. `false`: the host has no thread for it.
    pub fn set(&self, at: Instant, interrupt: &Arc<Interrupt>) -> bool {
        let mut thread = self.thread.lock().unwrap_or_else(PoisonError::into_inner);
        if thread.is_none() {
            let clock = Arc::clone(&self.clock);
            let named = thread::Builder::new().name("zonevm-nvme-alarms".into());
            *thread = named.spawn(move || clock.run()).ok();
        }
        if thread.is_none() {
            return false;
        }
        drop(thread);
        self.clock.state().set.push((at, Arc::downgrade(interrupt)));
        self.clock.changed.notify_all();
        true
    }

    #[cfg(test)]
    pub fn has_thread(&self) -> bool {
        self.thread
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .is_some()
    }
}

impl Drop for Alarms {
    fn drop(&mut self) {
        self.clock.state().is_over = true;
        self.clock.changed.notify_all();
        let thread = self.thread.get_mut();
        let thread = thread.unwrap_or_else(PoisonError::into_inner).take();
        // Its panic would have been told where it happened.
        let _ = thread.map(JoinHandle::join);
    }
}

impl Clock {
    fn run(&self) {
        let mut state = self.state();
        while !state.is_over {
            let now = Instant::now();
            let (due, later) = state.set.drain(..).partition(|(at, _)| *at <= now);
            state.set = later;
            let due: Vec<(Instant, Weak<Interrupt>)> = due;
            if !due.is_empty() {
                drop(state);
                let interrupts = due.iter().filter_map(|(_, interrupt)| interrupt.upgrade());
                interrupts.for_each(|interrupt| interrupt.time_is_up());
                state = self.state();
                continue;
            }
            state = match state.set.iter().map(|(at, _)| *at).min() {
                Some(at) => {
                    let waited = self.changed.wait_timeout(state, at - now);
                    waited.unwrap_or_else(PoisonError::into_inner).0
                }
                None => {
                    let waited = self.changed.wait(state);
                    waited.unwrap_or_else(PoisonError::into_inner)
                }
            };
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
