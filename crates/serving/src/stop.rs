//! How a thread is asked to end.

use std::io;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use crate::event::Event;

/// A request to a thread to end, which it sees between two commands and while it sleeps.
pub struct Stop {
    requested: AtomicBool,
    /// Signalled once it is requested.
    pub event: Event,
}

impl Stop {
    /// One that is not requested.
    ///
    /// # Errors
    /// The process has no descriptor left.
    pub fn new() -> io::Result<Stop> {
        Ok(Stop {
            requested: AtomicBool::new(false),
            event: Event::new()?,
        })
    }

    /// Requests it, for good.
    pub fn request(&self) {
        self.requested.store(true, Ordering::Release);
        self.event.signal();
    }

    /// Whether it was requested.
    pub fn requested(&self) -> bool {
        self.requested.load(Ordering::Acquire)
    }

    /// Waits until `done`; `false` if the thread is to end first.
    pub fn until(&self, done: impl Fn() -> bool) -> bool {
        let mut pause = Duration::from_micros(20);
        while !done() {
            if self.requested() {
                return false;
            }
            thread::sleep(pause);
            pause = (pause * 2).min(Duration::from_millis(1));
        }
        true
    }

    /// Sleeps for `time`, or until the thread is to end.
    pub fn sleep(&self, time: Duration) {
        self.event.wait(time);
    }
}
