//! A logical unit: CDBs in, requests to a zoned disk, status and sense data out.

use std::collections::VecDeque;
use std::sync::Arc;

use command::{Command, Description, Failure, Outcome, Protocol, Unit};
use zoned::{
    pending, Completer, Completion, Data, Event, Geometry, Identity, Operation, Origin, Request,
    Submitted, ZonedDisk,
};

use crate::answer::{Buffer, Context, Reply, Step};
use crate::background::{Stopped, Task, Work};
use crate::cdb::Cdb;
use crate::counters::Counter;
use crate::erasing::Erase;
use crate::management::Report;
use crate::self_test::{Ended, Test};
use crate::sense::Sense;
use crate::unit::{saved, UnitState};
use crate::{decode, erasing, refused, self_test, Status};

/// A host-managed or host-aware zoned block device over a zoned disk.
pub struct LogicalUnit<D: Data> {
    disk: Arc<dyn ZonedDisk<D>>,
    shared: Arc<Shared>,
}

/// What a command that completes later needs to say how it ended.
struct Shared {
    geometry: Geometry,
    identity: Identity,
    state: UnitState,
}

impl<D: Data> LogicalUnit<D> {
    /// Powers the unit on: a POWER ON unit attention is pending, as it is after each power cut of the disk, and a sanitize
    /// operation that had not ended goes on.
    pub fn new(disk: Arc<dyn ZonedDisk<D>>, identity: Identity) -> LogicalUnit<D> {
        let shared = Arc::new(Shared {
            geometry: disk.geometry().clone(),
            identity,
            state: UnitState::new(|kind| disk.saved(kind)),
        });
        let told = Arc::clone(&shared);
        disk.listen(Arc::new(move |event| match event {
            Event::PowerCut => told.state.power_on(),
            Event::Lost => told.state.lose(),
            // ZBC has no unit attention for it.
            Event::ZoneChanged { .. } => {}
        }));
        let unit = LogicalUnit { disk, shared };
        if let Some(unfinished) = unit.shared.state.erasing.unfinished() {
            drop(unit.erase(unfinished, true, 0));
        }
        unit
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
        match submitted {
            Submitted::Completed(completion) => {
                self.shared.count(operation, &completion);
                Submitted::Completed(self.shared.outcome(completion, buffer))
            }
            Submitted::Pending(pending) => {
                let shared = Arc::clone(&self.shared);
                Submitted::Pending(pending.map(move |done| {
                    shared.count(operation, &done);
                    shared.outcome(done, buffer)
                }))
            }
        }
    }

    fn series(&self, command: &Command<D>, steps: Vec<Step>, origin: Origin) -> Submitted<Outcome> {
        let requests = steps.into_iter().map(|step| {
            let (operation, data) = match step {
                Step::Medium(operation, Buffer::In) => (operation, command.into.clone()),
                Step::Medium(operation, Buffer::Out) => (operation, command.out.clone()),
                Step::Medium(operation, Buffer::None) => (operation, D::default()),
                Step::Save(kind, bytes) => (Operation::Save { kind }, D::of(bytes)),
            };
            (Request { operation, origin }, data)
        });
        let (shared, consumed) = (Arc::clone(&self.shared), command.out.len());
        let counting = Arc::clone(&self.shared);
        let ended = one_by_one(Arc::clone(&self.disk), requests.collect(), counting);
        ended.map(move |completion| Outcome {
            consumed,
            ..shared.outcome(completion, Buffer::None)
        })
    }

    fn keep_reservations(&self, command: &Command<D>, origin: Origin) -> Submitted<Outcome> {
        let kind = saved::RESERVATIONS;
        let operation = Operation::Save { kind };
        let submitted = self.shared.state.reserved.keep(|bytes| {
            let request = Request { operation, origin };
            self.disk.submit(request, &D::of(bytes))
        });
        let (shared, consumed) = (Arc::clone(&self.shared), command.out.len());
        let kept = submitted.unwrap_or(Submitted::Completed(Completion::done(0)));
        kept.map(move |completion| Outcome {
            consumed,
            ..shared.outcome(completion, Buffer::None)
        })
    }

