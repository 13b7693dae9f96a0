//! Commands of a submission queue that are in flight, by which they are taken back and waited for.

use std::collections::HashMap;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use zoned::Ticket;

/// Commands in flight, by their identifiers. A client that gives two the same one can abort the later only.
#[derive(Default)]
pub(crate) struct Flights {
    state: Mutex<State>,
    landed: Condvar,
}

#[derive(Default)]
struct State {
    /// Numbered as they were begun.
    next: u64,
    tickets: HashMap<u64, (u16, Ticket)>,
}

impl Flights {
    /// A command is in flight: the number by which it [lands](Self::land).
    pub fn begin(&self, command: u16, ticket: Ticket) -> u64 {
        let mut state = self.state();
        let number = state.next;
        state.next += 1;
        state.tickets.insert(number, (command, ticket));
        number
    }

    /// A command is not in flight any more. `false`: it was not before.
    pub fn land(&self, number: u64) -> bool {
        let landed = self.state().tickets.remove(&number).is_some();
        self.landed.notify_all();
        landed
    }

    /// Takes a command back. `true`: nothing of it was done, nor will be, and it has landed.
    pub fn take_back(&self, command: u16) -> bool {
        let state = self.state();
        let flying = state.tickets.iter().filter(|(_, one)| one.0 == command);
        let Some((&number, (_, ticket))) = flying.max_by_key(|(&number, _)| number) else {
            return false;
        };
        let ticket = ticket.clone();
        drop(state);
        ticket.withdraw() && self.land(number)
    }

    /// Takes all back that can be, and waits for the others: what cannot be taken back now may be later.
    pub fn land_all(&self) {
        const AGAIN: Duration = Duration::from_millis(5);
        loop {
            let tickets: Vec<_> = {
                let state = self.state();
                let flying = state.tickets.iter();
                flying
                    .map(|(&number, one)| (number, one.1.clone()))
                    .collect()
            };
            for (number, ticket) in tickets {
                if ticket.withdraw() {
                    self.land(number);
                }
            }
            let state = self.state();
            if state.tickets.is_empty() {
                return;
            }
            drop(self.landed.wait_timeout(state, AGAIN));
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
