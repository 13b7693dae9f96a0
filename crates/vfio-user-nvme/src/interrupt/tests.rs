//! When an interrupt is signalled, however many threads post completions.

use std::fs::File;
use std::io::Read;
use std::os::fd::OwnedFd;
use std::thread;

use rustix::event::{eventfd, poll, EventfdFlags, PollFd, PollFlags, Timespec};

use super::*;

const NEVER: Duration = Duration::from_secs(3600);
const SOON: Duration = Duration::from_micros(100);

struct Always(Together);

impl Wanted for Always {
    fn together(&self, _: u16) -> Together {
        self.0
    }
}

struct Client {
    interrupt: Arc<Interrupt>,
    alarms: Arc<Alarms>,
    event: Arc<File>,
}

impl Client {
    fn new(together: Together) -> Client {
        let event: OwnedFd = eventfd(0, EventfdFlags::NONBLOCK).unwrap();
        let event = Arc::new(File::from(event));
        let wires = Arc::new(Wires::new(Arc::default(), 1));
        wires.set_interrupt(0, Some(Arc::clone(&event)));
        let alarms = Arc::new(Alarms::default());
        let coalescing = Coalescing {
            wanted: Arc::new(Always(together)),
            alarms: Arc::downgrade(&alarms),
        };
        Client {
            interrupt: Interrupt::new(wires, 0, Some(coalescing)),
            alarms,
            event,
        }
    }

    fn complete(&self) {
        self.interrupt.posted();
        self.interrupt.tell();
    }

    /// How many interrupts there were since this was asked last.
    fn interrupts(&self) -> u64 {
        let mut count = [0; 8];
        match (&*self.event).read(&mut count) {
            Ok(8) => u64::from_ne_bytes(count),
            _ => 0,
        }
    }

    fn await_interrupt(&self) {
        let mut fds = [PollFd::new(&self.event, PollFlags::IN)];
        let most = Timespec {
            tv_sec: 60,
            tv_nsec: 0,
        };
        assert_eq!(poll(&mut fds, Some(&most)), Ok(1), "it is lost");
    }
}

#[test]
fn without_it_each_is_told_at_once() {
    let client = Client::new(None);
    client.interrupt.tell();
    assert_eq!(client.interrupts(), 0, "there is nothing to tell");
    for _ in 0..3 {
        client.complete();
        assert_eq!(client.interrupts(), 1);
    }
    assert!(!client.alarms.has_thread());
}

#[test]
fn enough_are_told_at_once() {
    let client = Client::new(Some((4, NEVER)));
    for _ in 0..3 {
        for expected in [0, 0, 0, 1] {
            client.complete();
            assert_eq!(client.interrupts(), expected);
        }
    }
}

#[test]
fn few_are_told_in_time() {
    let client = Client::new(Some((4, SOON)));
    for _ in 0..20 {
        client.complete();
        client.await_interrupt();
        assert_eq!(client.interrupts(), 1);
    }
}

#[test]
fn none_is_lost_between_threads() {
    let client = Client::new(Some((5, SOON)));
    for _ in 0..200 {
        thread::scope(|scope| {
            for _ in 0..3 {
                scope.spawn(|| client.complete());
            }
        });
        // Whichever interrupt it was, none of the completions stays untold.
        while client.interrupt.untold.load(Ordering::Acquire) > 0 {
            client.await_interrupt();
            client.interrupts();
        }
    }
}

#[test]
fn without_alarms_none_waits() {
    let mut client = Client::new(Some((4, NEVER)));
    client.alarms = Arc::default();
    client.complete();
    assert_eq!(client.interrupts(), 1);
}
