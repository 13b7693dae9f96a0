//! A disk that cannot write: nothing is written, and the write pointer stays.

use command::{Description, Group};
use zoned::{Completion, Data, Refusal, Request, Submitted};

use super::MediumFault;
use crate::disk::Rest;
use crate::rule::Firing;

pub(crate) struct WriteError;

impl<D: Data> MediumFault<D> for WriteError {
    fn is_for(&self, command: &Description) -> bool {
        command.group == Group::Write
    }

    fn run(
        &self,
        firing: &Firing,
        request: Request,
        data: &D,
        rest: Rest<D>,
    ) -> Submitted<Completion> {
        match firing.blocks {
            Some(bad) => Submitted::Completed(Refusal::WriteFault { lba: bad.lba }.into()),
            None => rest.submit(request, data),
        }
    }
}
