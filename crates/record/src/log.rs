//! The last commands of a disk that failed.
//!
//! A zone's state is read right after its command failed. A command that fails changes no zone, and one that
//! was refused for its zone's state waited for writes in flight there, so this is the state it was judged by,
//! unless another queue's command came in between: then the record shows that command's state.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use image::Outcome;
use vhost_user_scsi::{Lun, Pause};
use vm_memory::VolatileSlice;
use zbc::{Condition, Status, Zone};

use crate::address::trimmed;
use crate::{now, sense, Address};

/// INSUFFICIENT ZONE RESOURCES.
const TOO_MANY_OPEN: (u8, u8, u8) = (0x7, 0x55, 0x0E);

/// A command that failed: any status but GOOD, or too small a buffer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    /// When it ended, in nanoseconds since 1970.
    pub time: u64,
    /// The CDB, at most 32 bytes.
    pub cdb: Vec<u8>,
    pub status: Status,
    /// Sense data; empty without CHECK CONDITION.
    pub sense: Vec<u8>,
    /// The initiator's buffers were smaller than the transfer.
    pub overrun: bool,
    pub address: Address,
    /// The zone of the CDB's LBA, with its number; `None` where there is no such LBA.
    pub zone: Option<(u32, Zone)>,
    /// The open zones, for a command that failed because of them.
    pub open: Option<Open>,
}

/// How many zones are open.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Open {
    pub explicit: u32,
    pub implicit: u32,
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

/// A logical unit whose failed commands are logged. One that succeeds costs a branch, and one that is never
/// answered has not failed.
pub struct Logged {
    lun: Arc<dyn Lun>,
    disk: Arc<image::Disk>,
    log: Arc<Log>,
}

impl Logged {
    /// Logs to `log` what fails of `lun`, whose zones are those of `disk`.
    pub fn new(lun: Arc<dyn Lun>, disk: Arc<image::Disk>, log: Arc<Log>) -> Logged {
        Logged { lun, disk, log }
    }

    #[cold]
    fn note(&self, cdb: &[u8], outcome: &Outcome) {
        let address = Address::of(cdb);
        let sense = &outcome.completion.sense;
        self.log.add(Failure {
            time: now(),
            cdb: trimmed(cdb).to_vec(),
            status: outcome.completion.status,
            sense: sense.clone(),
            overrun: outcome.overrun,
            address,
            zone: address.lba.and_then(|lba| self.disk.zone_of(lba)),
            open: (sense::code(sense) == TOO_MANY_OPEN).then(|| self.open()),
        });
    }

    fn open(&self) -> Open {
        let mut open = Open::default();
        for zone in self.disk.zones() {
            match zone.condition {
                Condition::ExplicitlyOpen => open.explicit += 1,
                Condition::ImplicitlyOpen => open.implicit += 1,
                _ => {}
            }
        }
        open
    }
}

impl Lun for Logged {
    fn execute(
        &self,
        cdb: &[u8],
        out: &[VolatileSlice<'_>],
        into: &[VolatileSlice<'_>],
        pause: Pause<'_>,
    ) -> Option<Outcome> {
        let outcome = self.lun.execute(cdb, out, into, pause)?;
        if outcome.completion.status != Status::Good || outcome.overrun {
            self.note(cdb, &outcome);
        }
        Some(outcome)
    }

    fn reset(&self) {
        self.lun.reset();
    }
}
