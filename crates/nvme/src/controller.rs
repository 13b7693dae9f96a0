//! A controller: admin commands, and I/O commands to the namespaces that it has. Knows no queue but by its number.

use std::ops::Range;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use command::{Command, Outcome, Unit};
use reservations::{Access, News};
use zoned::{Data, Event, Geometry, Identity, Operation, Request, Submitted};

use crate::admin::{self, Context, QueueCommand, Reply};
use crate::events::{Events, Notice};
use crate::features::Features;
use crate::host::HostIdentifier;
use crate::logs::Logs;
use crate::media_check;
use crate::notifications::Notifications;
use crate::reserved::Reserved;
use crate::self_tests::{self, Ended, Kind, SelfTests, Test};
use crate::submission::{Submission, LEN};
use crate::{decode, Namespace, Status, Transfer};

/// A namespace of a controller.
pub struct Attached<D: Data> {
    pub namespace: Arc<Namespace<D>>,
    /// The namespace with the layers around it, by which its commands go.
    pub unit: Arc<dyn Unit<D>>,
    /// How it names itself.
    pub identity: Identity,
}

/// What a transport has room for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// I/O queue pairs, at least one.
    pub queues: u16,
    /// Interrupt vectors, at least one.
    pub vectors: u16,
}

/// The namespace identifier that stands for all namespaces.
const EVERY: u32 = u32::MAX;
const FLUSH: u8 = 0x00;

/// The number of the host, which is the only one of its controller.
const HOST: u8 = 0;

/// An I/O controller of NVMe 1.4 whose namespaces are numbered from 1 on.
///
/// That version is the last one whose mandatory parts ask for nothing that an emulated device would have to make up: 2.0
/// requires the features of ready modes, which Linux then waits by.
pub struct Controller<D: Data> {
    namespaces: Vec<Attached<D>>,
    shared: Arc<Shared>,
}

/// The controller's state, each part independent of the others.
pub(crate) struct Shared {
    pub limits: Limits,
    /// The namespaces, at least one.
    pub described: Vec<Described>,
    pub features: Features,
    pub events: Events,
    pub logs: Logs,
    pub notifications: Notifications,
    pub self_tests: SelfTests,
    host: Mutex<HostIdentifier>,
}

/// What a namespace is.
pub(crate) struct Described {
    pub geometry: Geometry,
    pub identity: Identity,
    pub reserved: Arc<Reserved>,
}

/// What becomes of an admin command.
pub enum Admin {
    Answer(Submitted<Outcome>),
    /// The transport carries it out, and answers it.
    Queue(QueueCommand),
}

impl<D: Data> Controller<D> {
    /// A controller with these namespaces, at least one.
    pub fn new(namespaces: Vec<Attached<D>>, limits: Limits) -> Controller<D> {
        let described = namespaces.iter().map(|attached| Described {
            geometry: attached.namespace.geometry().clone(),
            identity: attached.identity.clone(),
            reserved: Arc::clone(attached.namespace.reserved()),
        });
        let shared = Arc::new(Shared {
            limits,
            described: described.collect(),
            features: Features::new(limits),
            events: Events::default(),
            logs: Logs::new(namespaces.len()),
            notifications: Notifications::new(namespaces.len()),
            self_tests: kept_tests(&namespaces[0].namespace),
            host: Mutex::default(),
        });
        for (index, attached) in namespaces.iter().enumerate() {
            let told = Arc::downgrade(&shared);
            attached.namespace.disk().listen(Arc::new(move |event| {
                if let (Event::ZoneChanged { zone }, Some(shared)) = (event, told.upgrade()) {
                    shared.zone_changed(index, zone);
                }
            }));
            let told = Arc::downgrade(&shared);
            attached.namespace.reserved().listen(move |notice| {
                if let (HOST, Some(shared)) = (notice.to, told.upgrade()) {
                    shared.lost(index, notice.news);
                }
            });
        }
        Controller { namespaces, shared }
    }

    /// The data that go with an I/O command.
    pub fn transfer(&self, raw: &[u8; LEN]) -> Transfer {
        let index = self.shared.index(Submission(raw).namespace());
        index.map_or_else(
            |_| Transfer::default(),
            |index| decode::transfer(&self.shared.described[index].geometry, raw),
        )
    }

    /// The data that go with an admin command.
    pub fn admin_transfer(&self, raw: &[u8; LEN]) -> Transfer {
        admin::transfer(Submission(raw))
    }

    /// How many completions are put together before an interrupt of this vector, and for how long at most; `None`: none.
    pub fn coalescing(&self, vector: u16) -> Option<(u32, Duration)> {
        const UNIT: Duration = Duration::from_micros(100);
        let features = &self.shared.features;
        let (most, time) = features.coalescing();
        (time > 0 && features.coalesces(vector))
            .then(|| (u32::from(most) + 1, UNIT * u32::from(time)))
    }

