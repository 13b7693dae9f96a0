//! What happens when, in the order of time. At the same time commands arrive first, and all else is in the order in which
//! it was planned: so it does not matter when an arrival was told. And the commands in flight. Knows no device.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use crate::{Done, Nanos, Work};

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Rank {
    Arrival,
    Other,
}

/// Planned events.
#[derive(Debug)]
pub(crate) struct Events<E> {
    /// By time, rank and number; what happens is in `planned`.
    order: BinaryHeap<Reverse<(Nanos, Rank, u64, usize)>>,
    planned: Vec<Option<E>>,
    free: Vec<usize>,
    next: u64,
    now: Nanos,
}

impl<E> Events<E> {
    pub fn new() -> Events<E> {
        Events {
            order: BinaryHeap::new(),
            planned: Vec::new(),
            free: Vec::new(),
            next: 0,
            now: 0,
        }
    }

    /// Plans an event; never for what is past.
    pub fn plan(&mut self, at: Nanos, event: E) {
        self.put(at, Rank::Other, event);
    }

    /// Plans that a command arrives: before all else that happens then.
    pub fn plan_arrival(&mut self, at: Nanos, event: E) {
        self.put(at, Rank::Arrival, event);
    }

    fn put(&mut self, at: Nanos, rank: Rank, event: E) {
        let place = self.free.pop().unwrap_or_else(|| {
            self.planned.push(None);
            self.planned.len() - 1
        });
        self.planned[place] = Some(event);
        self.order
            .push(Reverse((at.max(self.now), rank, self.next, place)));
        self.next += 1;
    }

    /// When the next one is.
    pub fn next(&self) -> Option<Nanos> {
        self.order.peek().map(|&Reverse((at, ..))| at)
    }

    /// The next one up to this time, and its time. Without one it is `until` now.
    pub fn take(&mut self, until: Nanos) -> Option<(Nanos, E)> {
        if self.next().is_none_or(|at| at > until) {
            self.now = self.now.max(until);
            return None;
        }
        let Reverse((at, _, _, place)) = self.order.pop()?;
        self.now = at;
        self.free.push(place);
        Some((at, self.planned[place].take()?))
    }
}

/// A command in flight.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Flight {
    pub token: u64,
    pub work: Work,
    pub arrived: Nanos,
    pub begun: Option<Nanos>,
    /// Parts of it that have not ended.
    pub parts: u64,
}

/// The commands in flight, by a number each, which is used again.
#[derive(Debug, Default)]
pub(crate) struct Flights {
    flights: Vec<Option<Flight>>,
    free: Vec<usize>,
}

impl Flights {
    pub fn add(&mut self, token: u64, work: Work, arrived: Nanos) -> usize {
        let flight = Flight {
            token,
            work,
            arrived,
            begun: None,
            parts: 0,
        };
        if let Some(place) = self.free.pop() {
            self.flights[place] = Some(flight);
            return place;
        }
        self.flights.push(Some(flight));
        self.flights.len() - 1
    }

    /// One that is in flight.
    pub fn get(&mut self, place: usize) -> &mut Flight {
        self.flights[place]
            .as_mut()
            .expect("an event is of a command in flight")
    }

    /// Notes when the device began with it, once.
    pub fn begin(&mut self, place: usize, at: Nanos) {
        self.get(place).begun.get_or_insert(at);
    }

    /// It ends.
    pub fn end(&mut self, place: usize, ended: Nanos) -> Done {
        let flight = *self.get(place);
        self.flights[place] = None;
        self.free.push(place);
        Done {
            token: flight.token,
            arrived: flight.arrived,
            begun: flight.begun.unwrap_or(ended),
            ended,
        }
    }
}

/// What one command at a time may use, in the order in which they come.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Server {
    free: Nanos,
}

impl Server {
    /// Uses it for so long, as soon as it is free: from when, and until when.
    pub fn serve(&mut self, at: Nanos, time: Nanos) -> (Nanos, Nanos) {
        let begun = at.max(self.free);
        self.free = begun + time;
        (begun, self.free)
    }

    /// Whether nobody uses it at this time.
    pub fn is_free(&self, at: Nanos) -> bool {
        self.free <= at
    }
}