    fn self_test(&self, test: Test) -> Submitted<Outcome> {
        let task = self_test::task(test);
        let (completer, later) = pending();
        if test.is_foreground() {
            stop_when_called(&completer, &task);
        }
        let (disk, shared) = (Arc::clone(&self.disk), Arc::clone(&self.shared));
        let begun = self.shared.state.background.start(&task, move |task| {
            let ended = self_test::run(&*disk, &shared.state, task, test);
            completer.complete(match ended {
                Ended::Passed => Outcome::default(),
                Ended::Failed { .. } => shared.failed(Sense::FAILED_SELF_TEST),
                Ended::Stopped(_) => shared.failed(Sense::ABORTED),
            });
        });
        match (begun, test.is_foreground()) {
            (true, true) => Submitted::Pending(later),
            (true, false) => Submitted::Completed(Outcome::default()),
            (false, _) => Submitted::Completed(self.shared.occupied()),
        }
    }

    /// Erases the disk; `immediate`: the answer is that it was begun.
    fn erase(&self, what: Erase, immediate: bool, consumed: u64) -> Submitted<Outcome> {
        let task = what.task(self.disk.geometry());
        let (completer, later) = pending();
        // Nothing but the end of power ends a sanitize operation.
        if task.work() == Work::Format {
            stop_when_called(&completer, &task);
        }
        let (disk, shared) = (Arc::clone(&self.disk), Arc::clone(&self.shared));
        let mut completer = Some(completer);
        let begun = self.shared.state.background.start(&task, move |task| {
            let mut answer = |outcome| {
                if let Some(completer) = completer.take() {
                    completer.complete(outcome);
                }
            };
            let good = Outcome {
                consumed,
                ..Outcome::default()
            };
            let begun = || {
                if immediate {
                    answer(good.clone());
                }
            };
            let ended = erasing::run(&*disk, &shared.state, task, &what, begun);
            answer(ended.map_or_else(|sense| shared.failed(sense), |()| good));
        });
        match begun {
            true => Submitted::Pending(later),
            false => Submitted::Completed(self.shared.occupied()),
        }
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
                return shared.outcome(asked, Buffer::None);
            }
            let data = report.data(&shared.geometry, |number| disk.zone(number));
            data_in(&into, &data)
        })
    }
}

impl<D: Data> Drop for LogicalUnit<D> {
    /// Power off: what is counted is kept, where anything was.
    fn drop(&mut self) {
        let state = &self.shared.state;
        state.background.end();
        if state.was_used() {
            let kind = saved::COUNTERS;
            state.counters.take_in(self.disk.take_statistics());
            let save = Request::from(Operation::Save { kind });
            // The disk carries it out before it is gone.
            drop(self.disk.submit(save, &D::of(state.counters.to_keep())));
        }
    }
}

impl Shared {
    fn count(&self, operation: Operation, ended: &Completion) {
        let counters = &self.state.counters;
        counters.count(&self.geometry, operation, ended);
    }

    fn outcome(&self, completion: Completion, buffer: Buffer) -> Outcome {
        let moved = |of| if buffer == of { completion.moved } else { 0 };
        let ended = match completion.result {
            Ok(_) => Outcome::default(),
            Err(refusal) => self.failed(refused::sense(refusal)),
        };
        Outcome {
            written: moved(Buffer::In),
            consumed: moved(Buffer::Out),
            spent: completion.spent,
            ..ended
        }
    }

    /// Something else is done in the background.
    fn occupied(&self) -> Outcome {
        let current = self.state.background.current();
        self.failed(current.map_or(Sense::TARGET_FAILURE, |task| Sense::in_progress(&task)))
    }

    fn failed(&self, sense: Sense) -> Outcome {
        sense.outcome(self.state.modes.has_descriptor_sense())
    }
}

