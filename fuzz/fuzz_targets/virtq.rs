//! Arbitrary bytes as a guest's memory: rings, descriptor tables, indirect tables, headers. Whatever they are,
//! handling the ring ends, and ends in an answer or an error.
#![no_main]

use std::cell::RefCell;
use std::sync::Arc;
use std::thread;

use command::{Command, Outcome, Protocol, Unit};
use libfuzzer_sys::fuzz_target;
use memory::Scatter;
use vhost_user_scsi::fuzzing::{Guest, Setup};
use vm_memory::{Bytes, GuestAddress};
use zoned::{pending, Data, Pending, Submitted};

/// Two regions that meet, and one beyond a hole.
const REGIONS: [(u64, u64); 3] = [(0, 0x2000), (0x2000, 0x2000), (0x8000, 0x1000)];

/// The operation code of commands that are never answered.
const SILENT: u8 = 0xFF;
/// The operation code of commands that another thread answers.
const LATER: u8 = 0xFE;

/// Reads all that it may read, and writes all that it may write.
struct Greedy;

impl Unit<Scatter> for Greedy {
    fn execute(&self, command: &Command<Scatter>) -> Submitted<Outcome> {
        let cdb = command.raw();
        match cdb[0] {
            SILENT => return Submitted::Pending(Pending::never()),
            LATER => {
                let (completer, pending) = pending();
                thread::spawn(move || completer.complete(Outcome::default()));
                return Submitted::Pending(pending);
            }
            _ => {}
        }
        let mut buffer = [0; 0x2000];
        let consumed = command.out.read(0, &mut buffer) as u64;
        let written = command.into.write(0, &buffer) as u64;
        Submitted::Completed(Outcome {
            status: if cdb[0] & 1 == 1 { 0x02 } else { 0 },
            sense: vec![cdb[2]; cdb[3].into()],
            written,
            consumed,
            overrun: cdb[1] == 1,
            ..Outcome::default()
        })
    }

    fn reset(&self) {}

    fn protocol(&self) -> Arc<dyn Protocol> {
        unreachable!("a transport knows no protocol")
    }
}

thread_local! {
    static GUEST: RefCell<Guest> = RefCell::new(Guest::new(&REGIONS));
}

fuzz_target!(|input: (u8, u16, [u16; 3], &[u8])| {
    let (kind, base, [descriptors, available, used], bytes) = input;
    // Mostly a ring where its parts do not overlap, else one anywhere.
    let (descriptors, available, used) = match kind & 0x30 {
        0 => (descriptors.into(), available.into(), used.into()),
        _ => (0, 0x80, 0x1000),
    };
    let setup = Setup {
        control: kind & 1 == 1,
        event_idx: kind & 2 == 2,
        size: if kind & 0xc == 0 { base } else { 8 },
        base,
        descriptors,
        available,
        used,
    };
    GUEST.with_borrow(|guest| {
        for (start, len) in REGIONS {
            let zeroes = vec![0; len as usize];
            guest
                .memory()
                .write_slice(&zeroes, GuestAddress(start))
                .unwrap();
        }
        let bytes = &bytes[..bytes.len().min(0x4000)];
        guest.memory().write_slice(bytes, GuestAddress(0)).unwrap();
        let unit: Arc<dyn Unit<Scatter>> = Arc::new(Greedy);
        let _ = guest.drain(&setup, &unit, 100);
    });
});
