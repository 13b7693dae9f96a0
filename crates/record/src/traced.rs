//! A unit whose every command goes to a trace.

use std::sync::Arc;
use std::time::Instant;

use command::{Command, Description, Outcome, Protocol, Unit};
use zoned::{Data, Geometry, Spent, Submitted};

use crate::chunk::{Row, HEAD};
use crate::{sense, Trace};

/// A unit that is traced: every command that it answers.
pub struct Traced<D: Data> {
    unit: Arc<dyn Unit<D>>,
    tracing: Arc<Tracing>,
}

/// Where rows go, and what they have in common.
struct Tracing {
    trace: Arc<Trace>,
    disk: u16,
    geometry: Geometry,
    protocol: Arc<dyn Protocol>,
    /// Its name's first letters.
    name: [u8; 4],
}

/// What of a row is known before the command is answered.
struct Begun {
    start: Instant,
    queue: Option<u16>,
    described: Description,
    head: [u8; HEAD],
}

impl<D: Data> Traced<D> {
    /// Traces `unit` as disk number `disk` of `trace`.
    pub fn new(
        unit: Arc<dyn Unit<D>>,
        geometry: Geometry,
        trace: Arc<Trace>,
        disk: u16,
    ) -> Traced<D> {
        let protocol = unit.protocol();
        let mut letters = protocol.name().bytes();
        let tracing = Arc::new(Tracing {
            trace,
            disk,
            geometry,
            name: std::array::from_fn(|_| letters.next().unwrap_or_default()),
            protocol,
        });
        Traced { unit, tracing }
    }
}

impl Tracing {
    fn add(&self, begun: &Begun, outcome: &Outcome) {
        let latency = begun.start.elapsed().as_nanos() as u64;
        let Description { lba, count, .. } = begun.described;
        let on_medium = lba.filter(|&lba| lba < self.geometry.blocks);
        let (key, asc, ascq) = sense::code(&outcome.sense);
        let moved = outcome.written + outcome.consumed;
        let spent = |of: fn(Spent) -> u64| outcome.spent.map_or(u64::MAX, of);
        self.trace.add(Row {
            time: self.trace.time(begun.start),
            latency,
            lba: lba.unwrap_or(u64::MAX),
            blocks: count.unwrap_or(u64::MAX),
            length: if outcome.is_good() { moved } else { 0 },
            queued: spent(|spent| spent.queued),
            service: spent(|spent| spent.service),
            virtual_time: spent(|spent| spent.ended),
            zone: on_medium.map_or(u32::MAX, |lba| self.geometry.zone_of(lba)),
            sense: u32::from_be_bytes([0, key, asc, ascq]),
            disk: self.disk,
            queue: begun.queue.unwrap_or(u16::MAX),
            status: outcome.status,
            protocol: self.name,
            group: begun.described.group as u8,
            head: begun.head,
        });
    }
}

impl<D: Data> Unit<D> for Traced<D> {
    fn execute(&self, command: &Command<D>) -> Submitted<Outcome> {
        let start = Instant::now();
        let raw = command.raw();
        let mut head = [0; HEAD];
        let length = raw.len().min(HEAD);
        head[..length].copy_from_slice(&raw[..length]);
        let begun = Begun {
            start,
            queue: command.queue,
            described: self.tracing.protocol.describe(raw),
            head,
        };
        match self.unit.execute(command) {
            Submitted::Completed(outcome) => {
                self.tracing.add(&begun, &outcome);
                Submitted::Completed(outcome)
            }
            Submitted::Pending(pending) => {
                let tracing = Arc::clone(&self.tracing);
                Submitted::Pending(pending.map(move |outcome| {
                    tracing.add(&begun, &outcome);
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
