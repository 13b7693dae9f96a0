//! The model of a ZNS SSD: a controller that takes one command at a time, a link to the host, a write buffer, dies on
//! channels, and a second hand for zones as a whole. Which die does what is in `nand`.

mod nand;

use std::collections::{BTreeMap, VecDeque};

use crate::events::{Events, Flights, Server};
use crate::model::{micros, transfer};
use crate::{Done, Medium, Model, Nanos, SsdProfile, Work};

use nand::{Nand, Program};

#[derive(Clone, Copy, Debug)]
enum Event {
    /// The command is there.
    Arrives(usize),
    /// The controller is done with it.
    Understood(usize),
    /// A page of it, so long, is in the register of a die.
    Sensed(usize, usize, u64),
    /// So much of it is through the channel.
    Fetched(usize, u64),
    /// Its data are here.
    Received(usize),
    /// The time of what a die programs is over.
    Programmed(usize),
    /// A part of it ends, or all of it.
    Ends(usize),
}

/// What was written to a zone and is not a whole program yet.
#[derive(Clone, Copy, Debug, Default)]
struct Filling {
    pending: u64,
    /// How many programs there were.
    units: u64,
}

pub(crate) struct Ssd {
    profile: SsdProfile,
    medium: Medium,
    events: Events<Event>,
    flights: Flights,
    /// How many of them that read or write have arrived.
    inside: usize,
    /// How many of those write.
    writing: usize,
    controller: Server,
    link: Server,
    /// For resets and finishes.
    management: Server,
    nand: Nand,
    buffered: u64,
    wait_for_room: VecDeque<usize>,
    /// By zone.
    filling: BTreeMap<u64, Filling>,
    /// What is still to be programmed to fill zones up, by command: bytes, and the next unit.
    to_fill: BTreeMap<usize, (u64, u64)>,
}

impl Ssd {
    pub fn new(profile: SsdProfile, medium: Medium) -> Ssd {
        Ssd {
            nand: Nand::new(&profile, medium),
            profile,
            medium,
            events: Events::new(),
            flights: Flights::default(),
            inside: 0,
            writing: 0,
            controller: Server::default(),
            link: Server::default(),
            management: Server::default(),
            buffered: 0,
            wait_for_room: VecDeque::new(),
            filling: BTreeMap::new(),
            to_fill: BTreeMap::new(),
        }
    }

    fn unit(&self) -> u64 {
        (self.profile.program_kib * 1024.0) as u64
    }

    fn arrives(&mut self, place: usize, now: Nanos) {
        let profile = &self.profile;
        let work = self.flights.get(place).work;
        let (busy, latency) = match work {
            Work::Read { .. } => (profile.read_us, profile.read_latency_us),
            Work::Write { .. } => (profile.write_us, profile.write_latency_us),
            Work::Append { .. } => (profile.append_us, profile.append_latency_us),
            Work::Open => (0.0, profile.open_us),
            Work::Close => (0.0, profile.close_us),
            Work::Flush => (0.0, profile.flush_us),
            Work::Report => (0.0, profile.report_us),
            Work::Finish { .. } | Work::Reset { .. } => (0.0, 0.0),
        };
        let mut shared = 0.0;
        if work.bytes() > 0 {
            shared = if self.inside > 0 {
                profile.shared_us
            } else {
                0.0
            };
            self.inside += 1;
            self.writing += usize::from(writes(work));
        }
        let (begun, taken) = self.controller.serve(now, micros(busy));
        self.flights.begin(place, begun);
        self.events
            .plan(taken + micros(latency + shared), Event::Understood(place));
    }

    fn understood(&mut self, place: usize, now: Nanos) {
        match self.flights.get(place).work {
            Work::Read { at, bytes, written } if written && bytes > 0 => {
                self.read(place, at, bytes, now)
            }
            Work::Read { bytes, .. } => {
                self.flights.get(place).parts = 1;
                self.events.plan(now, Event::Fetched(place, bytes));
            }
            Work::Write { bytes, .. } | Work::Append { bytes, .. } => {
                let time = transfer(bytes, self.profile.link_mb_s);
                let (_, received) = self.link.serve(now, time);
                self.events.plan(received, Event::Received(place));
            }
            Work::Reset { at, written } => self.reset(place, at, written, now),
            Work::Finish { at, missing } => self.finish(place, at, missing, now),
            Work::Flush | Work::Open | Work::Close | Work::Report => {
                self.events.plan(now, Event::Ends(place));
            }
        }
    }

