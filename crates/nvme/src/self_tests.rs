//! Device self-tests (NVMe 1.4, 5.8, 5.14.1.6 and 8.11): the one that runs, and the results of those that ran, which the
//! disk of the first namespace keeps.

use std::collections::VecDeque;
use std::ops::Range;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use crate::Status;

/// Under which number results are kept.
pub(crate) const KEPT_AS: u32 = 6;

/// How many results are kept, and how long one is.
const RESULTS: usize = 20;
const RESULT: usize = 28;

/// How long tests take at least. Identify says a minute, which is the least that it can.
const SHORT: Duration = Duration::from_secs(2);
const EXTENDED: Duration = Duration::from_secs(10);
pub(crate) const EXTENDED_MINUTES: u16 = 1;

/// Which test, by its self-test code.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Kind {
    Short = 1,
    Extended = 2,
}

/// How a test ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ended {
    Passed,
    /// By the command.
    Aborted,
    Reset,
    Formatted,
    /// A block of this namespace could not be read.
    Failed {
        namespace: u32,
        lba: u64,
    },
    PowerOff,
}

/// A test that was begun.
pub(crate) struct Test {
    pub kind: Kind,
    /// The namespaces whose media are read, by their indexes.
    pub namespaces: Range<usize>,
    begun: Instant,
    /// How much of the media was read.
    percent: AtomicU32,
    is_over: Mutex<bool>,
    over: Condvar,
}

/// The self-tests of a controller.
pub(crate) struct SelfTests {
    state: Mutex<State>,
    keep: Box<dyn Fn(Vec<u8>) + Send + Sync>,
}

struct State {
    /// The newest first.
    results: VecDeque<[u8; RESULT]>,
    current: Option<Arc<Test>>,
    thread: Option<JoinHandle<()>>,
}

impl Test {
    pub fn new(kind: Kind, namespaces: Range<usize>) -> Arc<Test> {
        Arc::new(Test {
            kind,
            namespaces,
            begun: Instant::now(),
            percent: AtomicU32::new(0),
            is_over: Mutex::default(),
            over: Condvar::new(),
        })
    }

    /// `done` of `all` is read.
    pub fn reached(&self, done: u64, all: u64) {
        let percent = done * 100 / all.max(1);
        self.percent.store(percent as u32, Ordering::Relaxed);
    }

    /// It has ended early, and nothing more is to be read.
    pub fn is_over(&self) -> bool {
        *self.locked()
    }

    /// Waits until it has taken as long as it takes, or is over.
    pub fn await_end(&self) {
        let mut is_over = self.locked();
        loop {
            let left = self.least().saturating_sub(self.begun.elapsed());
            if *is_over || left.is_zero() {
                return;
            }
            let waited = self.over.wait_timeout(is_over, left);
            is_over = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    fn stop(&self) {
        *self.locked() = true;
        self.over.notify_all();
    }

    fn least(&self) -> Duration {
        match self.kind {
            Kind::Short => SHORT,
            Kind::Extended => EXTENDED,
        }
    }

    fn progress(&self) -> u8 {
        let of_time = self.begun.elapsed().as_millis() * 100 / self.least().as_millis();
        let read = self.percent.load(Ordering::Relaxed);
        of_time.min(read.into()).min(99) as u8
    }

    fn locked(&self) -> MutexGuard<'_, bool> {
        self.is_over.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl SelfTests {
    /// Power on, with the results that were kept. `keep` has them kept, and does not wait.
    pub fn new(kept: &[u8], keep: impl Fn(Vec<u8>) + Send + Sync + 'static) -> SelfTests {
        let results = kept.chunks_exact(RESULT).take(RESULTS);
        let results = results.filter_map(|bytes| bytes.try_into().ok());
        SelfTests {
            state: Mutex::new(State {
                results: results.collect(),
                current: None,
                thread: None,
            }),
            keep: Box::new(keep),
        }
    }

    /// Has `job` done in a thread, which says when the test [has ended](Self::end). One at a time.
    pub fn start(
        &self,
        test: &Arc<Test>,
        job: impl FnOnce() + Send + 'static,
    ) -> Result<(), Status> {
        let mut state = self.state();
        if state.current.is_some() {
            return Err(Status::SELF_TEST_IN_PROGRESS);
        }
        let earlier = state.thread.take();
        let run = move || {
            // Its panic would have been told where it happened.
            let _ = earlier.map(JoinHandle::join);
            job();
        };
        let thread = thread::Builder::new().name("zonevm-self-test".into());
        let thread = thread.spawn(run).map_err(|_| Status::INTERNAL_ERROR)?;
        state.thread = Some(thread);
        state.current = Some(Arc::clone(test));
        Ok(())
    }

    /// The test that runs has ended so, if it is one of these; `hours` is how long there was power.
    pub fn end(&self, is_one: impl FnOnce(&Arc<Test>) -> bool, ended: Ended, hours: u64) {
        let mut state = self.state();
        let Some(test) = state.current.take_if(|test| is_one(test)) else {
            return;
        };
        test.stop();
        state.results.push_front(result(test.kind, ended, hours));
        state.results.truncate(RESULTS);
        let results = state.results.iter().flatten().copied();
        (self.keep)(results.collect());
    }

    /// Waits until the thread of the last test has ended, which does so soon once the test has.
    pub fn join(&self) {
        let thread = self.state().thread.take();
        let _ = thread.map(JoinHandle::join);
    }

    /// The log page (06h).
    pub fn page(&self) -> Vec<u8> {
        const UNUSED: [u8; RESULT] = {
            let mut result = [0; RESULT];
            result[0] = 0xF;
            result
        };
        let state = self.state();
        let running = state.current.as_ref();
        let mut page = match running {
            Some(test) => vec![test.kind as u8, test.progress(), 0, 0],
            None => vec![0; 4],
        };
        let listed = state.results.iter().chain(std::iter::repeat(&UNUSED));
        page.extend(listed.take(RESULTS).flatten());
        page
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A self-test result.
fn result(kind: Kind, ended: Ended, hours: u64) -> [u8; RESULT] {
    /// The media are the only segment.
    const SEGMENT: u8 = 1;
    /// Namespace, LBA and status.
    const ALL_VALID: u8 = 0b1111;
    let code = match ended {
        Ended::Passed => 0x0,
        Ended::Aborted => 0x1,
        Ended::Reset => 0x2,
        Ended::Formatted => 0x4,
        Ended::Failed { .. } => 0x7,
        Ended::PowerOff => 0x8,
    };
    let mut bytes = [0; RESULT];
    bytes[0] = (kind as u8) << 4 | code;
    bytes[4..12].copy_from_slice(&hours.to_le_bytes());
    if let Ended::Failed { namespace, lba } = ended {
        let [status, kind] = Status::UNRECOVERED_READ_ERROR.code().to_le_bytes();
        bytes[1] = SEGMENT;
        bytes[2] = ALL_VALID;
        bytes[12..16].copy_from_slice(&namespace.to_le_bytes());
        bytes[16..24].copy_from_slice(&lba.to_le_bytes());
        bytes[24..26].copy_from_slice(&[kind, status]);
    }
    bytes
}
