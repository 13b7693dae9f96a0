//! Self-tests (SPC-5, 5.15): a thread reads the medium, and time passes. Their results are kept by the disk.

use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use zoned::{Blocks, Data, Operation, Origin, Refusal, Request, ZonedDisk};

use crate::unit::saved;

/// How long tests take at least.
const SHORT: Duration = Duration::from_secs(2);
pub(crate) const EXTENDED: Duration = Duration::from_secs(10);
/// How much is read at a time.
const STEP: u64 = 1 << 20;
/// Of how many zones a short test reads something.
const FEW: u32 = 64;

/// A result as the self-test results log page has it, without code and length.
pub(crate) type TestResult = [u8; 16];

/// How many there are in the log page.
const RESULTS: usize = 20;

/// Which test, by its SELF-TEST CODE in SEND DIAGNOSTIC.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Test {
    BackgroundShort = 1,
    BackgroundExtended = 2,
    ForegroundShort = 5,
    ForegroundExtended = 6,
}

impl Test {
    fn is_short(self) -> bool {
        matches!(self, Test::BackgroundShort | Test::ForegroundShort)
    }

    pub fn is_foreground(self) -> bool {
        matches!(self, Test::ForegroundShort | Test::ForegroundExtended)
    }
}

/// How a test ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ended {
    Passed,
    /// By SEND DIAGNOSTIC.
    Aborted,
    /// By a reset, or the end of power.
    Reset,
    /// A block could not be read.
    Failed {
        lba: u64,
    },
}

/// The self-tests of a logical unit: the one that runs, if any, and the results of those that ran.
pub(crate) struct SelfTests {
    state: Mutex<State>,
    changed: Condvar,
}

struct State {
    /// The newest first.
    results: Vec<TestResult>,
    running: Option<Running>,
    thread: Option<JoinHandle<()>>,
}

struct Running {
    test: Test,
    begun: Instant,
    /// How much was read, of 65536.
    read: u16,
    abort: Option<Ended>,
}

impl SelfTests {
    /// Those whose results were kept.
    pub fn new(kept: &[u8]) -> SelfTests {
        let results = kept.chunks_exact(16).take(RESULTS);
        SelfTests {
            state: Mutex::new(State {
                results: results.filter_map(|bytes| bytes.try_into().ok()).collect(),
                running: None,
                thread: None,
            }),
            changed: Condvar::new(),
        }
    }

    /// All results of the log page: zeroes where there is none.
    pub fn results(&self) -> [TestResult; RESULTS] {
        let state = self.state();
        let running = state
            .running
            .as_ref()
            .map(|running| result(running.test, 0xF, 0, None));
        let mut listed = running.into_iter().chain(state.results.iter().copied());
        std::array::from_fn(|_| listed.next().unwrap_or_default())
    }

    /// How far the test is that runs, of 65536.
    pub fn progress(&self) -> Option<u16> {
        let state = self.state();
        let running = state.running.as_ref()?;
        let passed = running.begun.elapsed().as_millis();
        let whole = duration(running.test).as_millis();
        let of_time = (passed * 65536 / whole).min(65535) as u16;
        Some(of_time.min(running.read))
    }

    /// Aborts the test that runs; `false`: none does. It ends soon.
    pub fn abort(&self, how: Ended) -> bool {
        let mut state = self.state();
        let Some(running) = &mut state.running else {
            return false;
        };
        running.abort.get_or_insert(how);
        self.changed.notify_all();
        true
    }

