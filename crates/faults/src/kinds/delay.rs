//! A disk that takes its time: the command begins later. Others do not wait for it.

use std::time::Duration;

use command::{Command, Outcome};
use zoned::{Data, Submitted};

use super::CommandFault;
use crate::unit::Rest;

pub(crate) struct Delay(pub Duration);

impl<D: Data> CommandFault<D> for Delay {
    fn run(&self, command: &Command<D>, rest: Rest<D>) -> Submitted<Outcome> {
        let command = command.clone();
        let delay = rest.behind.timer.after(self.0);
        delay.and_then(move |()| rest.execute(&command))
    }
}