    /// Begins an I/O command.
    pub fn execute(&self, command: &Command<D>) -> Submitted<Outcome> {
        let Ok(raw) = <&[u8; LEN]>::try_from(command.raw()) else {
            return Submitted::Completed(Status::INVALID_FIELD.outcome());
        };
        let entry = Submission(raw);
        let (first, rest) = match (entry.opcode(), entry.namespace()) {
            (FLUSH, EVERY) => (Ok(0), 1..self.namespaces.len()),
            (_, namespace) => (self.shared.index(namespace), 0..0),
        };
        let submitted = match first {
            Ok(index) => {
                let first = self.namespaces[index].unit.execute(command);
                self.then_each(first, rest, command)
            }
            Err(status) => Submitted::Completed(status.outcome()),
        };
        let (shared, raw, queue) = (Arc::clone(&self.shared), *raw, command.queue);
        let index = first.unwrap_or(0);
        submitted.map(move |outcome| {
            let geometry = &shared.described[index].geometry;
            shared.logs.count(geometry, Submission(&raw), &outcome);
            shared.note(&raw, queue, outcome)
        })
    }

    /// The same command to these namespaces, too, each once the one before has succeeded.
    fn then_each(
        &self,
        mut submitted: Submitted<Outcome>,
        indexes: Range<usize>,
        command: &Command<D>,
    ) -> Submitted<Outcome> {
        for attached in &self.namespaces[indexes] {
            let (unit, command) = (Arc::clone(&attached.unit), command.clone());
            submitted = submitted.and_then(move |outcome| match outcome.is_good() {
                true => unit.execute(&command),
                false => Submitted::Completed(outcome),
            });
        }
        submitted
    }

    /// Begins an admin command.
    pub fn administer(&self, command: &Command<D>) -> Admin {
        let Ok(raw) = <&[u8; LEN]>::try_from(command.raw()) else {
            return Admin::Answer(Submitted::Completed(Status::INVALID_FIELD.outcome()));
        };
        let entry = Submission(raw);
        let shared = &self.shared;
        let reply = admin::find(entry.opcode()).and_then(|known| {
            if entry.is_fused() {
                return Err(Status::INVALID_FIELD);
            }
            (known.run)(&Context {
                entry,
                out: &command.out,
                shared,
            })
        });
        let submitted = match reply {
            Ok(Reply::Queue(queue)) => return Admin::Queue(queue),
            Ok(Reply::Result(value)) => {
                self.features_changed();
                Submitted::Completed(Outcome {
                    result: value.into(),
                    ..Outcome::default()
                })
            }
            Ok(Reply::Data(data)) => Submitted::Completed(Outcome {
                written: command.into.write(0, &data) as u64,
                ..Outcome::default()
            }),
            Ok(Reply::Feature(value, data)) => Submitted::Completed(Outcome {
                result: value.into(),
                written: command.into.write(0, &data) as u64,
                ..Outcome::default()
            }),
            Ok(Reply::Reservations(indexes)) => self.of_each(indexes, Namespace::keep_reservations),
            Ok(Reply::Event) => match shared.events.wait() {
                Ok(later) => Submitted::Pending(later),
                Err(status) => Submitted::Completed(status.outcome()),
            },
            Ok(Reply::Test(test)) => Submitted::Completed(match self.test(&test) {
                Ok(()) => Outcome::default(),
                Err(status) => status.outcome(),
            }),
            Ok(Reply::Format(indexes)) => self.format(indexes, command.initiator),
            Err(status) => Submitted::Completed(status.outcome()),
        };
        let (shared, raw, queue) = (Arc::clone(shared), *raw, command.queue);
        Admin::Answer(submitted.map(move |outcome| shared.note(&raw, queue, outcome)))
    }

    /// Formats these namespaces.
    fn format(&self, indexes: Range<usize>, initiator: u8) -> Submitted<Outcome> {
        let described = &self.shared.described[indexes.clone()];
        let is_refused = |one: &Described| one.reserved.refuses(initiator, Some(Access::Write));
        if described.iter().any(is_refused) {
            return Submitted::Completed(Status::RESERVATION_CONFLICT.outcome());
        }
        let overlaps =
            |tested: &Range<usize>| tested.start.max(indexes.start) < tested.end.min(indexes.end);
        let shared = &self.shared;
        shared.end_test(|test| overlaps(&test.namespaces), Ended::Formatted);
        self.of_each(indexes, Namespace::format)
    }

