//! Doorbells in the client's memory (NVMe 1.4, 5.7 and B.5): it writes there, and rings only when it passes what it was
//! asked to ring at.

use std::sync::atomic::{fence, Ordering};

use memory::Guest;
use vm_memory::{Address, Bytes, GuestAddress};

/// Bytes of a doorbell.
pub(crate) const DOORBELL: u64 = 4;

/// A doorbell in memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Shadow {
    /// Where the client writes it.
    value: GuestAddress,
    /// At what it has to ring.
    event: GuestAddress,
}

/// All doorbells in memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Doorbells {
    pub values: u64,
    pub events: u64,
}

impl Doorbells {
    /// That of a submission queue's tail.
    pub fn tail(self, queue: u16) -> Shadow {
        self.at(2 * u64::from(queue))
    }

    /// That of a completion queue's head.
    pub fn head(self, queue: u16) -> Shadow {
        self.at(2 * u64::from(queue) + 1)
    }

    fn at(self, number: u64) -> Shadow {
        let place = |base| GuestAddress(base).unchecked_add(number * DOORBELL);
        Shadow {
            value: place(self.values),
            event: place(self.events),
        }
    }
}

impl Shadow {
    /// What the client has written; `None`: it is not in its memory.
    pub fn read(self, memory: &Guest) -> Option<u32> {
        let read = memory.map().load(self.value, Ordering::Acquire);
        read.ok().map(u32::from_le)
    }

    /// Asks the client to ring once it goes on from `known`, and returns what it has written meanwhile: before it saw that, it
    /// did not ring.
    pub fn ask(self, memory: &Guest, known: u32) -> Option<u32> {
        let asked = memory
            .map()
            .store(known.to_le(), self.event, Ordering::Release);
        fence(Ordering::SeqCst);
        asked.ok().and_then(|()| self.read(memory))
    }
}
