//! A disk that lost a command: it is not carried out, and never completed. Nothing waits for it.

use command::{Command, Outcome};
use zoned::{Data, Pending, Submitted};

use super::CommandFault;
use crate::unit::Rest;

pub(crate) struct NoAnswer;

impl<D: Data> CommandFault<D> for NoAnswer {
    fn run(&self, _: &Command<D>, _: Rest<D>) -> Submitted<Outcome> {
        Submitted::Pending(Pending::never())
    }
}
