//! A disk that lost a command: it is not carried out, and never completed.

use image::Outcome;

use super::{CommandFault, Rest};
use crate::command::Command;
use crate::rule::Strike;

pub(crate) struct NoAnswer;

impl CommandFault for NoAnswer {
    fn run(&self, _: &Strike, _: &Command<'_>, _: Rest<'_>) -> Option<Outcome> {
        None
    }
}
