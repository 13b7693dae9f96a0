//! A namespace: I/O commands in, requests to a zoned disk, statuses and data out.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::Arc;

use command::{Command, Description, Failure, Outcome, Protocol, Unit};
use reservations::KEPT_AS;
use zoned::{
    Action, Blocks, Completion, Data, Geometry, Operation, Origin, Request, Submitted, Target,
    ZonedDisk,
};

use crate::answer::{Buffer, Context, Reply};
use crate::report::Report;
use crate::reserved::Reserved;
use crate::submission::{Submission, LEN};
use crate::{decode, refused, Status};

/// The most that one command may transfer, in bytes: what the controller says as MDTS, and as ZASL.
pub const MAX_TRANSFER: u64 = 1 << 20;
/// How many bytes a format makes zeroes at a time.
const AT_ONCE: u64 = 32 << 20;

/// A namespace over a zoned disk: a zoned one, or one of the NVM command set where the medium has no zones.
pub struct Namespace<D: Data> {
    disk: Arc<dyn ZonedDisk<D>>,
    shared: Arc<Shared>,
    reserved: Arc<Reserved>,
}

/// What a command that completes later needs to say how it ended.
struct Shared {
    geometry: Geometry,
    has_write_cache: AtomicBool,
}

impl<D: Data> Namespace<D> {
    /// A namespace whose volatile write cache is enabled, and of which is reserved what the disk keeps.
    pub fn new(disk: Arc<dyn ZonedDisk<D>>) -> Namespace<D> {
        let shared = Arc::new(Shared {
            geometry: disk.geometry().clone(),
            has_write_cache: AtomicBool::new(true),
        });
        let reserved = Arc::new(Reserved::new(disk.saved(KEPT_AS)));
        Namespace {
            disk,
            shared,
            reserved,
        }
    }

    /// What its medium looks like.
    pub fn geometry(&self) -> &Geometry {
        &self.shared.geometry
    }

    /// The medium itself.
    pub(crate) fn disk(&self) -> &Arc<dyn ZonedDisk<D>> {
        &self.disk
    }

    pub(crate) fn reserved(&self) -> &Arc<Reserved> {
        &self.reserved
    }

    /// Takes all data away: zones that have not failed are empty, other blocks read as zeroes.
    pub(crate) fn format(&self) -> Submitted<Outcome> {
        let geometry = &self.shared.geometry;
        let origin = Origin::of("Format NVM", 0x80);
        let step = AT_ONCE / u64::from(geometry.block_size);
        let end = geometry.conventional_end().min(geometry.blocks);
        let fills = (0..end).step_by(step as usize).map(|lba| Operation::Fill {
            blocks: Blocks {
                lba,
                count: step.min(end - lba),
            },
            stable: false,
        });
        let reset = Operation::Manage {
            action: Action::Reset,
            target: Target::All,
        };
        let has_zones = geometry.conventional_zones < geometry.zones();
        let last = [has_zones.then_some(reset), Some(Operation::Flush)];
        let operations = fills.chain(last.into_iter().flatten());
        let requests = operations.map(|operation| Request { operation, origin });
        one_by_one(Arc::clone(&self.disk), requests.collect())
            .map(|done| outcome(done, Buffer::None))
    }

    /// Has the disk keep what of the reservations persists.
    pub(crate) fn keep_reservations(&self) -> Submitted<Outcome> {
        let operation = Operation::Save { kind: KEPT_AS };
        let submitted = self
            .reserved
            .keep(|bytes| self.disk.submit(Request::from(operation), &D::of(bytes)));
        let kept = submitted.unwrap_or(Submitted::Completed(Completion::done(0)));
        kept.map(|done| outcome(done, Buffer::None))
    }

    /// Turns its volatile write cache on or off (NVMe 1.4, 5.21.1.6). Without, each write is stable when it is answered.
    pub fn set_write_cache(&self, enabled: bool) {
        let cache = &self.shared.has_write_cache;
        cache.store(enabled, Ordering::Relaxed);
    }

    fn submit(
        &self,
        command: &Command<D>,
        operation: Operation,
        buffer: Buffer,
        origin: Origin,
    ) -> Submitted<Outcome> {
        let request = Request { operation, origin };
        let submitted = match buffer {
            Buffer::In => self.disk.submit(request, &command.into),
            Buffer::Out => self.disk.submit(request, &command.out),
            Buffer::None => self.disk.submit(request, &D::default()),
        };
        submitted.map(move |done| outcome(done, buffer))
    }

    fn report(&self, command: &Command<D>, report: Report, origin: Origin) -> Submitted<Outcome> {
        let operation = Operation::Report { from: report.lba };
        let (disk, shared) = (Arc::clone(&self.disk), Arc::clone(&self.shared));
        let into = command.into.clone();
        let asked = self
            .disk
            .submit(Request { operation, origin }, &D::default());
        asked.map(move |asked| {
            if asked.result.is_err() {
                return outcome(asked, Buffer::None);
            }
            let zone = |number| disk.zone(number);
            let extension = |number| disk.extension(number);
            let data = report.data(&shared.geometry, zone, extension);
            Outcome {
                written: into.write(0, &data) as u64,
                ..Outcome::default()
            }
        })
    }
}

