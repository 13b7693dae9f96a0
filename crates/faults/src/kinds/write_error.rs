//! A disk that cannot write: PERIPHERAL DEVICE WRITE FAULT. Nothing is written, and the write pointer stays.

use image::Outcome;

use super::{CommandFault, Rest};
use crate::command::Command;
use crate::rule::Strike;
use crate::Selector;

const MEDIUM_ERROR: u8 = 0x3;
const PERIPHERAL_DEVICE_WRITE_FAULT: u16 = 0x0300;

pub(crate) struct WriteError;

impl CommandFault for WriteError {
    fn commands(&self) -> Selector {
        Selector::Write
    }

    fn run(&self, strike: &Strike, command: &Command<'_>, _: Rest<'_>) -> Option<Outcome> {
        let lba = strike.blocks.as_ref().map(|blocks| blocks.start);
        command.check(MEDIUM_ERROR, PERIPHERAL_DEVICE_WRITE_FAULT, lba)
    }
}
