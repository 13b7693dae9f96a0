//! A disk that takes no command now (SAM-5, 5.3.1: BUSY). An initiator tries again.

use command::{Command, Failure, Outcome};
use zoned::{Data, Submitted};

use super::CommandFault;
use crate::unit::Rest;

pub(crate) struct Busy;

impl<D: Data> CommandFault<D> for Busy {
    fn run(&self, _: &Command<D>, rest: Rest<D>) -> Submitted<Outcome> {
        Submitted::Completed(rest.behind.protocol.refuse(Failure::Busy))
    }
}
