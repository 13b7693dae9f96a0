//! The model of an SMR disk: an interface that takes one command at a time, an arm that makes the shortest access next,
//! a write cache and a read-ahead. Which byte is where is in `surface`, what waits to be written in `cache`.

mod cache;
mod surface;

use std::collections::VecDeque;

use crate::events::{Events, Flights, Server};
use crate::model::{micros, millis, transfer};
use crate::{DiskProfile, Done, Medium, Model, Nanos, Work};

use cache::{Cache, Extent};
use surface::{Spot, Surface};

#[derive(Clone, Copy, Debug)]
enum Event {
    /// The command is there.
    Arrives(usize),
    /// It has come through the interface.
    Received(usize),
    /// The arm is done.
    Moved(Job),
    /// The command ends.
    Ends(usize),
}

/// What the arm is about.
#[derive(Clone, Copy, Debug)]
enum Job {
    Read(usize),
    /// A write that is stable, or there is no cache.
    Write(usize),
    /// Something of the cache.
    Destage,
    /// A zone, as a whole.
    Manage(usize),
}

/// What the arm can do next.
#[derive(Clone, Copy, Debug)]
enum Choice {
    Waiting(usize),
    Dirty(usize),
}

pub(crate) struct Disk {
    profile: DiskProfile,
    medium: Medium,
    surface: Surface,
    events: Events<Event>,
    flights: Flights,
    interface: Server,
    /// Commands that wait for the arm, in the order in which they came, and where what they need lies, if that matters.
    waiting: Vec<(usize, Option<Spot>)>,
    cache: Cache,
    /// Writes that wait for room in the cache.
    wait_for_room: VecDeque<usize>,
    /// Flushes, each with the stamp of the writes that it waits for.
    flushes: Vec<(usize, u64)>,
    busy: bool,
    /// The byte that follows the one which was under the head last, and when that was.
    head: Spot,
    head_since: Nanos,
    /// Whether it was read, so that reading went on.
    reads_on: bool,
    last_written: Option<u64>,
    /// Whether what the arm did last was for the cache.
    destaged: bool,
}

impl Disk {
    pub fn new(profile: DiskProfile, medium: Medium) -> Disk {
        let surface = Surface::new(&profile, medium.bytes);
        Disk {
            head: surface.spot(0),
            surface,
            cache: Cache::new(
                (profile.cache_kib * 1024.0) as u64,
                profile.cache_writes as u64,
            ),
            profile,
            medium,
            events: Events::new(),
            flights: Flights::default(),
            interface: Server::default(),
            waiting: Vec::new(),
            wait_for_room: VecDeque::new(),
            flushes: Vec::new(),
            busy: false,
            head_since: 0,
            reads_on: false,
            last_written: None,
            destaged: false,
        }
    }

    fn link(&self, bytes: u64) -> Nanos {
        transfer(bytes, self.profile.link_mb_s)
    }

    fn arrives(&mut self, place: usize, now: Nanos) {
        let command = micros(self.profile.command_us);
        let data = match self.flights.get(place).work {
            Work::Write { bytes, .. } | Work::Append { bytes, .. } => self.link(bytes),
            _ => 0,
        };
        let (begun, received) = self.interface.serve(now, command + data);
        if !matches!(self.flights.get(place).work, Work::Read { .. }) {
            self.flights.begin(place, begun);
        }
        self.events.plan(received, Event::Received(place));
    }

    fn received(&mut self, place: usize, now: Nanos) {
        match self.flights.get(place).work {
            Work::Read { at, bytes, written } => {
                if written && !self.cache.holds(at, at + bytes) {
                    self.wait_for_arm(place, Some(at));
                } else {
                    self.flights.begin(place, now);
                    self.send(place, bytes, now, now);
                }
            }
            Work::Write { at, bytes, stable } | Work::Append { at, bytes, stable } => {
                if stable || self.profile.cache_kib == 0.0 {
                    self.wait_for_arm(place, Some(at));
                } else if self.wait_for_room.is_empty() && self.cache.has_room(bytes) {
                    self.put(place, now);
                } else {
                    self.wait_for_room.push_back(place);
                }
            }
            Work::Flush => self.flushes.push((place, self.cache.stamp())),
            Work::Reset { at, .. } => {
                self.cache.forget(at, at + self.medium.zone_bytes);
                self.wait_for_arm(place, None);
            }
            Work::Finish { .. } => self.wait_for_arm(place, None),
            Work::Open => self.ends_in(place, millis(self.profile.open_ms), now),
            Work::Close => self.ends_in(place, millis(self.profile.close_ms), now),
            Work::Report => self.ends_in(place, millis(self.profile.report_ms), now),
        }
        self.settle(now);
    }

