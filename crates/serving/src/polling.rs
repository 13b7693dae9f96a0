//! Polling: a thread that has nothing to do looks again for a while before it waits, as long as that pays.
//!
//! To be woken costs a thread, and who wakes it, several times what a small command does, and most where processors are
//! virtual. So it looks where its last wait was short, and less and less often where it finds nothing. But on a busy host
//! it would take processors from those who have work to do, and they from it: where more threads can run than there are
//! processors, or it is taken off its own, it does not look for some time.

use std::fs;
use std::thread;
use std::time::{Duration, Instant};

/// How long it looks. Most of a short wait is the time that it takes to be woken, here and on the other side.
const LOOK: Duration = Duration::from_micros(50);
const SHORT: Duration = Duration::from_micros(100);
/// The most waits that it does not look before, after it has found nothing.
const MOST_LEFT_OUT: u32 = 255;
/// No thread that has a processor takes so long to look twice.
const GAP: Duration = Duration::from_micros(200);
/// How often it is found out whether the host is busy, while it was not.
const CHECK: Duration = Duration::from_millis(50);
const LONGEST_PAUSE: Duration = Duration::from_secs(2);

/// What one thread does before it waits.
pub struct Polling {
    /// When it began to have nothing to do.
    idle_since: Option<Instant>,
    last_was_short: bool,
    /// How many waits it does not look before, and how many of them are left.
    leaves_out: u32,
    left: u32,
    /// Whether the host is busy, as far as is known; when that is found out next, and how long after that if it is.
    busy: bool,
    next_check: Instant,
    pause: Duration,
    is_host_busy: fn() -> bool,
}

impl Default for Polling {
    fn default() -> Polling {
        Polling {
            idle_since: None,
            last_was_short: false,
            leaves_out: 0,
            left: 0,
            busy: true,
            next_check: Instant::now(),
            pause: CHECK,
            is_host_busy: more_can_run_than_processors,
        }
    }
}

impl Polling {
    /// Looks whether there is something to do, as long as that pays; whether there is. If not, the thread waits, and says
    /// when it is [woken](Self::woken).
    pub fn look(&mut self, mut is_ready: impl FnMut() -> bool) -> bool {
        let begun = Instant::now();
        self.idle_since = Some(begun);
        if !self.last_was_short || self.is_busy(begun) {
            return false;
        }
        if self.left > 0 {
            self.left -= 1;
            return false;
        }
        let mut last = begun;
        while last - begun < LOOK {
            if is_ready() {
                self.leaves_out = 0;
                return true;
            }
            std::hint::spin_loop();
            let now = Instant::now();
            if now - last > GAP {
                self.found(true, now);
                return false;
            }
            last = now;
        }
        self.leaves_out = (2 * self.leaves_out + 1).min(MOST_LEFT_OUT);
        self.left = self.leaves_out;
        false
    }

    /// It has waited, and there is something to do.
    pub fn woken(&mut self) {
        let since = self.idle_since.take();
        self.last_was_short = since.is_some_and(|since| since.elapsed() <= SHORT);
    }

    fn is_busy(&mut self, now: Instant) -> bool {
        if now >= self.next_check {
            self.found((self.is_host_busy)(), now);
        }
        self.busy
    }

    fn found(&mut self, busy: bool, now: Instant) {
        self.pause = match busy {
            true => (2 * self.pause).min(LONGEST_PAUSE),
            false => CHECK,
        };
        self.busy = busy;
        self.next_check = now + self.pause;
    }
}

/// Whether more threads of the host can run than there are processors for this one (proc_loadavg(5)); also where that cannot
/// be known, and where there is one processor only.
fn more_can_run_than_processors() -> bool {
    let processors = thread::available_parallelism().map_or(1, |count| count.get());
    let runnable = fs::read_to_string("/proc/loadavg").ok().and_then(|text| {
        let (running, _) = text.split_whitespace().nth(3)?.split_once('/')?;
        running.parse::<usize>().ok()
    });
    processors == 1 || runnable.is_none_or(|runnable| runnable > processors)
}

#[cfg(test)]
mod tests;