    /// Begins a self-test.
    fn test(&self, test: &Arc<Test>) -> Result<(), Status> {
        let indexes = test.namespaces.clone();
        let media = indexes.map(|index| {
            let disk = Arc::clone(self.namespaces[index].namespace.disk());
            (index as u32 + 1, disk)
        });
        let media: media_check::Media<D> = media.collect();
        let (shared, begun) = (Arc::clone(&self.shared), Arc::clone(test));
        self.shared.self_tests.start(test, move || {
            let ended = media_check::check(&media, &begun);
            shared.end_test(|test| Arc::ptr_eq(test, &begun), ended);
        })
    }

    /// Does it to these namespaces, each once the one before has succeeded.
    fn of_each(
        &self,
        indexes: Range<usize>,
        what: fn(&Namespace<D>) -> Submitted<Outcome>,
    ) -> Submitted<Outcome> {
        self.namespaces[indexes].iter().fold(
            Submitted::Completed(Outcome::default()),
            |submitted, attached| {
                let namespace = Arc::clone(&attached.namespace);
                submitted.and_then(move |outcome| match outcome.is_good() {
                    true => what(&namespace),
                    false => Submitted::Completed(outcome),
                })
            },
        )
    }

    fn features_changed(&self) {
        let enabled = self.shared.features.has_write_cache();
        for attached in &self.namespaces {
            attached.namespace.set_write_cache(enabled);
        }
    }

    /// The controller is reset (NVMe 1.4, 7.3.2): features have their default values, nobody waits for an event, and a
    /// short self-test is over. No command is in flight but those that wait for events.
    pub fn reset(&self) {
        self.shared.features.reset();
        self.shared.events.reset();
        let is_short = |test: &Arc<Test>| test.kind == Kind::Short;
        self.shared.end_test(is_short, Ended::Reset);
        self.shared.notifications.reset();
        self.shared.set_host(HostIdentifier::default());
        self.namespaces
            .iter()
            .for_each(|attached| attached.unit.reset());
    }
}

/// The self-tests whose results the disk of this namespace keeps.
fn kept_tests<D: Data>(first: &Arc<Namespace<D>>) -> SelfTests {
    let kind = self_tests::KEPT_AS;
    let disk = Arc::clone(first.disk());
    let kept = disk.saved(kind);
    SelfTests::new(&kept, move |results| {
        let request = Request::from(Operation::Save { kind });
        // Who asks for the results reads them from memory.
        drop(disk.submit(request, &D::of(results)));
    })
}

/// The end of power: no test outlives it.
impl<D: Data> Drop for Controller<D> {
    fn drop(&mut self) {
        self.shared.end_test(|_| true, Ended::PowerOff);
        self.shared.self_tests.join();
    }
}

impl Shared {
    /// The self-test that runs has ended so, if it is one of these.
    pub fn end_test(&self, is_one: impl FnOnce(&Arc<Test>) -> bool, ended: Ended) {
        self.self_tests.end(is_one, ended, self.logs.hours());
    }

    /// The index of a namespace.
    pub fn index(&self, namespace: u32) -> Result<usize, Status> {
        let index = (namespace as usize).checked_sub(1);
        index
            .filter(|&index| index < self.described.len())
            .ok_or(Status::INVALID_NAMESPACE)
    }

    /// The indexes of the namespaces that this number stands for.
    pub fn named(&self, namespace: u32) -> Result<Range<usize>, Status> {
        match namespace {
            EVERY => Ok(0..self.described.len()),
            _ => self.index(namespace).map(|index| index..index + 1),
        }
    }

    fn zone_changed(&self, index: usize, zone: u32) {
        let namespace = index as u32 + 1;
        self.logs
            .zone_changed(index, self.described[index].geometry.span(zone).start);
        let notice = Notice::ZoneDescriptorChanged { namespace };
        if self.features.wants(Notice::ZONE_DESCRIPTORS) {
            self.events.happened(notice);
        }
    }

    /// The host has lost what it had registered or reserved of a namespace.
    fn lost(&self, index: usize, news: News) {
        if self.notifications.happened(index, news) {
            self.events.happened(Notice::ReservationLogAvailable);
        }
    }

    /// How the host names itself.
    pub fn host(&self) -> HostIdentifier {
        *self.locked_host()
    }

    pub fn set_host(&self, host: HostIdentifier) {
        *self.locked_host() = host;
        for one in &self.described {
            one.reserved.set_host(HOST, host);
        }
    }

    fn locked_host(&self) -> MutexGuard<'_, HostIdentifier> {
        self.host.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Keeps that a command failed, if it did.
    fn note(&self, raw: &[u8; LEN], queue: Option<u16>, outcome: Outcome) -> Outcome {
        if !outcome.is_good() {
            self.logs.failed(Submission(raw), queue, outcome.status);
        }
        outcome
    }
}