impl<D: Data> Unit<D> for Namespace<D> {
    fn execute(&self, command: &Command<D>) -> Submitted<Outcome> {
        let Ok(raw) = <&[u8; LEN]>::try_from(command.raw()) else {
            return Submitted::Completed(Status::INVALID_FIELD.outcome());
        };
        let geometry = &self.shared.geometry;
        let entry = Submission(raw);
        let Some(known) = decode::find(geometry, entry.opcode()) else {
            return Submitted::Completed(Status::INVALID_OPCODE.outcome());
        };
        let transfer = decode::transfer(geometry, raw);
        if transfer.out.max(transfer.into) > MAX_TRANSFER || entry.is_fused() {
            return Submitted::Completed(Status::INVALID_FIELD.outcome());
        }
        if command.out.len() < transfer.out || command.into.len() < transfer.into {
            return Submitted::Completed(Outcome {
                overrun: true,
                ..Status::DATA_TRANSFER_ERROR.outcome()
            });
        }
        if self.reserved.refuses(command.initiator, known.access) {
            return Submitted::Completed(Status::RESERVATION_CONFLICT.outcome());
        }
        let context = Context {
            geometry,
            has_write_cache: self.shared.has_write_cache.load(Ordering::Relaxed),
            out: &command.out,
            entry,
            initiator: command.initiator,
            reserved: &self.reserved,
        };
        let origin = Origin {
            command: known.name,
            opcode: known.opcode,
            followed: command.followed,
        };
        match (known.run)(&context) {
            Ok(Reply::Good) => Submitted::Completed(Outcome::default()),
            Ok(Reply::Medium(operation, buffer)) => self.submit(command, operation, buffer, origin),
            Ok(Reply::Series(operations)) => {
                let requests = operations
                    .into_iter()
                    .map(|operation| Request { operation, origin });
                one_by_one(Arc::clone(&self.disk), requests.collect())
                    .map(|done| outcome(done, Buffer::None))
            }
            Ok(Reply::Data(data)) => Submitted::Completed(Outcome {
                written: command.into.write(0, &data) as u64,
                ..Outcome::default()
            }),
            Ok(Reply::Reservations) => self.keep_reservations().map(move |outcome| Outcome {
                consumed: transfer.out,
                ..outcome
            }),
            Ok(Reply::Report(report)) => self.report(command, report, origin),
            Err(status) => Submitted::Completed(status.outcome()),
        }
    }

    /// A controller reset: the write cache is enabled. Zones stay as they are.
    fn reset(&self) {
        self.set_write_cache(true);
    }

    fn protocol(&self) -> Arc<dyn Protocol> {
        Arc::clone(&self.shared) as Arc<dyn Protocol>
    }
}

impl Protocol for Shared {
    fn name(&self) -> &'static str {
        "NVMe"
    }

    fn commands(&self) -> Vec<Description> {
        decode::commands()
    }

    fn describe(&self, raw: &[u8]) -> Description {
        decode::describe(&self.geometry, raw)
    }

    fn lacks_zones(&self, outcome: &Outcome) -> bool {
        let limits = [Status::TOO_MANY_OPEN_ZONES, Status::TOO_MANY_ACTIVE_ZONES];
        limits.contains(&Status::new(outcome.status))
    }

    /// There is no busy status, and nothing that a command has to say first: the host is told to come again.
    fn refuse(&self, failure: Failure) -> Outcome {
        match failure {
            Failure::Busy => Status::NOT_READY.outcome(),
            Failure::Aborted => Status::ABORT_REQUESTED.outcome(),
            Failure::Attention(code) => Status::new(code).outcome(),
        }
    }
}

fn outcome(completion: Completion, buffer: Buffer) -> Outcome {
    let moved = |of| if buffer == of { completion.moved } else { 0 };
    let (status, result) = match completion.result {
        Ok(answer) => (Outcome::default(), answer.lba.unwrap_or_default()),
        Err(refusal) => (refused::status(refusal).outcome(), 0),
    };
    Outcome {
        result,
        written: moved(Buffer::In),
        consumed: moved(Buffer::Out),
        spent: completion.spent,
        ..status
    }
}

/// Submits requests without data, each once the one before was carried out; ends as the last one submitted.
fn one_by_one<D: Data>(
    disk: Arc<dyn ZonedDisk<D>>,
    mut requests: VecDeque<Request>,
) -> Submitted<Completion> {
    let Some(request) = requests.pop_front() else {
        return Submitted::Completed(Completion::done(0));
    };
    let submitted = disk.submit(request, &D::default());
    submitted.and_then(move |completion| match completion.result {
        Ok(_) if !requests.is_empty() => one_by_one(disk, requests),
        _ => Submitted::Completed(completion),
    })
}
