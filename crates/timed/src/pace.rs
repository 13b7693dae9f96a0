//! When completions are told: a model, its virtual clock, and one thread that waits for the real one.
//!
//! A command's virtual arrival is the latest virtual completion that its driver had seen when it sent it. While nothing
//! is in flight virtual time stands still, and runs with the real one from the next command on. What the host takes is
//! caught up with: how late completions are, up to a moment, and a little between a completion and the command that
//! follows, which an emulated guest takes much longer for than a real one. Knows no disk.

use std::collections::BTreeMap;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use timing::{model, Done, Medium, Model, Nanos, Profile, Work};

/// More than this, in nanoseconds, is not caught up with: virtual time begins anew.
const MOMENT: Nanos = 100_000_000;
/// As long as this, in nanoseconds, a host may take between a completion that was in time and the next command.
const BETWEEN: Nanos = 3_000_000;
/// A completion that comes later than this after its time is a late one.
const LATE: Nanos = 100_000;

/// What was told so far, and how late.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Told {
    /// Completions.
    pub commands: u64,
    /// Those that came more than 0.1 ms after their time.
    pub late: u64,
    /// How late all of them were, together.
    pub lateness: Nanos,
    /// How late the latest was.
    pub latest: Nanos,
    /// The virtual time of the last one.
    pub time: Nanos,
}

type Then = Box<dyn FnOnce(Done) + Send>;

/// The clock of a device.
pub struct Pace {
    shared: Arc<Shared>,
}

struct Shared {
    state: Mutex<State>,
    changed: Condvar,
    epoch: Instant,
}

struct State {
    model: Box<dyn Model>,
    /// Who waits, by token.
    waiting: BTreeMap<u64, Then>,
    next_token: u64,
    /// The real time at which virtual time began.
    offset: Nanos,
    told: Told,
    /// How late the last completion was.
    lateness: Nanos,
    /// The power is off: nothing is told, and nobody waits.
    off: bool,
    over: bool,
}

impl Pace {
    /// The clock of a device of this profile and medium; its thread ends with it.
    ///
    /// # Errors
    /// If no thread can be started.
    pub fn start(profile: &Profile, medium: Medium) -> std::io::Result<Pace> {
        let shared = Arc::new(Shared {
            state: Mutex::new(State {
                model: model(profile, medium),
                waiting: BTreeMap::new(),
                next_token: 0,
                offset: 0,
                told: Told::default(),
                lateness: 0,
                off: false,
                over: false,
            }),
            changed: Condvar::new(),
            epoch: Instant::now(),
        });
        let pacing = Arc::clone(&shared);
        thread::Builder::new()
            .name("zonevm-timing".into())
            .spawn(move || pacing.run())?;
        Ok(Pace { shared })
    }

    /// Has a command arrive now. `then` runs in the thread of the clock when it has ended, never if power goes before.
    pub fn submit(&self, work: Work, then: impl FnOnce(Done) + Send + 'static) {
        let shared = &self.shared;
        let mut state = shared.state();
        if state.off || state.over {
            drop(state);
            drop(then);
            return;
        }
        let was_idle = state.waiting.is_empty();
        if was_idle {
            let idle = shared.now().saturating_sub(state.told.time + state.offset);
            if idle > BETWEEN + state.lateness {
                state.offset += idle;
            }
        }
        let token = state.next_token;
        state.next_token += 1;
        state.waiting.insert(token, Box::new(then));
        let arrival = state.told.time;
        let before = state.model.next();
        state.model.submit(arrival, token, work);
        if was_idle || state.model.next() < before {
            drop(state);
            shared.changed.notify_one();
        }
    }

    /// The power goes: nothing that waits ends, nor does what comes, until power is back.
    pub fn power_off(&self) {
        let mut state = self.shared.state();
        state.off = true;
        let waiting = std::mem::take(&mut state.waiting);
        drop(state);
        // What they hold may lead back to here.
        drop(waiting);
    }

    /// Whether the power is off.
    pub fn is_off(&self) -> bool {
        self.shared.state().off
    }

    /// The power is back.
    pub fn power_on(&self) {
        self.shared.state().off = false;
    }

    /// What was told so far.
    pub fn told(&self) -> Told {
        self.shared.state().told
    }
}

impl Drop for Pace {
    fn drop(&mut self) {
        let mut state = self.shared.state();
        state.over = true;
        let waiting = std::mem::take(&mut state.waiting);
        drop(state);
        self.shared.changed.notify_one();
        drop(waiting);
    }
}

impl Shared {
    fn run(&self) {
        let mut done = Vec::new();
        let mut state = self.state();
        while !state.over {
            // Virtual time stands still while nobody waits, also for what the device would do by itself.
            let next = state.model.next().filter(|_| !state.waiting.is_empty());
            let Some(next) = next else {
                state = waited(self.changed.wait(state));
                continue;
            };
            let due = next + state.offset;
            let now = self.now();
            if now < due {
                let wait = Duration::from_nanos(due - now);
                let result = self.changed.wait_timeout(state, wait);
                state = result.unwrap_or_else(PoisonError::into_inner).0;
                continue;
            }
            if now - due > MOMENT {
                state.offset += now - due;
            }
            state.model.advance(next, &mut done);
            let ended = state.end(now, &mut done);
            if !ended.is_empty() {
                drop(state);
                ended.into_iter().for_each(|(then, done)| then(done));
                state = self.state();
            }
        }
    }

    /// Nanoseconds since the clock began.
    fn now(&self) -> Nanos {
        self.epoch.elapsed().as_nanos() as Nanos
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// Those whose commands ended, and what is counted of them.
    fn end(&mut self, now: Nanos, done: &mut Vec<Done>) -> Vec<(Then, Done)> {
        let mut ended = Vec::new();
        for done in done.drain(..) {
            let Some(then) = self.waiting.remove(&done.token) else {
                continue;
            };
            let lateness = now.saturating_sub(done.ended + self.offset);
            self.lateness = lateness;
            let told = &mut self.told;
            told.commands += 1;
            told.late += u64::from(lateness > LATE);
            told.lateness += lateness;
            told.latest = told.latest.max(lateness);
            told.time = told.time.max(done.ended);
            ended.push((then, done));
        }
        ended
    }
}

fn waited<'a>(
    result: Result<MutexGuard<'a, State>, PoisonError<MutexGuard<'a, State>>>,
) -> MutexGuard<'a, State> {
    result.unwrap_or_else(PoisonError::into_inner)
}
