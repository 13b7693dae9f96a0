//! Work that a logical unit does by itself: one thread at a time, whose progress can be asked for, and which can be stopped.

use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use crate::self_test::Test;

/// What is done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Work {
    Test(Test),
    Format,
    Sanitize,
}

impl Work {
    /// Whether it ends the other (SPC-5, 5.15.4).
    fn supersedes(self, other: Work) -> bool {
        !matches!(self, Work::Test(_)) && matches!(other, Work::Test(_))
    }
}

/// Why work was stopped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stopped {
    /// SEND DIAGNOSTIC said so.
    Requested,
    /// A reset, another command, or the end of power.
    Otherwise,
}

/// The work of a logical unit, if there is any.
#[derive(Default)]
pub(crate) struct Background(Mutex<State>);

#[derive(Default)]
struct State {
    current: Option<Arc<Task>>,
    thread: Option<JoinHandle<()>>,
}

/// A piece of work.
pub(crate) struct Task {
    work: Work,
    begun: Instant,
    /// How long it takes at least.
    least: Duration,
    state: Mutex<Doing>,
    changed: Condvar,
}

#[derive(Default)]
struct Doing {
    /// Of 65536.
    done: u16,
    stopped: Option<Stopped>,
}

impl Background {
    /// What is done now.
    pub fn current(&self) -> Option<Arc<Task>> {
        self.state().current.clone()
    }

    /// Has `task` done by `job` in a thread, once what was done before has ended. `false`: something is done that does not
    /// give way, or the host has no thread. The job says when it is [`Self::over`].
    pub fn start(&self, task: &Arc<Task>, job: impl FnOnce(&Task) + Send + 'static) -> bool {
        let mut state = self.state();
        if let Some(current) = &state.current {
            if !task.work.supersedes(current.work) {
                return false;
            }
            current.stop(Stopped::Otherwise);
        }
        let earlier = state.thread.take();
        let doing = Arc::clone(task);
        let run = move || {
            // Its panic would have been told where it happened.
            let _ = earlier.map(JoinHandle::join);
            job(&doing);
        };
        let thread = thread::Builder::new().name("zonevm-background".into());
        let Ok(thread) = thread.spawn(run) else {
            return false;
        };
        state.thread = Some(thread);
        state.current = Some(Arc::clone(task));
        true
    }

    /// `task` is done. Its thread may have some lines left.
    pub fn over(&self, task: &Task) {
        self.state()
            .current
            .take_if(|current| std::ptr::eq(&**current, task));
    }

    /// Stops what is done, and waits until it has ended.
    pub fn end(&self) {
        if let Some(task) = self.current() {
            task.stop(Stopped::Otherwise);
        }
        let thread = self.state().thread.take();
        let _ = thread.map(JoinHandle::join);
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Task {
    /// Work that takes at least so long.
    pub fn new(work: Work, least: Duration) -> Arc<Task> {
        Arc::new(Task {
            work,
            begun: Instant::now(),
            least,
            state: Mutex::default(),
            changed: Condvar::new(),
        })
    }

    pub fn work(&self) -> Work {
        self.work
    }

    /// How far it is, of 65536.
    pub fn progress(&self) -> u16 {
        let whole = self.least.as_millis().max(1);
        let of_time = (self.begun.elapsed().as_millis() * 65536 / whole).min(65535) as u16;
        of_time.min(self.doing().done)
    }

    /// `done` of `all` is done.
    pub fn reached(&self, done: u64, all: u64) {
        self.doing().done = (done * 65535 / all.max(1)) as u16;
    }

    /// Asks it to end early, which it does soon.
    pub fn stop(&self, how: Stopped) {
        self.doing().stopped.get_or_insert(how);
        self.changed.notify_all();
    }

    /// Why it was stopped, if it was.
    pub fn stopped(&self) -> Option<Stopped> {
        self.doing().stopped
    }

    /// Waits until it has taken as long as it takes, or was stopped.
    pub fn await_end(&self) -> Option<Stopped> {
        let mut doing = self.doing();
        loop {
            let left = self.least.saturating_sub(self.begun.elapsed());
            if doing.stopped.is_some() || left.is_zero() {
                return doing.stopped;
            }
            let waited = self.changed.wait_timeout(doing, left);
            doing = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    fn doing(&self) -> MutexGuard<'_, Doing> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
