//! The commands of a ring that are in flight: begun, and not on the used ring.
//!
//! A command that completes at once is never here. One that completes later is answered once, by whoever comes first:
//! its completion, or a task management function that takes it back. Whoever does writes the answer, and leaves the
//! chain for the ring's thread, which alone touches the used ring.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use command::Outcome;
use memory::Scatter;
use scsi::Address;
use zoned::Ticket;

use crate::request::respond;
use crate::wire::Response;
use serving::Event;

/// What a command in flight needs to be answered or found.
pub(crate) struct Flight {
    pub(crate) address: Address,
    pub(crate) tag: u64,
    pub(crate) ticket: Ticket,
    /// Where the answer goes.
    pub(crate) answer: Scatter,
    /// Bytes of the data buffers.
    pub(crate) room: Room,
}

/// How much a driver's buffers have room for.
#[derive(Clone, Copy)]
pub(crate) struct Room {
    pub(crate) out: u64,
    pub(crate) into: u64,
}

/// The commands of a ring that are in flight.
pub(crate) struct Flights {
    state: Mutex<State>,
    /// Whether there are commands in flight, or chains that wait to be put on the used ring.
    any: AtomicBool,
    /// Whether chains wait to be put on the used ring.
    any_done: AtomicBool,
    /// Wakes the ring's thread.
    event: Event,
}

#[derive(Default)]
struct State {
    /// By the chain's head.
    flying: HashMap<u16, Flight>,
    /// Answered, and not on the used ring: head and bytes written.
    done: Vec<(u16, u32)>,
    /// Taken off `done`, and about to be on the used ring.
    landing: usize,
}

/// What a task management function is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Which {
    Task(Address, u64),
    Unit(Address),
    All,
}

impl Which {
    fn includes(self, flight: &Flight) -> bool {
        match self {
            Which::Task(address, tag) => flight.address == address && flight.tag == tag,
            Which::Unit(address) => flight.address == address,
            Which::All => true,
        }
    }
}

impl Flights {
    pub(crate) fn new() -> std::io::Result<Flights> {
        Ok(Flights {
            state: Mutex::default(),
            any: AtomicBool::new(false),
            any_done: AtomicBool::new(false),
            event: Event::new()?,
        })
    }

    /// Signalled when there are chains to put on the used ring.
    pub(crate) fn event(&self) -> &Event {
        &self.event
    }

    /// The event, if there is anything that might signal it; for the ring's own thread, which alone begins commands.
    pub(crate) fn called_by(&self) -> Option<&Event> {
        self.any.load(Ordering::Acquire).then_some(&self.event)
    }

    /// A command begins that does not complete at once. A driver that offers a chain twice has itself to blame: the
    /// first is not answered any more.
    pub(crate) fn begin(&self, head: u16, flight: Flight) {
        self.state().flying.insert(head, flight);
        self.any.store(true, Ordering::Release);
    }

    /// A command has completed.
    pub(crate) fn complete(&self, head: u16, ticket: &Ticket, outcome: &Outcome) {
        let mut state = self.state();
        let same = state
            .flying
            .get(&head)
            .is_some_and(|flight| flight.ticket.is(ticket));
        if !same {
            return;
        }
        if let Some(flight) = state.flying.remove(&head) {
            let written = respond(&flight.answer, Ok(outcome), flight.room);
            self.done(&mut state, head, written);
        }
    }

    /// Takes back the commands that are not begun, and answers them with `response`; whether some are left, which
    /// complete soon.
    pub(crate) fn take_back(&self, which: Which, response: Response) -> bool {
        let mut state = self.state();
        let chosen: Vec<u16> = state
            .flying
            .iter()
            .filter(|(_, flight)| which.includes(flight))
            .map(|(head, _)| *head)
            .collect();
        let mut left = !state.done.is_empty() || state.landing > 0;
        for head in chosen {
            let withdrawn = state.flying[&head].ticket.withdraw();
            match state.flying.remove(&head) {
                Some(flight) if withdrawn => {
                    let written = respond(&flight.answer, Err(response), flight.room);
                    self.done(&mut state, head, written);
                    left = true;
                }
                Some(flight) => {
                    state.flying.insert(head, flight);
                    left = true;
                }
                None => {}
            }
        }
        left
    }

    /// Whether one of these is in flight.
    pub(crate) fn any(&self, which: Which) -> bool {
        let state = self.state();
        let any = state.flying.values().any(|flight| which.includes(flight));
        any
    }

    /// Has what waits for time to pass begin now, and forgets what never completes; whether some are left.
    pub(crate) fn hurry(&self) -> bool {
        let mut state = self.state();
        state.flying.retain(|_, flight| !flight.ticket.is_over());
        let tickets: Vec<Ticket> = state
            .flying
            .values()
            .map(|flight| flight.ticket.clone())
            .collect();
        drop(state);
        tickets.iter().for_each(Ticket::hurry);
        !tickets.is_empty()
    }

    /// Whether there are chains to put on the used ring.
    pub(crate) fn any_done(&self) -> bool {
        self.any_done.load(Ordering::Acquire)
    }

    /// The chains to put on the used ring: heads and bytes written. [`Self::landed`] is called when they are there.
    pub(crate) fn take_done(&self) -> Vec<(u16, u32)> {
        let mut state = self.state();
        self.any_done.store(false, Ordering::Release);
        let done = std::mem::take(&mut state.done);
        state.landing = done.len();
        done
    }

    /// The chains that were taken are on the used ring.
    pub(crate) fn landed(&self) {
        let mut state = self.state();
        state.landing = 0;
        let any = !state.flying.is_empty() || !state.done.is_empty();
        self.any.store(any, Ordering::Release);
    }

    fn done(&self, state: &mut State, head: u16, written: u32) {
        state.done.push((head, written));
        self.any_done.store(true, Ordering::Release);
        self.event.signal();
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
