//! REPORT TIMESTAMP and SET TIMESTAMP (SPC-5, 5.2, 6.36 and 6.46).

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use crate::answer::{Answer, Context, Reply};
use crate::sense::Sense;

/// Where a timestamp comes from: it was zero at power on or reset; SET TIMESTAMP set it.
const ZERO: u8 = 0b000;
const SET: u8 = 0b010;

const LEN: usize = 12;

/// A clock of milliseconds in 48 bits.
pub(crate) struct Timestamp(Mutex<Since>);

struct Since {
    instant: Instant,
    milliseconds: u64,
    origin: u8,
}

impl Since {
    fn now(milliseconds: u64, origin: u8) -> Since {
        Since {
            instant: Instant::now(),
            milliseconds,
            origin,
        }
    }
}

impl Timestamp {
    /// Zero.
    pub fn new() -> Timestamp {
        Timestamp(Mutex::new(Since::now(0, ZERO)))
    }

    /// Zero again.
    pub fn reset(&self) {
        *self.since() = Since::now(0, ZERO);
    }

    fn since(&self) -> MutexGuard<'_, Since> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// REPORT TIMESTAMP.
pub(crate) fn report(context: &Context<'_>) -> Answer {
    let since = context.state.timestamp.since();
    let passed = since.instant.elapsed().as_millis() as u64;
    let now = since.milliseconds.wrapping_add(passed);
    let mut data = vec![0; LEN];
    data[1] = LEN as u8 - 2;
    data[2] = since.origin;
    data[4..10].copy_from_slice(&now.to_be_bytes()[2..]);
    Reply::cut(data, context.cdb.be32(6))
}

/// SET TIMESTAMP.
pub(crate) fn set(context: &Context<'_>) -> Answer {
    let len = context.cdb.be32(6) as usize;
    if len == 0 {
        return Reply::GOOD;
    }
    if len < LEN {
        return Err(Sense::PARAMETER_LIST_LENGTH);
    }
    let list = match context.parameters(LEN) {
        Ok(list) => list,
        Err(overrun) => return Ok(overrun),
    };
    let milliseconds = list[4..10]
        .iter()
        .fold(0, |value, &byte| value << 8 | u64::from(byte));
    *context.state.timestamp.since() = Since::now(milliseconds, SET);
    context.tell_others(Sense::TIMESTAMP_CHANGED);
    Reply::GOOD
}
