//! What the threads of one server share: the target, the front end, how far its request rings have got.

use std::sync::atomic::{AtomicBool, AtomicU16, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use memory::{Guest, Scatter};
use scsi::Target;
use serving::{Client, Stop};
use vm_memory::{Bytes, GuestAddress};

use crate::flights::{Flights, Which};
use crate::wire::Response;

/// The device behind a server's socket.
pub(crate) struct Device {
    pub(crate) target: Target<Scatter>,
    /// The front end.
    pub(crate) client: Arc<Client>,
    /// The request rings that run at the moment.
    running: Mutex<Vec<Arc<Progress>>>,
}

impl Device {
    pub(crate) fn new(target: Target<Scatter>) -> Device {
        Device {
            target,
            client: Arc::default(),
            running: Mutex::default(),
        }
    }

    /// Has [`Device::settle`] reckon with a request ring until it is over.
    pub(crate) fn track(&self, ring: Arc<Progress>) {
        let mut running = self.running.lock().unwrap_or_else(PoisonError::into_inner);
        running.retain(|ring| !ring.is_over());
        running.push(ring);
    }

    /// Waits until every command that the driver has made available so far was begun, and those that `ends` chooses are
    /// answered: taken back, where they were not begun, and answered so. `false` if `stop` came first.
    ///
    /// That is what a task management function's answer promises (VIRTIO 1.2, 5.6.6.2). A command runs to its end once
    /// it was begun, so waiting is how it is aborted.
    pub(crate) fn settle(&self, stop: &Stop, ends: Option<(Which, Response)>) -> bool {
        let rings = self.rings();
        let goals: Vec<u16> = rings.iter().map(|ring| ring.available()).collect();
        for (ring, goal) in rings.iter().zip(goals) {
            if !stop.until(|| ring.has_reached(goal)) {
                return false;
            }
        }
        let Some((which, response)) = ends else {
            return true;
        };
        rings
            .iter()
            .all(|ring| stop.until(|| ring.is_over() || !ring.flights.take_back(which, response)))
    }

    /// Whether one of these is in flight.
    pub(crate) fn flies(&self, which: Which) -> bool {
        self.rings().iter().any(|ring| ring.flights.any(which))
    }

    fn rings(&self) -> Vec<Arc<Progress>> {
        let running = self.running.lock().unwrap_or_else(PoisonError::into_inner);
        running.clone()
    }
}

/// How far a running ring has got.
pub(crate) struct Progress {
    memory: Arc<Guest>,
    /// Its commands in flight.
    pub(crate) flights: Arc<Flights>,
    /// Where the driver's index of the available ring is.
    index: GuestAddress,
    begun: AtomicU16,
    over: AtomicBool,
}

impl Progress {
    /// `index` is the guest address of the available ring's index, `begun` the ring's position.
    pub(crate) fn new(
        memory: Arc<Guest>,
        flights: Arc<Flights>,
        index: GuestAddress,
        begun: u16,
    ) -> Self {
        Progress {
            memory,
            flights,
            index,
            begun: AtomicU16::new(begun),
            over: AtomicBool::new(false),
        }
    }

    /// Position in the available ring up to which all chains are completed, or in flight.
    pub(crate) fn begun(&self) -> u16 {
        self.begun.load(Ordering::Acquire)
    }

    pub(crate) fn set_begun(&self, position: u16) {
        self.begun.store(position, Ordering::Release);
    }

    /// The ring's thread has ended: nothing is in flight on it.
    pub(crate) fn end(&self) {
        self.over.store(true, Ordering::Release);
    }

    pub(crate) fn is_over(&self) -> bool {
        self.over.load(Ordering::Acquire)
    }

    fn available(&self) -> u16 {
        let index = self.memory.map().load(self.index, Ordering::Acquire);
        index.map_or_else(|_| self.begun(), u16::from_le)
    }

    fn has_reached(&self, position: u16) -> bool {
        self.is_over() || self.begun().wrapping_sub(position) as i16 >= 0
    }
}