    fn wait_for_arm(&mut self, place: usize, at: Option<u64>) {
        let spot = at.map(|at| self.surface.spot(at));
        self.waiting.push((place, spot));
    }

    fn ends_in(&mut self, place: usize, time: Nanos, now: Nanos) {
        self.events.plan(now + time, Event::Ends(place));
    }

    /// Sends what was read. While it came from the medium, from `since` on, some of it was sent already.
    fn send(&mut self, place: usize, bytes: u64, since: Nanos, now: Nanos) {
        let time = self.link(bytes);
        let from = now.saturating_sub(time).max(since);
        let (_, sent) = self.interface.serve(from, time);
        self.events.plan(sent.max(now), Event::Ends(place));
    }

    fn put(&mut self, place: usize, now: Nanos) {
        let (Work::Write { at, bytes, .. } | Work::Append { at, bytes, .. }) =
            self.flights.get(place).work
        else {
            return;
        };
        let start = self.surface.spot(at);
        self.cache
            .put(start, at + bytes, self.medium.zone_bytes, now);
        self.events.plan(now, Event::Ends(place));
    }

    /// Ends flushes that have nothing to wait for, lets writes into the cache, and gives the arm something to do.
    fn settle(&mut self, now: Nanos) {
        let flushes = std::mem::take(&mut self.flushes);
        let time = millis(self.profile.flush_ms);
        for (place, stamp) in flushes {
            if self.cache.is_through(stamp) {
                self.ends_in(place, time, now);
            } else {
                self.flushes.push((place, stamp));
            }
        }
        while let Some(&place) = self.wait_for_room.front() {
            let bytes = self.flights.get(place).work.bytes();
            if !self.cache.has_room(bytes) {
                break;
            }
            self.wait_for_room.pop_front();
            self.put(place, now);
        }
        if !self.busy {
            if let Some(choice) = self.choose(now) {
                self.busy = true;
                self.start(choice, now);
            }
        }
    }

    /// The access that begins soonest, of those that the disk looks at, unless one has waited for too long. While the
    /// cache is short of room, or a flush waits, it takes turns between what waits and what is to be written.
    fn choose(&mut self, now: Nanos) -> Option<Choice> {
        let urged = !self.flushes.is_empty() || self.cache.is_crowded();
        let destages = self.waiting.is_empty() || urged && !self.destaged;
        let long_ago = now.checked_sub(millis(self.profile.longest_wait_ms));
        if destages && !self.cache.extents().is_empty() {
            return Some(Choice::Dirty(self.next_dirty(now, long_ago)));
        }
        let (oldest, _) = *self.waiting.first()?;
        if Some(self.flights.get(oldest).arrived) < long_ago {
            return Some(Choice::Waiting(0));
        }
        let depth = self.profile.queue_depth as usize;
        let mut soonest = self.surface.soonest(self.head, now);
        for (index, &(place, spot)) in self.waiting.iter().take(depth).enumerate() {
            let reads = matches!(self.flights.get(place).work, Work::Read { .. });
            match spot {
                Some(spot) if self.is_there(spot, reads, now) => soonest.or_in(0, index),
                Some(spot) => soonest.or(spot, index),
                None => soonest.or_in(0, index),
            }
        }
        Some(Choice::Waiting(soonest.index))
    }

