//! The last commands of a disk that failed.
//!
//! A zone's state is read right after its command failed. A command that fails changes no zone, and one that
//! was refused for its zone's state waited for writes in flight there, so this is the state it was judged by,
//! unless another command came in between: then the record shows that command's state.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use command::{Command, Outcome, Protocol, Unit};
use zoned::{Condition, Data, Submitted, Zone, ZonedDisk};

use crate::now;

/// A command that failed: any status but the one of success, or too small a buffer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    /// When it ended, in nanoseconds since 1970.
    pub time: u64,
    /// Its protocol's name.
    pub protocol: &'static str,
    /// Its name; `None` for one that the unit does not know.
    pub name: Option<&'static str>,
    /// The command as it came, without what follows it in its buffer.
    pub raw: Vec<u8>,
    /// The protocol's status code.
    pub status: u16,
    /// Sense data; empty where the status has none.
    pub sense: Vec<u8>,
    /// The initiator's buffers were smaller than the transfer.
    pub overrun: bool,
    /// The LBA that the command names, whether the disk has it or not.
    pub lba: Option<u64>,
    /// How many logical blocks it names.
    pub count: Option<u64>,
    /// The zone of the LBA, with its number; `None` where there is no such LBA.
    pub zone: Option<(u32, Zone)>,
    /// The active zones, for a command that failed because of them.
    pub active: Option<Active>,
}

/// How many zones are active.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Active {
    pub explicitly_open: u32,
    pub implicitly_open: u32,
    pub closed: u32,
}

/// A ring of the last failures.
pub struct Log {
    kept: Mutex<VecDeque<Failure>>,
    most: usize,
}

impl Log {
    /// An empty log that keeps the last `most` failures.
    pub fn new(most: usize) -> Log {
        Log {
            kept: Mutex::default(),
            most,
        }
    }

    /// What is kept, the oldest first.
    pub fn failures(&self) -> Vec<Failure> {
        self.kept().iter().cloned().collect()
    }

    fn add(&self, failure: Failure) {
        let mut kept = self.kept();
        if kept.len() >= self.most {
            kept.pop_front();
        }
        kept.push_back(failure);
    }

    fn kept(&self) -> MutexGuard<'_, VecDeque<Failure>> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A unit whose failed commands are logged. One that succeeds costs a branch, and one that is never answered has not
/// failed.
pub struct Logged<D: Data> {
    unit: Arc<dyn Unit<D>>,
    noting: Arc<Noting<D>>,
}

/// What a command is noted with.
struct Noting<D: Data> {
    disk: Arc<dyn ZonedDisk<D>>,
    log: Arc<Log>,
    protocol: Arc<dyn Protocol>,
}

impl<D: Data> Logged<D> {
    /// Logs to `log` what fails of `unit`, whose zones are those of `disk`.
    pub fn new(unit: Arc<dyn Unit<D>>, disk: Arc<dyn ZonedDisk<D>>, log: Arc<Log>) -> Logged<D> {
        let noting = Arc::new(Noting {
            disk,
            log,
            protocol: unit.protocol(),
        });
        Logged { unit, noting }
    }
}

impl<D: Data> Noting<D> {
    #[cold]
    fn note(&self, raw: &[u8], outcome: &Outcome) {
        let described = self.protocol.describe(raw);
        self.log.add(Failure {
            time: now(),
            protocol: self.protocol.name(),
            name: described.name,
            raw: raw[..described.len].to_vec(),
            status: outcome.status,
            sense: outcome.sense.clone(),
            overrun: outcome.overrun,
            lba: described.lba,
            count: described.count,
            zone: described.lba.and_then(|lba| self.disk.zone_of(lba)),
            active: self.protocol.lacks_zones(outcome).then(|| self.active()),
        });
    }

    fn active(&self) -> Active {
        let mut active = Active::default();
        for number in 0..self.disk.geometry().zones() {
            match self.disk.zone(number).condition {
                Condition::ExplicitlyOpen => active.explicitly_open += 1,
                Condition::ImplicitlyOpen => active.implicitly_open += 1,
                Condition::Closed => active.closed += 1,
                _ => {}
            }
        }
        active
    }
}

impl<D: Data> Unit<D> for Logged<D> {
    fn execute(&self, command: &Command<D>) -> Submitted<Outcome> {
        match self.unit.execute(command) {
            Submitted::Completed(outcome) => {
                if !outcome.is_good() {
                    self.noting.note(command.raw(), &outcome);
                }
                Submitted::Completed(outcome)
            }
            Submitted::Pending(pending) => {
                let raw = command.raw().to_vec();
                let noting = Arc::clone(&self.noting);
                Submitted::Pending(pending.map(move |outcome| {
                    if !outcome.is_good() {
                        noting.note(&raw, &outcome);
                    }
                    outcome
                }))
            }
        }
    }

    fn reset(&self) {
        self.unit.reset();
    }

    fn protocol(&self) -> Arc<dyn Protocol> {
        self.unit.protocol()
    }
}
