//! A command that the disk gives up, with no more to say. An initiator may try again.

use command::{Command, Failure, Outcome};
use zoned::{Data, Submitted};

use super::CommandFault;
use crate::unit::Rest;

pub(crate) struct Aborted;

impl<D: Data> CommandFault<D> for Aborted {
    fn run(&self, _: &Command<D>, rest: Rest<D>) -> Submitted<Outcome> {
        Submitted::Completed(rest.behind.protocol.refuse(Failure::Aborted))
    }
}