    /// Ends what runs, and waits until it has.
    pub fn stop(&self) {
        self.abort(Ended::Reset);
        let thread = self.state().thread.take();
        if let Some(thread) = thread {
            // Its panic would have been told where it happened.
            let _ = thread.join();
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn duration(test: Test) -> Duration {
    if test.is_short() {
        SHORT
    } else {
        EXTENDED
    }
}

/// Starts a test; `false`: one runs already, or the host has no thread for it. `hours` says for how long power was on
/// when it has ended. `then` is told how it did, once the disk was asked to keep the result.
pub(crate) fn start<D: Data>(
    tests: &Arc<SelfTests>,
    disk: Arc<dyn ZonedDisk<D>>,
    test: Test,
    hours: impl Fn() -> u16 + Send + 'static,
    then: impl FnOnce(Ended) + Send + 'static,
) -> bool {
    let mut state = tests.state();
    if state.running.is_some() {
        return false;
    }
    let mine = Arc::clone(tests);
    let earlier = state.thread.take();
    let thread = thread::Builder::new().name("zonevm-self-test".into());
    let run = move || {
        // It has ended but for its last lines. Who waits for this thread waits for that, too.
        earlier.map(JoinHandle::join);
        let ended = mine.run(&*disk, test);
        let kept = mine.end(test, hours(), ended);
        let kind = saved::SELF_TESTS;
        let save = Request::from(Operation::Save { kind });
        // Who asks for the results reads them from memory.
        drop(disk.submit(save, &D::of(kept)));
        then(ended);
    };
    let Ok(thread) = thread.spawn(run) else {
        return false;
    };
    state.running = Some(Running {
        test,
        begun: Instant::now(),
        read: 0,
        abort: None,
    });
    state.thread = Some(thread);
    true
}

impl SelfTests {
    fn run<D: Data>(&self, disk: &dyn ZonedDisk<D>, test: Test) -> Ended {
        let zones = disk.geometry().zones();
        let every = if test.is_short() {
            zones.div_ceil(FEW)
        } else {
            1
        };
        for zone in (0..zones).step_by(every as usize) {
            if let Some(ended) = self.read(disk, zone, test.is_short()) {
                return ended;
            }
            let read = u64::from(zone + 1) * 65535 / u64::from(zones);
            if let Some(running) = &mut self.state().running {
                running.read = read as u16;
            }
        }
        self.await_end(duration(test))
    }

    /// Reads what is written of a zone, or `little` of it. The end of the test, if that is one.
    fn read<D: Data>(&self, disk: &dyn ZonedDisk<D>, zone: u32, little: bool) -> Option<Ended> {
        let geometry = disk.geometry();
        let found = disk.zone(zone);
        let end = found.write_pointer.unwrap_or(found.start + found.len);
        let step = STEP / u64::from(geometry.block_size);
        let most = if little { step } else { u64::MAX };
        let end = end.min(found.start.saturating_add(most));
        let mut lba = found.start;
        while lba < end {
            if let Some(abort) = self.aborted() {
                return Some(abort);
            }
            let count = step.min(end - lba);
            let blocks = Blocks { lba, count };
            let request = Request {
                operation: Operation::Verify { blocks },
                origin: Origin {
                    command: "SEND DIAGNOSTIC",
                    opcode: 0x1D,
                },
            };
            let done = disk.submit(request, &D::default()).wait();
            if let Some(Err(Refusal::Unreadable { lba })) = done.map(|done| done.result) {
                return Some(Ended::Failed { lba });
            }
            lba += count;
        }
        None
    }

    fn aborted(&self) -> Option<Ended> {
        self.state().running.as_ref()?.abort
    }

    /// Waits until the test has taken as long as it takes, or was aborted.
    fn await_end(&self, duration: Duration) -> Ended {
        let mut state = self.state();
        loop {
            let Some(running) = &state.running else {
                return Ended::Reset;
            };
            let left = duration.saturating_sub(running.begun.elapsed());
            match running.abort {
                Some(how) => return how,
                None if left.is_zero() => return Ended::Passed,
                None => {}
            }
            let waited = self.changed.wait_timeout(state, left);
            state = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    /// The test is over; all results, for the disk to keep.
    fn end(&self, test: Test, hours: u16, ended: Ended) -> Vec<u8> {
        let (how, failed) = match ended {
            Ended::Passed => (0, None),
            Ended::Aborted => (1, None),
            Ended::Reset => (2, None),
            Ended::Failed { lba } => (7, Some(lba)),
        };
        let mut state = self.state();
        state.running = None;
        state.results.insert(0, result(test, how, hours, failed));
        state.results.truncate(RESULTS);
        state.results.concat()
    }
}

fn result(test: Test, how: u8, hours: u16, failed: Option<u64>) -> TestResult {
    let mut bytes = [0; 16];
    bytes[0] = (test as u8) << 5 | how;
    bytes[2..4].copy_from_slice(&hours.to_be_bytes());
    bytes[4..12].copy_from_slice(&failed.unwrap_or(u64::MAX).to_be_bytes());
    if failed.is_some() {
        bytes[12..15].copy_from_slice(&[0x03, 0x11, 0x00]);
    }
    bytes
}