    /// Reads each page of it from its die.
    fn read(&mut self, place: usize, at: u64, bytes: u64, now: Nanos) {
        let stripe = (self.profile.stripe_kib * 1024.0) as u64;
        let mut from = at;
        while from < at + bytes {
            let inside = from % self.medium.zone_bytes;
            let until = (from - inside % stripe + stripe).min(at + bytes);
            let die = self.nand.die(from, inside / stripe);
            let sensed = self.nand.read(die, now);
            self.flights.get(place).parts += 1;
            self.events
                .plan(sensed, Event::Sensed(place, die, until - from));
            from = until;
        }
    }

    fn received(&mut self, place: usize, now: Nanos) {
        self.wait_for_room.push_back(place);
        self.admit(now);
    }

    /// Lets writes into the buffer, as long as there is room: one into an empty one, whatever its size.
    fn admit(&mut self, now: Nanos) {
        let room = (self.profile.buffer_kib * 1024.0) as u64;
        while let Some(&place) = self.wait_for_room.front() {
            let work = self.flights.get(place).work;
            if self.buffered > 0 && self.buffered + work.bytes() > room {
                // What is no whole program has to go as it is, or nothing would make room.
                if self.nand.is_programming() || !self.round_off(now) {
                    return;
                }
                continue;
            }
            self.wait_for_room.pop_front();
            if let Work::Write { at, bytes, .. } | Work::Append { at, bytes, .. } = work {
                self.buffer(at, bytes, now);
            }
            self.events.plan(now, Event::Ends(place));
        }
    }

    fn buffer(&mut self, at: u64, bytes: u64, now: Nanos) {
        self.buffered += bytes;
        let unit = self.unit();
        let zone = self.medium.zone_of(at);
        let end = at + bytes - zone * self.medium.zone_bytes;
        let filling = self.filling.entry(zone).or_default();
        filling.pending += bytes;
        let mut units = Vec::new();
        while filling.pending >= unit {
            filling.pending -= unit;
            units.push(filling.units);
            filling.units += 1;
        }
        let last = (end >= self.medium.zone_capacity && filling.pending > 0).then_some(*filling);
        if end >= self.medium.zone_capacity {
            self.filling.remove(&zone);
        }
        for number in units {
            self.program(at, number, unit, None, now);
        }
        if let Some(last) = last {
            self.program(at, last.units, last.pending, None, now);
        }
    }

    /// Programs what is no whole program of every zone; tells whether there was any.
    fn round_off(&mut self, now: Nanos) -> bool {
        let parts: Vec<(u64, Filling)> = self
            .filling
            .iter_mut()
            .filter(|(_, filling)| filling.pending > 0)
            .map(|(&zone, filling)| {
                let part = *filling;
                filling.pending = 0;
                filling.units += 1;
                (zone, part)
            })
            .collect();
        for (zone, part) in &parts {
            let at = zone * self.medium.zone_bytes;
            self.program(at, part.units, part.pending, None, now);
        }
        !parts.is_empty()
    }

    fn program(&mut self, at: u64, unit: u64, buffered: u64, fills: Option<usize>, now: Nanos) {
        let die = self.nand.die(at, unit);
        let program = Program { buffered, fills };
        if let Some(done) = self.nand.program(die, program, now) {
            self.events.plan(done, Event::Programmed(die));
        }
    }

    fn programmed(&mut self, die: usize, now: Nanos) {
        let (program, next) = match self.nand.programmed(die, now) {
            Ok(done) => done,
            Err(later) => return self.events.plan(later, Event::Programmed(die)),
        };
        if let Some(next) = next {
            self.events.plan(next, Event::Programmed(die));
        }
        self.buffered -= program.buffered;
        if let Some(place) = program.fills {
            self.flights.get(place).parts -= 1;
            self.fill_up(place, now);
        }
        self.admit(now);
    }

