//! A logical unit with opcodes made for tests.
#![allow(dead_code, missing_docs)]

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex};
use std::time::Duration;

use image::Outcome;
use vhost_user_scsi::{Lun, Pause};
use vm_memory::VolatileSlice;
use zbc::{Completion, Status};

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
/// Pauses for CDB byte 1 seconds.
pub const PAUSE: u8 = 0xc8;

#[derive(Default)]
pub struct Fake {
    pub executed: AtomicUsize,
    pub started: AtomicUsize,
    pub resets: AtomicUsize,
    pub stored: Mutex<Vec<u8>>,
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

impl Lun for Fake {
    fn execute(
        &self,
        cdb: &[u8],
        out: &[VolatileSlice<'_>],
        into: &[VolatileSlice<'_>],
        pause: Pause<'_>,
    ) -> Option<Outcome> {
        assert_eq!(cdb.len(), 32);
        self.started.fetch_add(1, Ordering::SeqCst);
        let fill = |most: usize| {
            let mut left = most;
            for slice in into {
                let len = slice.len().min(left);
                slice.copy_from(&vec![cdb[1]; len]);
                left -= len;
            }
            (most - left) as u64
        };
        let (mut written, mut consumed, mut overrun) = (0, 0, false);
        let mut status = Status::Good;
        let mut sense = Vec::new();
        match cdb[0] {
            FILL => written = fill(usize::MAX),
            SHORT => written = fill(cdb[1].into()),
            STORE => {
                let mut bytes = Vec::new();
                for slice in out {
                    let mut part = vec![0; slice.len()];
                    slice.copy_to(&mut part);
                    bytes.extend(part);
                }
                consumed = bytes.len() as u64;
                *self.stored.lock().unwrap() = bytes;
            }
            SLOW => {
                let open = self.open.lock().unwrap();
                drop(self.opened.wait_while(open, |open| !*open).unwrap());
            }
            PANIC => panic!("as the test wants"),
            FAIL => {
                status = Status::CheckCondition;
                sense = vec![0x70, 0, 3, 0, 0, 0, 0, 10, 0, 0, 0, 0, 0x11, 0, 0, 0, 0, 0];
            }
            OVERRUN => overrun = true,
            SILENT => return None,
            PAUSE => pause(Duration::from_secs(cdb[1].into())),
            _ => {}
        }
        self.executed.fetch_add(1, Ordering::SeqCst);
        Some(Outcome {
            completion: Completion { status, sense },
            written,
            consumed,
            overrun,
        })
    }

    fn reset(&self) {
        self.resets.fetch_add(1, Ordering::SeqCst);
    }
}
