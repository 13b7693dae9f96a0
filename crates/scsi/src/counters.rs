//! What a logical unit counts over its life: the numbers of its log pages.
//!
//! The disk keeps them when the unit is stopped, when LOG SELECT says so, and at the end.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use zoned::{Completion, Geometry, Operation, Refusal, Statistics};

/// What is counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(usize)]
pub(crate) enum Counter {
    BytesWritten,
    BytesRead,
    BytesVerified,
    /// Commands that an error of the medium ended.
    WriteErrors,
    ReadErrors,
    VerifyErrors,
    /// Errors that were none of the medium.
    NonMediumErrors,
    /// Power on, and START after a stop.
    Starts,
    SecondsOn,
    FailedExplicitOpens,
    ReadViolations,
    WriteViolations,
    ReadCommands,
    WriteCommands,
    ZonesEmptied,
    /// The most there were at one time: of open zones, of those that are so explicitly and implicitly, of zones that
    /// were not empty, of zones with NON_SEQ.
    MostOpen,
    MostExplicitlyOpen,
    MostImplicitlyOpen,
    MostUsed,
    MostNonSequential,
    /// Transitions to a power condition.
    ToActive,
    ToIdleA,
    ToIdleB,
    ToIdleC,
    ToStandbyZ,
    ToStandbyY,
    /// What to add, modulo 2^64, to the bytes of a direction for those of its commands: either is set back alone.
    WrittenApart,
    ReadApart,
}

use Counter::{
    BytesRead, BytesVerified, BytesWritten, FailedExplicitOpens, MostExplicitlyOpen,
    MostImplicitlyOpen, MostNonSequential, MostOpen, MostUsed, NonMediumErrors, ReadApart,
    ReadCommands, ReadErrors, ReadViolations, SecondsOn, Starts, VerifyErrors, WriteCommands,
    WriteErrors, WriteViolations, WrittenApart, ZonesEmptied,
};

const COUNTERS: usize = ReadApart as usize + 1;

/// The counters of a logical unit. Each is independent of the others.
pub(crate) struct Counters {
    values: [AtomicU64; COUNTERS],
    /// When the seconds were counted last.
    since: Instant,
}

impl Counters {
    /// Power on, with what was kept: a little-endian number each. What is missing is zero.
    pub fn new(kept: &[u8]) -> Counters {
        let mut kept = kept.chunks_exact(8);
        let mut value = || {
            let bytes = kept.next().and_then(|bytes| bytes.try_into().ok());
            AtomicU64::new(bytes.map_or(0, u64::from_le_bytes))
        };
        let counters = Counters {
            values: std::array::from_fn(|_| value()),
            since: Instant::now(),
        };
        counters.add(Starts, 1);
        counters
    }

    /// What the disk is to keep.
    pub fn to_keep(&self) -> Vec<u8> {
        let values = (0..COUNTERS).map(|at| match at {
            at if at == SecondsOn as usize => self.get(SecondsOn),
            at => self.values[at].load(Ordering::Relaxed),
        });
        values.flat_map(u64::to_le_bytes).collect()
    }

    /// How much was counted.
    pub fn get(&self, of: Counter) -> u64 {
        let value = self.values[of as usize].load(Ordering::Relaxed);
        match of {
            SecondsOn => value + self.since.elapsed().as_secs(),
            _ => value,
        }
    }

    /// Counts `more`.
    pub fn add(&self, of: Counter, more: u64) {
        self.values[of as usize].fetch_add(more, Ordering::Relaxed);
    }

    /// Counts what happened to the zones.
    pub fn take_in(&self, zones: Statistics) {
        self.add(ZonesEmptied, zones.emptied);
        for (of, most) in [
            (MostOpen, zones.most_open),
            (MostExplicitlyOpen, zones.most_explicitly_open),
            (MostImplicitlyOpen, zones.most_implicitly_open),
            (MostUsed, zones.most_used),
            (MostNonSequential, zones.most_non_sequential),
        ] {
            self.values[of as usize].fetch_max(most.into(), Ordering::Relaxed);
        }
    }

    /// Bytes that read or write commands moved since these were set back.
    pub fn bytes_of_commands(&self, commands: Counter) -> u64 {
        let (bytes, apart) = match commands {
            WriteCommands => (BytesWritten, WrittenApart),
            _ => (BytesRead, ReadApart),
        };
        self.get(bytes).wrapping_add(self.get(apart))
    }

    /// Sets some back to zero.
    pub fn clear(&self, counters: &[Counter]) {
        for &of in counters {
            let before = self.values[of as usize].swap(0, Ordering::Relaxed);
            match of {
                BytesWritten => self.add(WrittenApart, before),
                BytesRead => self.add(ReadApart, before),
                WriteCommands => self.part(WrittenApart, BytesWritten),
                ReadCommands => self.part(ReadApart, BytesRead),
                _ => {}
            }
        }
    }

    fn part(&self, apart: Counter, bytes: Counter) {
        let less = self.get(bytes).wrapping_neg();
        self.values[apart as usize].store(less, Ordering::Relaxed);
    }

    /// Counts how an operation ended.
    pub fn count(&self, geometry: &Geometry, operation: Operation, ended: &Completion) {
        let (commands, bytes, errors, blocks) = match operation {
            Operation::Write { blocks, .. } | Operation::Fill { blocks, .. } => {
                (Some(WriteCommands), BytesWritten, WriteErrors, blocks)
            }
            Operation::Read { blocks, .. } => (Some(ReadCommands), BytesRead, ReadErrors, blocks),
            Operation::Verify { blocks } | Operation::Compare { blocks } => {
                (None, BytesVerified, VerifyErrors, blocks)
            }
            _ => return self.count_refusal(operation, ended.result.err()),
        };
        match ended.result {
            Ok(_) => {
                self.add(bytes, geometry.to_bytes(blocks.count));
                commands.into_iter().for_each(|of| self.add(of, 1));
            }
            Err(
                Refusal::Unreadable { .. }
                | Refusal::Unwritable { .. }
                | Refusal::WriteFault { .. }
                | Refusal::NotStable,
            ) => self.add(errors, 1),
            refused => self.count_refusal(operation, refused.err()),
        }
    }

    fn count_refusal(&self, operation: Operation, refusal: Option<Refusal>) {
        let is_open = matches!(
            operation,
            Operation::Manage {
                action: zoned::Action::Open,
                ..
            }
        );
        match refusal {
            Some(Refusal::TooManyOpen { .. }) if is_open => self.add(FailedExplicitOpens, 1),
            Some(Refusal::ReadBoundary { .. } | Refusal::ReadUnwritten { .. }) => {
                self.add(ReadViolations, 1);
            }
            Some(Refusal::Unaligned { .. } | Refusal::WriteBoundary { .. }) => {
                self.add(WriteViolations, 1);
            }
            Some(Refusal::Lost) => self.add(NonMediumErrors, 1),
            _ => {}
        }
    }
}
