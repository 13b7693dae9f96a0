//! Any messages as a front end's: rings, memory and descriptors that are not there, out of order, of the wrong
//! size. The session refuses what is wrong, and ends; no ring works outside the memory that was shared.
#![no_main]

use std::sync::Arc;

use command::{Command, Outcome, Protocol, Unit};
use libfuzzer_sys::fuzz_target;
use memory::Scatter;
use vhost_user_scsi::fuzzing::{session, Message, SHARED};
use zoned::Submitted;

struct Idle;

impl Unit<Scatter> for Idle {
    fn execute(&self, _: &Command<Scatter>) -> Submitted<Outcome> {
        Submitted::Completed(Outcome::default())
    }

    fn reset(&self) {}

    fn protocol(&self) -> Arc<dyn Protocol> {
        unreachable!("a transport knows no protocol")
    }
}

const VERSION: u32 = 1;
const NEED_REPLY: u32 = 8;
const SET_FEATURES: u8 = 2;
const SET_MEM_TABLE: u8 = 5;

/// A request code, how to bend it, and its payload.
type Step<'a> = (u8, u8, &'a [u8]);

fuzz_target!(|input: (bool, Vec<Step<'_>>)| {
    let (set_up, steps) = input;
    let mut messages: Vec<(Vec<u8>, u8, bool)> = Vec::new();
    if set_up {
        messages.push((
            message(SET_FEATURES, 0, &(1u64 << 32).to_le_bytes()),
            0,
            false,
        ));
        let region = [0, SHARED, 0, 0].map(u64::to_le_bytes).concat();
        let table = [&[1, 0, 0, 0, 0, 0, 0, 0][..], &region].concat();
        messages.push((message(SET_MEM_TABLE, 0, &table), 1, false));
    }
    for (request, bend, payload) in steps.into_iter().take(64) {
        let payload = &payload[..payload.len().min(300)];
        messages.push((
            message(request % 48, bend, payload),
            bend >> 4 & 7,
            bend >> 7 == 1,
        ));
    }
    let messages: Vec<Message<'_>> = messages
        .iter()
        .map(|(bytes, descriptors, event)| Message {
            bytes,
            descriptors: *descriptors,
            event: *event,
        })
        .collect();
    session(Arc::new(Idle), &messages);
});

/// Header and payload; with `bend` the size is not the payload's, or a reply is asked for.
fn message(request: u8, bend: u8, payload: &[u8]) -> Vec<u8> {
    let flags = VERSION | if bend & 1 == 1 { NEED_REPLY } else { 0 };
    let size = payload.len() as u32 + if bend & 6 == 6 { 1 } else { 0 };
    let header = [u32::from(request), flags, size]
        .map(u32::to_le_bytes)
        .concat();
    [header, payload.to_vec()].concat()
}
