//! A disk that takes its time: the command begins later, and those behind it on its queue with it.

use std::time::Duration;

use image::Outcome;

use super::{CommandFault, Rest};
use crate::command::Command;
use crate::rule::Strike;

pub(crate) struct Delay(pub Duration);

impl CommandFault for Delay {
    fn run(&self, _: &Strike, command: &Command<'_>, rest: Rest<'_>) -> Option<Outcome> {
        (command.pause)(self.0);
        rest(command)
    }
}
