//! Commands on a disk: the model plans, the medium and the durability carry out. A disk whose image is lost does neither.

use std::io;
use std::sync::atomic::Ordering;
use std::sync::PoisonError;

use vm_memory::VolatileSlice;
use zbc::{Completion, Fault, Op, Plan, Status, Step};

use super::{Cache, Disk};
use crate::slices::{total, Cursor, Out};
use crate::table::Table;
use crate::Outcome;

/// What every command gets once the image is lost: INTERNAL TARGET FAILURE.
const HARDWARE_ERROR: u8 = 0x4;
const TARGET_FAILURE: u16 = 0x4400;

impl Disk {
    /// Runs one SCSI command: takes its data from `out`, and puts its answer into `into`.
    ///
    /// A command with an error ends like any other, with sense data. The calling thread waits for the
    /// file; any number of threads may run commands at a time.
    pub fn execute(
        &self,
        cdb: &[u8],
        out: &[VolatileSlice<'_>],
        into: &[VolatileSlice<'_>],
    ) -> Outcome {
        let read = || self.running.read().unwrap_or_else(PoisonError::into_inner);
        let _running = self.undo.is_some().then(read);
        if !self.is_lost() {
            let outcome = self.run(cdb, out, into);
            if !self.is_lost() {
                return outcome;
            }
        }
        let failure = self.check_condition(HARDWARE_ERROR, TARGET_FAILURE, None);
        Outcome::without_data(failure)
    }

    /// Whether the image was cut short while in use, or its file system lost a part of the zone state. Every command
    /// fails with 4/44/00 since, and nothing more is written to the image.
    pub fn is_lost(&self) -> bool {
        self.cut.load(Ordering::Relaxed) || self.device.table().lost()
    }

    fn run(&self, cdb: &[u8], out: &[VolatileSlice<'_>], into: &[VolatileSlice<'_>]) -> Outcome {
        match self.device.begin(cdb, &Out(out), total(into)) {
            Step::Done { data, completion } => Outcome {
                completion,
                written: Cursor::new(into).write(&data) as u64,
                consumed: total(out),
                overrun: false,
            },
            Step::Io(plan) => self.carry_out(plan, out, into),
            Step::Overrun { .. } => {
                let good = Completion {
                    status: Status::Good,
                    sense: Vec::new(),
                };
                Outcome {
                    overrun: true,
                    ..Outcome::without_data(good)
                }
            }
        }
    }

    fn carry_out(
        &self,
        plan: Plan<'_, Table>,
        out: &[VolatileSlice<'_>],
        into: &[VolatileSlice<'_>],
    ) -> Outcome {
        let ready = match plan.op() {
            Op::Flush | Op::Read { fua: true, .. } => self.flush(),
            Op::Discard { zones, .. } => {
                let reset = self.durability.reset(self.device.table(), zones);
                reset.map_err(|_| Fault::Flush)
            }
            _ => Ok(()),
        };
        if let Err(fault) = ready {
            return Outcome::without_data(plan.finish(Err(fault)));
        }
        let durable = matches!(
            plan.op(),
            Op::Write { durable: true, .. } | Op::WriteSame { durable: true, .. }
        );
        let done = self.medium.perform(plan.op(), out, into);
        let mut completion = plan.finish(done.result);
        // Only now does the zone's word speak of the data.
        if durable && completion.status == Status::Good && self.flush().is_err() {
            completion = self.device.not_stable();
        }
        Outcome {
            completion,
            written: done.written,
            consumed: done.consumed,
            overrun: false,
        }
    }

    /// Does what the guest asks for by SYNCHRONIZE CACHE or FUA.
    fn flush(&self) -> Result<(), Fault> {
        if self.cache == Cache::Lying {
            return Ok(());
        }
        self.flushed().map_err(|_| Fault::Flush)
    }

    pub(super) fn flushed(&self) -> io::Result<()> {
        self.whole()?;
        self.durability.flush(self.device.table())
    }

    /// Whether the image is still all there. One that was cut may have grown again by a write, with holes for data: the
    /// next time this is asked it may look whole, so that the disk is lost from the first.
    pub(super) fn whole(&self) -> io::Result<()> {
        if self.store.length()? < self.header.layout.file_length() {
            self.cut.store(true, Ordering::Relaxed);
        }
        if self.is_lost() {
            return Err(io::Error::other("it was cut short while in use"));
        }
        Ok(())
    }
}
