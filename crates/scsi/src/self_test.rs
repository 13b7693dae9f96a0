//! Self-tests (SPC-5, 5.15): the medium is read, and time passes. Their results are kept by the disk.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use zoned::{Blocks, Data, Operation, Origin, Refusal, Request, ZonedDisk};

use crate::background::{Background, Stopped, Task, Work};
use crate::counters::Counter;
use crate::unit::{saved, UnitState};

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
    Stopped(Stopped),
    /// A block could not be read.
    Failed {
        lba: u64,
    },
}

/// The results of self-tests that ran, the newest first.
pub(crate) struct SelfTests(Mutex<Vec<TestResult>>);

impl SelfTests {
    /// Those that were kept.
    pub fn new(kept: &[u8]) -> SelfTests {
        let results = kept.chunks_exact(16).take(RESULTS);
        let results = results.filter_map(|bytes| bytes.try_into().ok());
        SelfTests(Mutex::new(results.collect()))
    }

    /// All results of the log page, that of a test that runs first: zeroes where there is none.
    pub fn results(&self, background: &Background) -> [TestResult; RESULTS] {
        let results = self.locked();
        let running = background.current().and_then(|task| match task.work() {
            Work::Test(test) => Some(result(test, 0xF, 0, None)),
            _ => None,
        });
        let mut listed = running.into_iter().chain(results.iter().copied());
        std::array::from_fn(|_| listed.next().unwrap_or_default())
    }

    /// The test is over; all results, for the disk to keep.
    fn end(&self, background: &Background, task: &Task, result: TestResult) -> Vec<u8> {
        let mut results = self.locked();
        background.over(task);
        results.insert(0, result);
        results.truncate(RESULTS);
        results.concat()
    }

    fn locked(&self) -> MutexGuard<'_, Vec<TestResult>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A test, to be [`run`].
pub(crate) fn task(test: Test) -> Arc<Task> {
    let least = if test.is_short() { SHORT } else { EXTENDED };
    Task::new(Work::Test(test), least)
}

/// Carries a test out; how it ended, once the disk was asked to keep the result.
pub(crate) fn run<D: Data>(
    disk: &dyn ZonedDisk<D>,
    state: &UnitState,
    task: &Task,
    test: Test,
) -> Ended {
    let ended = examine(disk, test, task);
    let (how, failed) = match ended {
        Ended::Passed => (0, None),
        Ended::Stopped(Stopped::Requested) => (1, None),
        Ended::Stopped(Stopped::Otherwise) => (2, None),
        Ended::Failed { lba } => (7, Some(lba)),
    };
    let hours = state.counters.get(Counter::SecondsOn) / 3600;
    let result = result(test, how, u16::try_from(hours).unwrap_or(u16::MAX), failed);
    let kept = state.self_tests.end(&state.background, task, result);
    let kind = saved::SELF_TESTS;
    // Who asks for the results reads them from memory.
    drop(disk.submit(Request::from(Operation::Save { kind }), &D::of(kept)));
    ended
}

fn examine<D: Data>(disk: &dyn ZonedDisk<D>, test: Test, task: &Task) -> Ended {
    let zones = disk.geometry().zones();
    let every = if test.is_short() {
        zones.div_ceil(FEW)
    } else {
        1
    };
    for zone in (0..zones).step_by(every as usize) {
        if let Some(ended) = read(disk, zone, test.is_short(), task) {
            return ended;
        }
        task.reached(u64::from(zone + 1), zones.into());
    }
    task.await_end().map_or(Ended::Passed, Ended::Stopped)
}

/// Reads what is written of a zone, or `little` of it. The end of the test, if that is one.
fn read<D: Data>(disk: &dyn ZonedDisk<D>, zone: u32, little: bool, task: &Task) -> Option<Ended> {
    let geometry = disk.geometry();
    let found = disk.zone(zone);
    let end = found.write_pointer.unwrap_or(found.start + found.len);
    let step = STEP / u64::from(geometry.block_size);
    let most = if little { step } else { u64::MAX };
    let end = end.min(found.start.saturating_add(most));
    let mut lba = found.start;
    while lba < end {
        if let Some(stopped) = task.stopped() {
            return Some(Ended::Stopped(stopped));
        }
        let count = step.min(end - lba);
        let blocks = Blocks { lba, count };
        let request = Request {
            operation: Operation::Verify { blocks },
            origin: Origin::of("SEND DIAGNOSTIC", 0x1D),
        };
        let done = disk.submit(request, &D::default()).wait();
        if let Some(Err(Refusal::Unreadable { lba })) = done.map(|done| done.result) {
            return Some(Ended::Failed { lba });
        }
        lba += count;
    }
    None
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