    fn reset(&mut self, place: usize, at: u64, written: u64, now: Nanos) {
        let profile = &self.profile;
        let more = (profile.reset_full_us - profile.reset_empty_us).max(0.0);
        let mut time = profile.reset_empty_us + more * self.medium.share(written).sqrt();
        if self.writing > 0 {
            time *= profile.reset_shared;
        }
        if let Some(filling) = self.filling.remove(&self.medium.zone_of(at)) {
            self.buffered -= filling.pending;
        }
        let (begun, done) = self.management.serve(now, micros(time));
        self.flights.get(place).begun = Some(begun);
        self.events.plan(done, Event::Ends(place));
        self.admit(now);
    }

    /// Fills a zone up: as many programs at a time as it has dies, beside those of others.
    fn finish(&mut self, place: usize, at: u64, missing: u64, now: Nanos) {
        let filling = self
            .filling
            .remove(&self.medium.zone_of(at))
            .unwrap_or_default();
        self.buffered -= filling.pending;
        self.to_fill
            .insert(place, (missing + filling.pending, filling.units));
        for _ in 0..self.nand.dies_of_a_zone() {
            self.fill_up(place, now);
        }
        self.admit(now);
    }

    fn fill_up(&mut self, place: usize, now: Nanos) {
        let unit = self.unit();
        let Work::Finish { at, .. } = self.flights.get(place).work else {
            return;
        };
        let Some((left, number)) = self.to_fill.get(&place).copied() else {
            return;
        };
        if left > 0 {
            self.to_fill
                .insert(place, (left.saturating_sub(unit), number + 1));
            self.flights.get(place).parts += 1;
            self.program(at, number, 0, Some(place), now);
        } else if self.flights.get(place).parts == 0 {
            self.to_fill.remove(&place);
            let time = micros(self.profile.finish_us);
            let (_, done) = self.management.serve(now, time);
            self.events.plan(done, Event::Ends(place));
        }
    }

    fn fetched(&mut self, place: usize, bytes: u64, now: Nanos) {
        let time = transfer(bytes, self.profile.link_mb_s);
        let (_, sent) = self.link.serve(now, time);
        self.events.plan(sent, Event::Ends(place));
    }

    fn ends(&mut self, place: usize, now: Nanos) -> Option<Done> {
        let flight = self.flights.get(place);
        flight.parts = flight.parts.saturating_sub(1);
        if flight.parts > 0 {
            return None;
        }
        self.inside -= usize::from(flight.work.bytes() > 0);
        self.writing -= usize::from(writes(flight.work));
        Some(self.flights.end(place, now))
    }
}

fn writes(work: Work) -> bool {
    matches!(work, Work::Write { bytes, .. } | Work::Append { bytes, .. } if bytes > 0)
}

impl Model for Ssd {
    fn submit(&mut self, arrival: Nanos, token: u64, work: Work) {
        let place = self.flights.add(token, work, arrival);
        self.events.plan_arrival(arrival, Event::Arrives(place));
    }

    fn next(&self) -> Option<Nanos> {
        self.events.next()
    }

    fn advance(&mut self, until: Nanos, done: &mut Vec<Done>) {
        while let Some((now, event)) = self.events.take(until) {
            match event {
                Event::Arrives(place) => self.arrives(place, now),
                Event::Understood(place) => self.understood(place, now),
                Event::Sensed(place, die, bytes) => {
                    let fetched = self.nand.fetch(die, bytes, now);
                    self.events.plan(fetched, Event::Fetched(place, bytes));
                }
                Event::Fetched(place, bytes) => self.fetched(place, bytes, now),
                Event::Received(place) => self.received(place, now),
                Event::Programmed(die) => self.programmed(die, now),
                Event::Ends(place) => done.extend(self.ends(place, now)),
            }
        }
    }
}

#[cfg(test)]
pub(crate) mod tests;
