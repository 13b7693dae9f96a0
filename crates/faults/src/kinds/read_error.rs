//! A medium that cannot be read: UNRECOVERED READ ERROR, at the first LBA that is struck.

use image::Outcome;
use zbc::Status;

use super::{CommandFault, Rest};
use crate::command::Command;
use crate::rule::Strike;
use crate::Selector;

const MEDIUM_ERROR: u8 = 0x3;
const UNRECOVERED_READ_ERROR: u16 = 0x1100;

pub(crate) struct ReadError;

impl CommandFault for ReadError {
    fn commands(&self) -> Selector {
        Selector::Read
    }

    /// The blocks in front of the first bad one are transferred, as a disk does that meets it.
    fn run(&self, strike: &Strike, command: &Command<'_>, rest: Rest<'_>) -> Option<Outcome> {
        let (Some(all), Some(bad)) = (command.blocks(), &strike.blocks) else {
            return rest(command);
        };
        let failed = command.check(MEDIUM_ERROR, UNRECOVERED_READ_ERROR, Some(bad.start));
        if bad.start == all.start {
            return failed;
        }
        let cdb = command.of_blocks(bad.start - all.start);
        let before = rest(&Command {
            cdb: &cdb,
            ..*command
        })?;
        if before.overrun || before.completion.status != Status::Good {
            return Some(before);
        }
        failed.map(|failed| Outcome {
            written: before.written,
            consumed: before.consumed,
            ..failed
        })
    }
}
