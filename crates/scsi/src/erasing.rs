//! What FORMAT UNIT and SANITIZE do to a disk (SBC-4, 4.11 and 4.33), and what is known of one that has not ended.
//!
//! The disk keeps what is being done, from before anything is done until all is: a format that power ended is told by every
//! command that needs the medium, and a sanitize operation goes on when power is back.

use std::sync::atomic::{AtomicU8, Ordering};
use std::sync::Arc;
use std::time::Duration;

use zoned::{
    Action, Blocks, Condition, Data, Geometry, Operation, Origin, Refusal, Request, Target,
    ZonedDisk,
};

use crate::background::{Background, Task, Work};
use crate::block::MAX_TRANSFER;
use crate::entry::Needs;
use crate::refused;
use crate::sense::Sense;
use crate::unit::{saved, UnitState};

/// How long it takes at most, and how many bytes of the disk in a millisecond.
const LONGEST: Duration = Duration::from_secs(10);
const BYTES_A_MILLISECOND: u64 = 64 << 20;

/// What is known of the medium; the number is what the disk keeps.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Medium {
    Sound,
    /// FORMAT UNIT runs, or did not end.
    Format,
    /// SANITIZE runs, or did not end.
    Sanitize,
    /// SANITIZE failed.
    Failed,
    /// SANITIZE failed, and EXIT FAILURE MODE may leave that (AUSE).
    FailedUnrestricted,
}

use Medium::{Failed, FailedUnrestricted, Format, Sanitize, Sound};

const ALL: [Medium; 5] = [Sound, Format, Sanitize, Failed, FailedUnrestricted];

/// What is to be done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Erase {
    pub work: Work,
    /// A failure may be left by EXIT FAILURE MODE.
    pub unrestricted: bool,
    /// What conventional blocks are filled with, a block long; nothing for zeroes.
    pub pattern: Vec<u8>,
}

impl Erase {
    /// The work, to be done by [`run`].
    pub fn task(&self, geometry: &Geometry) -> Arc<Task> {
        let milliseconds = geometry.to_bytes(geometry.blocks) / BYTES_A_MILLISECOND;
        Task::new(self.work, Duration::from_millis(milliseconds).min(LONGEST))
    }

    fn origin(&self) -> Origin {
        let (command, opcode) = match (self.work, self.pattern.is_empty()) {
            (Work::Format, _) => ("FORMAT UNIT", 0x04),
            (_, true) => ("SANITIZE, CRYPTOGRAPHIC ERASE", 0x48),
            (_, false) => ("SANITIZE, OVERWRITE", 0x48),
        };
        Origin::of(command, opcode)
    }

    fn medium(&self) -> Medium {
        match self.work {
            Work::Format => Format,
            _ => Sanitize,
        }
    }

    fn failed(&self) -> (Medium, Sense) {
        match (self.work, self.unrestricted) {
            (Work::Format, _) => (Format, Sense::FORMAT_FAILED),
            (_, false) => (Failed, Sense::SANITIZE_FAILED),
            (_, true) => (FailedUnrestricted, Sense::SANITIZE_FAILED),
        }
    }

    /// What the disk keeps meanwhile.
    fn record(&self) -> Vec<u8> {
        let head = [self.medium() as u8, u8::from(self.unrestricted)];
        [&head, &self.pattern[..]].concat()
    }
}

/// What is known of the medium of a logical unit.
pub(crate) struct Erasing {
    medium: AtomicU8,
    /// A sanitize operation that power ended.
    unfinished: Option<Erase>,
}

impl Erasing {
    /// Power on, with what was kept.
    pub fn new(kept: &[u8]) -> Erasing {
        let number = kept.first().copied().unwrap_or_default();
        let medium = ALL.get(usize::from(number)).copied().unwrap_or(Sound);
        let unfinished = (medium == Sanitize).then(|| Erase {
            work: Work::Sanitize,
            unrestricted: kept.get(1) == Some(&1),
            pattern: kept.get(2..).unwrap_or_default().to_vec(),
        });
        Erasing {
            medium: AtomicU8::new(medium as u8),
            unfinished,
        }
    }

    /// The sanitize operation that has to go on at power on.
    pub fn unfinished(&self) -> Option<Erase> {
        self.unfinished.clone()
    }

    pub fn medium(&self) -> Medium {
        ALL[usize::from(self.medium.load(Ordering::Relaxed))]
    }

    pub fn set(&self, medium: Medium) {
        self.medium.store(medium as u8, Ordering::Relaxed);
    }

    /// Whether a command that needs this can be carried out (SBC-4, 4.11.2 and 5.4).
    pub fn admits(&self, needs: Needs, background: &Background) -> Result<(), Sense> {
        let medium = self.medium();
        if medium == Sound || needs == Needs::Nothing {
            return Ok(());
        }
        let running = background.current().filter(|task| match task.work() {
            Work::Format => true,
            Work::Sanitize => needs >= Needs::Settled,
            Work::Test(_) => false,
        });
        match (running, medium) {
            (Some(task), _) => Err(Sense::in_progress(&task)),
            (None, Format) if needs == Needs::Medium => Err(Sense::FORMAT_CORRUPTED),
            (None, Failed | FailedUnrestricted) if needs == Needs::Medium => {
                Err(Sense::SANITIZE_FAILED)
            }
            _ => Ok(()),
        }
    }
}

