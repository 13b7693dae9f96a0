//! Threads for what must wait: a disk's flushes, resets, and reads of what is not in the page cache. They begin when there is work, and end with the disk.

use std::cell::Cell;
use std::collections::VecDeque;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;

/// The most threads of a disk. They wait for the host's disk, not for a processor.
const MOST: usize = 16;

thread_local! {
    static HELPS: Cell<bool> = const { Cell::new(false) };
}

type Job = Box<dyn FnOnce() + Send>;

/// Whether this thread is a helper, of any disk: it may wait.
pub(crate) fn is_helper() -> bool {
    HELPS.get()
}

#[derive(Default)]
pub(crate) struct Helpers(Arc<Shared>);

#[derive(Default)]
struct Shared {
    state: Mutex<State>,
    /// There is a job, or there will be none any more.
    work: Condvar,
    /// A thread has ended.
    ended: Condvar,
}

#[derive(Default)]
struct State {
    jobs: VecDeque<Job>,
    threads: usize,
    idle: usize,
    closed: bool,
}

impl Helpers {
    /// Has `job` run by a helper; here, if the host has no thread for one.
    pub fn run(&self, job: impl FnOnce() + Send + 'static) {
        let mut state = self.0.state();
        state.jobs.push_back(Box::new(job));
        if state.idle >= state.jobs.len() || state.threads >= MOST {
            drop(state);
            self.0.work.notify_one();
            return;
        }
        let shared = Arc::clone(&self.0);
        let thread = thread::Builder::new().name("zonevm-helper".into());
        match thread.spawn(move || shared.help()) {
            Ok(_) => state.threads += 1,
            Err(_) if state.threads > 0 => {}
            Err(error) => {
                log::warn!("no thread to wait for the host's disk: {error}");
                let jobs = std::mem::take(&mut state.jobs);
                drop(state);
                jobs.into_iter().for_each(|job| job());
            }
        }
    }

    /// Waits until all is done, and ends the threads.
    pub fn close(&self) {
        let mut state = self.0.state();
        state.closed = true;
        self.0.work.notify_all();
        // A helper that drops the disk does not wait for itself.
        let left = usize::from(is_helper());
        while state.threads > left {
            let waited = self.0.ended.wait(state);
            state = waited.unwrap_or_else(PoisonError::into_inner);
        }
    }
}

impl Shared {
    fn help(&self) {
        HELPS.set(true);
        let mut state = self.state();
        loop {
            if let Some(job) = state.jobs.pop_front() {
                drop(state);
                job();
                state = self.state();
            } else if state.closed {
                state.threads -= 1;
                self.ended.notify_all();
                return;
            } else {
                state.idle += 1;
                let waited = self.work.wait(state);
                state = waited.unwrap_or_else(PoisonError::into_inner);
                state.idle -= 1;
            }
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
