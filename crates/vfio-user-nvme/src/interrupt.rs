//! When a client is told of completions: at once, or of several together (NVMe 1.4, 5.21.1.8 and 5.21.1.9).

use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Arc, Weak};
use std::time::{Duration, Instant};

use crate::alarms::Alarms;
use crate::wires::Wires;

/// How many completions the client wants to be told of together, and for how long at most one of them waits for others.
pub(crate) type Together = Option<(u32, Duration)>;

/// What the client wants of an interrupt vector now.
pub(crate) trait Wanted: Send + Sync + 'static {
    fn together(&self, vector: u16) -> Together;
}

/// What puts completions together.
pub(crate) struct Coalescing {
    pub wanted: Arc<dyn Wanted>,
    /// Those of the device, which has them alone: their own thread must not be what ends them.
    pub alarms: Weak<Alarms>,
}

/// The interrupt of a completion queue.
pub(crate) struct Interrupt {
    wires: Arc<Wires>,
    vector: u16,
    /// How many completions the client was not told of.
    untold: AtomicU32,
    /// `None`: it is told of each at once.
    coalescing: Option<Coalescing>,
    /// An alarm is set.
    is_set: AtomicBool,
}

impl Interrupt {
    pub fn new(wires: Arc<Wires>, vector: u16, coalescing: Option<Coalescing>) -> Arc<Interrupt> {
        Arc::new(Interrupt {
            wires,
            vector,
            untold: AtomicU32::new(0),
            coalescing,
            is_set: AtomicBool::new(false),
        })
    }

    /// A completion was posted.
    pub fn posted(&self) {
        self.untold.fetch_add(1, Ordering::Release);
    }

    /// Tells the client of what was posted, now or when it is enough, or time.
    pub fn tell(self: &Arc<Self>) {
        let untold = self.untold.load(Ordering::Acquire);
        if untold == 0 {
            return;
        }
        let Some(coalescing) = &self.coalescing else {
            return self.tell_now();
        };
        match coalescing.wanted.together(self.vector) {
            Some((most, time)) if untold < most => {
                // Whoever finds an alarm set has posted before that goes off, and is told of by it.
                let is_set = self.is_set.swap(true, Ordering::AcqRel);
                let alarms = coalescing.alarms.upgrade();
                let set = |alarms: Arc<Alarms>| alarms.set(Instant::now() + time, self);
                if !is_set && !alarms.is_some_and(set) {
                    self.time_is_up();
                }
            }
            _ => self.tell_now(),
        }
    }

    /// The alarm goes off.
    pub fn time_is_up(&self) {
        self.is_set.swap(false, Ordering::AcqRel);
        self.tell_now();
    }

    fn tell_now(&self) {
        if self.untold.swap(0, Ordering::AcqRel) > 0 {
            self.wires.interrupt(self.vector);
        }
    }
}

#[cfg(test)]
mod tests;