/// Erases the disk. `begun` is called when no loss of power can undo that any more. Stopped, it leaves the disk as one on
/// which it did not end.
///
/// # Errors
/// Why it failed, and the disk as one on which it did not end, or on which nothing was done.
pub(crate) fn run<D: Data>(
    disk: &dyn ZonedDisk<D>,
    state: &UnitState,
    task: &Task,
    what: &Erase,
    begun: impl FnOnce(),
) -> Result<(), Sense> {
    let before = state.erasing.medium();
    state.erasing.set(what.medium());
    let ended = begin(disk, state, what, before).and_then(|()| {
        begun();
        carry_out(disk, state, task, what)
    });
    state.background.over(task);
    ended
}

fn begin<D: Data>(
    disk: &dyn ZonedDisk<D>,
    state: &UnitState,
    what: &Erase,
    before: Medium,
) -> Result<(), Sense> {
    keep(disk, what.record()).map_err(|refusal| {
        state.erasing.set(before);
        refused::sense(refusal)
    })
}

fn carry_out<D: Data>(
    disk: &dyn ZonedDisk<D>,
    state: &UnitState,
    task: &Task,
    what: &Erase,
) -> Result<(), Sense> {
    let done = erase(disk, task, what);
    let stopped = match done {
        Ok(()) => task.await_end(),
        Err(_) => task.stopped(),
    };
    if stopped.is_some() {
        return Err(Sense::ABORTED);
    }
    if done.and_then(|()| keep(disk, Vec::new())).is_ok() {
        state.erasing.set(Sound);
        return Ok(());
    }
    let (medium, sense) = what.failed();
    state.erasing.set(medium);
    // If this fails the disk keeps that it did not end, which is true as well.
    let _ = keep(disk, vec![medium as u8]);
    Err(sense)
}

/// Fills the conventional zones, and empties the others. What has failed cannot be sanitized, and is left by a format.
fn erase<D: Data>(disk: &dyn ZonedDisk<D>, task: &Task, what: &Erase) -> Result<(), Refusal> {
    let geometry = disk.geometry();
    let sanitize = what.work == Work::Sanitize;
    let pattern = D::of(what.pattern.clone());
    let submit = |operation| {
        let origin = what.origin();
        submit(disk, Request { operation, origin }, &pattern)
    };
    let conventional = geometry.conventional_zones;
    for zone in 0..conventional {
        let is_fit = !matches!(
            disk.zone(zone).condition,
            Condition::ReadOnly | Condition::Offline
        );
        if is_fit || sanitize {
            fill(geometry, zone, task, submit)?;
        }
        task.reached(u64::from(zone), conventional.into());
    }
    if task.stopped().is_some() {
        return Ok(());
    }
    submit(Operation::Manage {
        action: Action::Reset,
        target: Target::All,
    })?;
    let unfit = |zone| match disk.zone(zone).condition {
        Condition::ReadOnly => Some(Refusal::ReadOnly { zone }),
        Condition::Offline => Some(Refusal::Offline { zone }),
        _ => None,
    };
    let unfit = (conventional..geometry.zones()).find_map(unfit);
    task.reached(1, 1);
    unfit.filter(|_| sanitize).map_or(Ok(()), Err)
}

/// Fills a conventional zone, unless it is stopped.
fn fill(
    geometry: &Geometry,
    zone: u32,
    task: &Task,
    submit: impl Fn(Operation) -> Result<(), Refusal>,
) -> Result<(), Refusal> {
    let span = geometry.span(zone);
    let step = u64::from(MAX_TRANSFER / geometry.block_size);
    for lba in span.clone().step_by(step as usize) {
        if task.stopped().is_some() {
            break;
        }
        let count = step.min(span.end - lba);
        let blocks = Blocks { lba, count };
        // The end of all is stable, so each piece has to be; and no more than one is kept for a power cut.
        let stable = true;
        submit(Operation::Fill { blocks, stable })?;
    }
    Ok(())
}

/// Has the disk keep what is being done.
fn keep<D: Data>(disk: &dyn ZonedDisk<D>, record: Vec<u8>) -> Result<(), Refusal> {
    let kind = saved::ERASING;
    submit(disk, Operation::Save { kind }.into(), &D::of(record))
}

/// Has a request carried out. One that is never answered failed.
fn submit<D: Data>(disk: &dyn ZonedDisk<D>, request: Request, data: &D) -> Result<(), Refusal> {
    let data = match request.operation {
        Operation::Fill { .. } | Operation::Save { .. } => data.clone(),
        _ => D::default(),
    };
    let done = disk.submit(request, &data).wait();
    done.map_or(Err(Refusal::NotStable), |done| done.result.map(drop))
}
