//! A command that the disk gives up: ABORTED COMMAND, with no more to say. An initiator may try again.

use image::Outcome;

use super::{CommandFault, Rest};
use crate::command::Command;
use crate::rule::Strike;

const ABORTED_COMMAND: u8 = 0xB;

pub(crate) struct Aborted;

impl CommandFault for Aborted {
    fn run(&self, _: &Strike, command: &Command<'_>, _: Rest<'_>) -> Option<Outcome> {
        command.check(ABORTED_COMMAND, 0, None)
    }
}
