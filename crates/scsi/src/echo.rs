//! READ BUFFER and WRITE BUFFER (SPC-5, 6.20 and 6.49): the echo buffer, which is the only one. Microcode cannot be
//! downloaded.

use std::sync::{Mutex, PoisonError};

use crate::answer::{Answer, Context, Reply};
use crate::sense::Sense;

const DESCRIPTOR: u8 = 0x03;
const ECHO: u8 = 0x0A;
const ECHO_DESCRIPTOR: u8 = 0x0B;

/// How many bytes the echo buffer has.
const CAPACITY: u32 = 4096;

/// What was written to the echo buffer last; `None`: nothing since power on or reset.
#[derive(Default)]
pub(crate) struct Echo(Mutex<Option<Vec<u8>>>);

impl Echo {
    pub fn reset(&self) {
        self.set(None);
    }

    fn set(&self, to: Option<Vec<u8>>) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = to;
    }

    fn get(&self) -> Option<Vec<u8>> {
        let written = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        written.clone()
    }
}

/// READ BUFFER(10).
pub(crate) fn read_10(context: &Context<'_>) -> Answer {
    read(context, context.cdb.be24(6))
}

/// READ BUFFER(16).
pub(crate) fn read_16(context: &Context<'_>) -> Answer {
    read(context, context.cdb.be32(10))
}

/// READ BUFFER, by its mode.
fn read(context: &Context<'_>, allocation_length: u32) -> Answer {
    let data = match context.cdb.byte(1) & 0x1F {
        // Of every buffer ID alike: no buffer.
        DESCRIPTOR => vec![0; 4],
        ECHO => context
            .state
            .echo
            .get()
            .ok_or(Sense::COMMAND_SEQUENCE_ERROR)?,
        ECHO_DESCRIPTOR => CAPACITY.to_be_bytes().to_vec(),
        _ => return Err(Sense::cdb_bit(1, 4)),
    };
    Reply::cut(data, allocation_length)
}

/// WRITE BUFFER, by its mode.
pub(crate) fn write(context: &Context<'_>) -> Answer {
    if context.cdb.byte(1) & 0x1F != ECHO {
        return Err(Sense::cdb_bit(1, 4));
    }
    let len = context.cdb.be24(6);
    if len > CAPACITY {
        return Err(Sense::cdb_field(6));
    }
    match context.parameters(len as usize) {
        Ok(written) => {
            context.state.echo.set(Some(written));
            Reply::GOOD
        }
        Err(overrun) => Ok(overrun),
    }
}
