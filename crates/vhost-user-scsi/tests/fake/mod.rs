//! A logical unit with opcodes made for tests.
#![allow(dead_code, missing_docs)]

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex};
use std::time::Duration;

use command::{Command, Outcome, Protocol, Unit};
use memory::Scatter;
use zoned::{pending, Completer, Data, Pending, Submitted};

/// Fills the data-in buffer with CDB byte 1.
pub const FILL: u8 = 0xc0;
/// Remembers the data-out buffer.
pub const STORE: u8 = 0xc1;
/// Waits until the gate is opened.
pub const SLOW: u8 = 0xc2;
pub const PANIC: u8 = 0xc3;
/// CHECK CONDITION with 3/11/00.
pub const FAIL: u8 = 0xc4;
/// Fills only the first CDB byte 1 bytes of the data-in buffer.
pub const SHORT: u8 = 0xc5;
pub const OVERRUN: u8 = 0xc6;
/// Is never answered.
pub const SILENT: u8 = 0xc7;
/// Waits until it is hurried.
pub const PAUSE: u8 = 0xc8;
/// Waits for [`Fake::complete_later`].
pub const LATER: u8 = 0xc9;

#[derive(Default)]
pub struct Fake {
    pub executed: Arc<AtomicUsize>,
    pub started: AtomicUsize,
    pub resets: AtomicUsize,
    pub stored: Mutex<Vec<u8>>,
    later: Mutex<Vec<Completer<Outcome>>>,
    order: Mutex<Vec<u8>>,
    open: Mutex<bool>,
    opened: Condvar,
}

impl Fake {
    pub fn new() -> Arc<Fake> {
        Arc::default()
    }

    pub fn open_gate(&self) {
        *self.open.lock().unwrap() = true;
        self.opened.notify_all();
    }

    pub fn executed(&self) -> usize {
        self.executed.load(Ordering::SeqCst)
    }

    pub fn resets(&self) -> usize {
        self.resets.load(Ordering::SeqCst)
    }

    /// Waits until `count` commands have been started.
    pub fn wait_started(&self, count: usize) {
        for _ in 0..5000 {
            if self.started.load(Ordering::SeqCst) >= count {
                return;
            }
            std::thread::sleep(Duration::from_millis(1));
        }
        panic!("{count} commands were not started");
    }
}

impl Unit<Scatter> for Fake {
    fn execute(&self, command: &Command<Scatter>) -> Submitted<Outcome> {
        let cdb = command.raw();
        assert_eq!(cdb.len(), 32);
        self.started.fetch_add(1, Ordering::SeqCst);
        let fill = |most: usize| command.into.write(0, &vec![cdb[1]; most]) as u64;
        let room = command.into.len() as usize;
        let mut outcome = Outcome::default();
        match cdb[0] {
            FILL => outcome.written = fill(room),
            SHORT => outcome.written = fill(room.min(cdb[1].into())),
            STORE => {
                let bytes = command.out.to_vec(u64::MAX);
                outcome.consumed = bytes.len() as u64;
                *self.stored.lock().unwrap() = bytes;
            }
            SLOW => {
                let open = self.open.lock().unwrap();
                drop(self.opened.wait_while(open, |open| !*open).unwrap());
            }
            PANIC => panic!("as the test wants"),
            FAIL => {
                outcome.status = 0x02;
                outcome.sense = vec![0x70, 0, 3, 0, 0, 0, 0, 10, 0, 0, 0, 0, 0x11, 0, 0, 0, 0, 0];
            }
            OVERRUN => outcome.overrun = true,
            SILENT => return Submitted::Pending(Pending::never()),
            PAUSE => return self.pause(),
            LATER => {
                self.order.lock().unwrap().push(cdb[1]);
                return self.later();
            }
            _ => {}
        }
        self.executed.fetch_add(1, Ordering::SeqCst);
        Submitted::Completed(outcome)
    }

    fn reset(&self) {
        self.resets.fetch_add(1, Ordering::SeqCst);
    }

    fn protocol(&self) -> Arc<dyn Protocol> {
        unreachable!("a transport knows no protocol")
    }
}

impl Fake {
    /// Waits to be hurried.
    fn pause(&self) -> Submitted<Outcome> {
        let (completer, pending) = pending();
        let place = Arc::new(Mutex::new(None));
        let (here, executed) = (Arc::clone(&place), Arc::clone(&self.executed));
        completer.when_called(move || {
            let completer: Option<Completer<Outcome>> = here.lock().unwrap().take();
            if let Some(completer) = completer.filter(Completer::begin) {
                executed.fetch_add(1, Ordering::SeqCst);
                completer.complete(Outcome::default());
            }
        });
        *place.lock().unwrap() = Some(completer);
        Submitted::Pending(pending)
    }

    /// Waits for [`Self::complete_later`].
    fn later(&self) -> Submitted<Outcome> {
        let (completer, pending) = pending();
        self.later.lock().unwrap().push(completer);
        Submitted::Pending(pending)
    }

    /// CDB byte 1 of the commands that were to wait for [`Self::complete_later`], in order of arrival.
    pub fn order(&self) -> Vec<u8> {
        self.order.lock().unwrap().clone()
    }

    /// Completes one of the commands that wait for it, chosen by `number`; `false` if there is none.
    pub fn complete_later(&self, number: usize) -> bool {
        let completer = {
            let mut later = self.later.lock().unwrap();
            if later.is_empty() {
                return false;
            }
            let at = number % later.len();
            later.remove(at)
        };
        if completer.begin() {
            self.executed.fetch_add(1, Ordering::SeqCst);
            completer.complete(Outcome::default());
        }
        true
    }
}
