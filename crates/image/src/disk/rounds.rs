//! Making stable, in rounds: a helper makes one round after another, each for all who asked before it began. So however
//! many flushes, stable writes and resets are in flight, they share one `fdatasync` and one journal record.

use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::Inner;

/// Called when the round is over: whether it is stable.
type Then = Box<dyn FnOnce(&Arc<Inner>, bool) + Send>;

/// What is to be stable.
pub(super) enum What {
    /// All that was written, and all zones as they are.
    All,
    /// That these zones were reset.
    Reset(Vec<u32>),
}

#[derive(Default)]
pub(super) struct Rounds(Mutex<State>);

#[derive(Default)]
struct State {
    asked: Vec<(What, Then)>,
    /// A helper is at it, and looks again after its round.
    running: bool,
}

impl Rounds {
    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Inner {
    /// Has a helper call `then` when `what` is stable as it is now, or could not be made so: the cause is noted then.
    pub(super) fn when_stable(
        self: &Arc<Self>,
        what: What,
        then: impl FnOnce(&Arc<Inner>, bool) + Send + 'static,
    ) {
        let mut state = self.rounds.state();
        state.asked.push((what, Box::new(then)));
        if !std::mem::replace(&mut state.running, true) {
            drop(state);
            let inner = Arc::clone(self);
            self.helpers.run(move || inner.make_rounds());
        }
    }

    fn make_rounds(self: &Arc<Self>) {
        loop {
            let mut state = self.rounds.state();
            let asked = std::mem::take(&mut state.asked);
            state.running = !asked.is_empty();
            drop(state);
            if asked.is_empty() {
                return;
            }
            let stable = self.make_round(&asked);
            for (_, then) in asked {
                then(self, stable);
            }
        }
    }

    fn make_round(&self, asked: &[(What, Then)]) -> bool {
        let mut reset = Vec::new();
        for (what, _) in asked {
            match what {
                // Zones that were reset are among all.
                What::All => return self.noted("make data stable in", self.flushed()),
                What::Reset(zones) => reset.extend(zones),
            }
        }
        let made = self.durability.reset(&self.machine, &reset);
        self.noted("make a reset stable in", made)
    }

    /// Whether it was done.
    fn noted(&self, doing: &str, done: io::Result<()>) -> bool {
        done.map_err(|error| self.causes.note(doing, error)).is_ok()
    }
}
