//! Arbitrary bytes as a guest's memory: rings, descriptor tables, indirect tables, headers. Whatever they are,
//! handling the ring ends, and ends in an answer or an error.
#![no_main]

use std::cell::RefCell;
use std::sync::Arc;

use image::Outcome;
use libfuzzer_sys::fuzz_target;
use vhost_user_scsi::fuzzing::{Guest, Setup};
use vhost_user_scsi::{Lun, Pause};
use vm_memory::{Bytes, GuestAddress, VolatileSlice};
use zbc::{Completion, Status};

/// Two regions that meet, and one beyond a hole.
const REGIONS: [(u64, u64); 3] = [(0, 0x2000), (0x2000, 0x2000), (0x8000, 0x1000)];

/// The operation code of commands that are never answered.
const SILENT: u8 = 0xFF;

/// Reads all that it may read, and writes all that it may write.
struct Greedy;

impl Lun for Greedy {
    fn execute(
        &self,
        cdb: &[u8],
        out: &[VolatileSlice<'_>],
        into: &[VolatileSlice<'_>],
        _: Pause<'_>,
    ) -> Option<Outcome> {
        if cdb[0] == SILENT {
            return None;
        }
        let mut buffer = [0; 0x2000];
        let consumed = out
            .iter()
            .map(|slice| slice.copy_to(&mut buffer) as u64)
            .sum();
        for slice in into {
            slice.copy_from(&buffer);
        }
        let written = into.iter().map(|slice| slice.len() as u64).sum();
        let check = cdb[0] & 1 == 1;
        Some(Outcome {
            completion: Completion {
                status: if check {
                    Status::CheckCondition
                } else {
                    Status::Good
                },
                sense: vec![cdb[2]; cdb[3].into()],
            },
            written,
            consumed,
            overrun: cdb[1] == 1,
        })
    }

    fn reset(&self) {}
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
        let unit: Arc<dyn Lun> = Arc::new(Greedy);
        let _ = guest.drain(&setup, &unit, 100);
    });
});
