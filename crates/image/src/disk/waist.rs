//! The disk at the waist: requests come in, unless the power is off.

use std::sync::PoisonError;

use memory::Scatter;
use zoned::{
    Completion, Geometry, Listener, Refusal, Request, Statistics, Submitted, Zone, ZonedDisk,
};

use super::requests::{refused, waiter, Held};
use super::Disk;

impl ZonedDisk<Scatter> for Disk {
    fn geometry(&self) -> &Geometry {
        Disk::geometry(self)
    }

    fn submit(&self, request: Request, data: &Scatter) -> Submitted<Completion> {
        let Some(gate) = &self.0.gate else {
            return self.0.begin(request, data);
        };
        let mut held = None;
        if !gate.enter(|| Held(request, waiter(data, &mut held))) {
            return held.map_or(refused(Refusal::Lost), Submitted::Pending);
        }
        let submitted = self.0.begin(request, data);
        if let Submitted::Completed(_) = submitted {
            gate.leave();
        }
        submitted
    }

    fn zone(&self, number: u32) -> Zone {
        Disk::zone(self, number)
    }

    fn take_statistics(&self) -> Statistics {
        self.0.machine.take_statistics()
    }

    /// What the host cannot read is not there.
    fn extension(&self, number: u32) -> Vec<u8> {
        let read = Disk::extension(self, number);
        read.ok().flatten().unwrap_or_default()
    }

    fn saved(&self, kind: u32) -> Vec<u8> {
        self.0.saved.get(kind)
    }

    fn listen(&self, listener: Listener) {
        let listeners = self.0.listeners.lock();
        listeners
            .unwrap_or_else(PoisonError::into_inner)
            .push(listener);
    }
}
