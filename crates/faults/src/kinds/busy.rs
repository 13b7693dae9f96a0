//! A disk that takes no command now: status BUSY (SAM-5, 5.3.1). An initiator tries again.

use image::Outcome;
use zbc::{Completion, Status};

use super::{CommandFault, Rest};
use crate::command::Command;
use crate::rule::Strike;

pub(crate) struct Busy;

impl CommandFault for Busy {
    fn run(&self, _: &Strike, command: &Command<'_>, _: Rest<'_>) -> Option<Outcome> {
        command.end(Completion {
            status: Status::Busy,
            sense: Vec::new(),
        })
    }
}
