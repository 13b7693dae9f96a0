//! Something happened to the disk that an initiator has to know, said in place of the command.

use command::{Command, Description, Failure, Outcome};
use zoned::{Data, Submitted};

use super::CommandFault;
use crate::unit::Rest;

/// The protocol's code for what happened.
pub(crate) struct UnitAttention(pub u16);

impl<D: Data> CommandFault<D> for UnitAttention {
    fn concerns(&self, command: &Description) -> bool {
        !command.unconditional
    }

    fn run(&self, _: &Command<D>, rest: Rest<D>) -> Submitted<Outcome> {
        Submitted::Completed(rest.behind.protocol.refuse(Failure::Attention(self.0)))
    }
}
