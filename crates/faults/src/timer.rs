//! Lets time pass without holding anything up: one thread, and what is to go on when its time has come.

use std::collections::BTreeMap;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use zoned::{pending, Completer, Submitted};

/// A clock that wakes who waits. Its thread begins with the first who does, and ends with it.
#[derive(Default)]
pub(crate) struct Timer(Arc<Shared>);

#[derive(Default)]
struct Shared {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    waiting: BTreeMap<Key, Completer<()>>,
    next: u64,
    runs: bool,
    over: bool,
}

/// When it is due, and a number of its own.
type Key = (Instant, u64);

impl Timer {
    /// Completes in `time`; at once when it is hurried.
    pub fn after(&self, time: Duration) -> Submitted<()> {
        let now = Instant::now();
        // Longer than any clock: some 30 years.
        let due = now + time.min(Duration::from_secs(1 << 30));
        let (completer, pending) = pending();
        let mut state = self.0.state();
        if !state.runs {
            let shared = Arc::clone(&self.0);
            let thread = thread::Builder::new().name("zonevm-delay".into());
            if thread.spawn(move || shared.run()).is_err() {
                // The host has no thread left: no delay is better than a command that never ends.
                return Submitted::Completed(());
            }
            state.runs = true;
        }
        let key = (due, state.next);
        state.next += 1;
        let shared = Arc::downgrade(&self.0);
        completer.when_called(move || {
            let completer = shared
                .upgrade()
                .and_then(|shared| shared.state().waiting.remove(&key));
            completer
                .into_iter()
                .for_each(|completer| completer.complete(()));
        });
        state.waiting.insert(key, completer);
        drop(state);
        self.0.changed.notify_one();
        Submitted::Pending(pending)
    }
}

impl Drop for Timer {
    fn drop(&mut self) {
        let mut state = self.0.state();
        state.over = true;
        // What they hold may lead back to here.
        let waiting = std::mem::take(&mut state.waiting);
        drop(state);
        self.0.changed.notify_one();
        drop(waiting);
    }
}

impl Shared {
    fn run(&self) {
        let mut state = self.state();
        while !state.over {
            let now = Instant::now();
            let first = state.waiting.keys().next().copied();
            state = match first {
                Some(key @ (due, _)) if due <= now => {
                    let completer = state.waiting.remove(&key);
                    drop(state);
                    completer
                        .into_iter()
                        .for_each(|completer| completer.complete(()));
                    self.state()
                }
                Some((due, _)) => {
                    let waited = self.changed.wait_timeout(state, due - now);
                    waited.unwrap_or_else(PoisonError::into_inner).0
                }
                None => self
                    .changed
                    .wait(state)
                    .unwrap_or_else(PoisonError::into_inner),
            };
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc::channel;

    use super::*;

    fn pending_of(submitted: Submitted<()>) -> zoned::Pending<()> {
        match submitted {
            Submitted::Pending(pending) => pending,
            Submitted::Completed(()) => panic!("it did not wait"),
        }
    }

    #[test]
    fn the_first_due_is_the_first_to_go_on() {
        let timer = Timer::default();
        let (told, order) = channel();
        for time in [40, 1, 20] {
            let told = told.clone();
            let delay = timer.after(Duration::from_millis(time));
            delay.then(move |()| told.send(time).unwrap());
        }
        let order: Vec<u64> = order.iter().take(3).collect();
        assert_eq!(order, [1, 20, 40]);
    }

    #[test]
    fn who_is_hurried_goes_on_and_who_is_withdrawn_does_not() {
        let timer = Timer::default();
        let (told, order) = channel();
        for withdrawn in [true, false] {
            let told = told.clone();
            let delay = pending_of(timer.after(Duration::from_secs(3600)));
            let ticket = delay.ticket();
            delay.then(move |()| told.send(withdrawn).unwrap());
            if withdrawn {
                assert!(ticket.withdraw());
            } else {
                ticket.hurry();
            }
        }
        drop(told);
        assert_eq!(order.iter().collect::<Vec<_>>(), [false]);
        assert!(timer.0.state().waiting.is_empty());
    }
}