    /// Which of the cache's extents is written next.
    fn next_dirty(&self, now: Nanos, long_ago: Option<Nanos>) -> usize {
        let mut oldest: Option<(Nanos, usize)> = None;
        let mut soonest = self.surface.soonest(self.head, now);
        for (index, extent) in self.cache.extents().iter().enumerate() {
            if Some(extent.since) < long_ago && oldest.is_none_or(|(since, _)| extent.since < since)
            {
                oldest = Some((extent.since, index));
            } else if self.is_there(extent.start, false, now) {
                soonest.or_in(0, index);
            } else {
                soonest.or(extent.start, index);
            }
        }
        oldest.map_or(soonest.index, |(_, index)| index)
    }

    /// Whether the arm is where a byte can be read or written at once: reading went on to it, or it is under the head.
    fn is_there(&self, to: Spot, reads: bool, now: Nanos) -> bool {
        to.at == self.head.at
            && if reads {
                self.reads_on
            } else {
                self.surface.wait(to, now) == 0
            }
    }

    /// How long until a read or a write of this byte begins.
    fn way(&self, to: Spot, reads: bool, now: Nanos) -> Nanos {
        if self.is_there(to, reads, now) {
            return 0;
        }
        self.surface.access(self.head, to, now)
    }

    fn start(&mut self, choice: Choice, now: Nanos) {
        self.destaged = matches!(choice, Choice::Dirty(_));
        let (job, done) = match choice {
            Choice::Dirty(index) => {
                let Extent { start, end, .. } = self.cache.take(index);
                (Job::Destage, self.write(start, end - start.at, now))
            }
            Choice::Waiting(index) => {
                let (place, spot) = self.waiting.remove(index);
                self.flights.begin(place, now);
                match (spot, self.flights.get(place).work) {
                    (Some(spot), Work::Read { bytes, .. }) => {
                        (Job::Read(place), self.read(spot, bytes, now))
                    }
                    (Some(spot), work) => (Job::Write(place), self.write(spot, work.bytes(), now)),
                    (None, Work::Reset { .. }) => {
                        (Job::Manage(place), now + millis(self.profile.reset_ms))
                    }
                    (None, _) => (Job::Manage(place), now + millis(self.profile.finish_ms)),
                }
            }
        };
        self.events.plan(done, Event::Moved(job));
    }

    /// Reads, and tells when that is done. What passed under the head meanwhile, up to the read-ahead, is there.
    fn read(&mut self, from: Spot, bytes: u64, now: Nanos) -> Nanos {
        let at = from.at;
        let time = self.surface.transfer(at, bytes);
        let (passed, way) = if self.reads_on && at == self.head.at {
            let ahead = (self.profile.read_ahead_kib * 1024.0) as u64;
            let most = self.surface.transfer(at, ahead);
            ((now - self.head_since.min(now)).min(most), 0)
        } else {
            (0, self.way(from, true, now))
        };
        let done = now + way + time.saturating_sub(passed);
        self.reads_on = true;
        self.head = self.surface.spot(at + bytes);
        self.head_since = done - passed.saturating_sub(time).min(done);
        done
    }

    fn write(&mut self, to: Spot, bytes: u64, now: Nanos) -> Nanos {
        let at = to.at;
        let zone = self.medium.zone_of(at);
        let switched = self.last_written.is_some_and(|last| last != zone);
        let from = if switched {
            now + millis(self.profile.zone_switch_ms)
        } else {
            now
        };
        let done = from + self.way(to, false, from) + self.surface.transfer(at, bytes);
        self.reads_on = false;
        self.last_written = Some(zone);
        self.head = self.surface.spot(at + bytes);
        self.head_since = done;
        done
    }

    fn moved(&mut self, job: Job, now: Nanos) {
        self.busy = false;
        match job {
            Job::Read(place) => {
                let work = self.flights.get(place).work;
                self.send(place, work.bytes(), 0, now);
            }
            Job::Write(place) | Job::Manage(place) => self.events.plan(now, Event::Ends(place)),
            Job::Destage => self.cache.left(),
        }
        self.settle(now);
    }
}

impl Model for Disk {
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
                Event::Received(place) => self.received(place, now),
                Event::Moved(job) => self.moved(job, now),
                Event::Ends(place) => done.push(self.flights.end(place, now)),
            }
        }
    }
}

#[cfg(test)]
pub(crate) mod tests;