impl<D: Data> Unit<D> for LogicalUnit<D> {
    fn execute(&self, command: &Command<D>) -> Submitted<Outcome> {
        let context = Context {
            geometry: &self.shared.geometry,
            identity: &self.shared.identity,
            state: &self.shared.state,
            take_statistics: &|| self.disk.take_statistics(),
            initiator: command.initiator,
            out: &command.out,
            in_len: command.into.len(),
            cdb: Cdb(command.raw()),
        };
        let (known, reply) = match decode::run(&context) {
            Ok(answer) => answer,
            Err(sense) => {
                return Submitted::Completed(Outcome {
                    consumed: command.out.len(),
                    ..self.shared.failed(sense)
                })
            }
        };
        let origin = Origin {
            command: known.name,
            opcode: known.opcode(),
            followed: command.followed,
        };
        match reply {
            Reply::Medium(operation, buffer) => self.submit(command, operation, buffer, origin),
            Reply::Series(steps) => self.series(command, steps, origin),
            Reply::Reservations => self.keep_reservations(command, origin),
            Reply::SelfTest(test) => self.self_test(test),
            Reply::Erase(what, immediate) => self.erase(what, immediate, command.out.len()),
            Reply::Report(report) => self.report(command, report, origin),
            Reply::Data(data) => Submitted::Completed(Outcome {
                consumed: command.out.len(),
                ..data_in(&command.into, &data)
            }),
            Reply::Conflict => Submitted::Completed(Outcome {
                status: Status::ReservationConflict as u16,
                consumed: command.out.len(),
                ..Outcome::default()
            }),
            Reply::Overrun => Submitted::Completed(Outcome {
                overrun: true,
                ..Outcome::default()
            }),
        }
    }

    /// LOGICAL UNIT RESET, or target reset: a unit attention is pending, mode pages are back to their
    /// defaults, the unit is started, what RESERVE reserved is released. Zones stay as they are.
    fn reset(&self) {
        self.shared.state.reset();
    }

    fn protocol(&self) -> Arc<dyn Protocol> {
        Arc::clone(&self.shared) as Arc<dyn Protocol>
    }
}

impl Protocol for Shared {
    fn name(&self) -> &'static str {
        "SCSI"
    }

    fn commands(&self) -> Vec<Description> {
        decode::commands()
    }

    fn describe(&self, raw: &[u8]) -> Description {
        decode::describe(&self.geometry, raw)
    }

    fn lacks_zones(&self, outcome: &Outcome) -> bool {
        Sense::is_lack_of_zones(&outcome.sense)
    }

    fn refuse(&self, failure: Failure) -> Outcome {
        match failure {
            Failure::Busy => Outcome {
                status: Status::Busy as u16,
                ..Outcome::default()
            },
            Failure::Aborted => {
                self.state.counters.add(Counter::NonMediumErrors, 1);
                self.failed(Sense::ABORTED)
            }
            Failure::Attention(code) => self.failed(Sense::attention(code)),
        }
    }
}

/// Stops `task` when its command is taken back, or is to end now.
fn stop_when_called(completer: &Completer<Outcome>, task: &Arc<Task>) {
    let task = Arc::clone(task);
    completer.when_called(move || task.stop(Stopped::Otherwise));
}

/// GOOD, with as much of `data` as the initiator has room for.
fn data_in(into: &impl Data, data: &[u8]) -> Outcome {
    Outcome {
        written: into.write(0, data) as u64,
        ..Outcome::default()
    }
}

/// Submits requests, each once the one before was carried out, and counts them; ends as the last one submitted.
fn one_by_one<D: Data>(
    disk: Arc<dyn ZonedDisk<D>>,
    mut requests: VecDeque<(Request, D)>,
    counting: Arc<Shared>,
) -> Submitted<Completion> {
    let Some((request, data)) = requests.pop_front() else {
        return Submitted::Completed(Completion::done(0));
    };
    disk.submit(request, &data).and_then(move |completion| {
        counting.count(request.operation, &completion);
        match completion.result {
            Ok(_) if !requests.is_empty() => one_by_one(disk, requests, counting),
            _ => Submitted::Completed(completion),
        }
    })
}
