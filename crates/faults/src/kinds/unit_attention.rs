//! Something happened to the disk that an initiator has to know: UNIT ATTENTION, in place of the command.

use image::Outcome;

use super::{CommandFault, Rest};
use crate::command::Command;
use crate::rule::Strike;

const UNIT_ATTENTION: u8 = 0x6;

/// Commands that are carried out whatever is pending (SPC-5, 5.14).
const ALWAYS: [&str; 3] = ["INQUIRY", "REPORT LUNS", "REQUEST SENSE"];

/// Additional sense code and qualifier.
pub(crate) struct UnitAttention(pub u16);

impl CommandFault for UnitAttention {
    fn concerns(&self, command: &Command<'_>) -> bool {
        !command.name().is_some_and(|name| ALWAYS.contains(&name))
    }

    fn run(&self, _: &Strike, command: &Command<'_>, _: Rest<'_>) -> Option<Outcome> {
        command.check(UNIT_ATTENTION, self.0, None)
    }
}
