//! A medium that cannot be read, from the first LBA of the rule on.

use command::{Description, Group};
use zoned::{Blocks, Completion, Data, Operation, Refusal, Request, Submitted};

use super::MediumFault;
use crate::disk::Rest;
use crate::rule::Firing;

pub(crate) struct ReadError;

impl<D: Data> MediumFault<D> for ReadError {
    fn is_for(&self, command: &Description) -> bool {
        matches!(command.group, Group::Read | Group::Verify)
    }

    /// The blocks in front of the first bad one are transferred, as a disk does that meets it.
    fn run(
        &self,
        firing: &Firing,
        request: Request,
        data: &D,
        rest: Rest<D>,
    ) -> Submitted<Completion> {
        let Some((bad, (all, before))) = firing.blocks.zip(split(request.operation)) else {
            return rest.submit(request, data);
        };
        let refusal = Refusal::Unreadable { lba: bad.lba };
        let count = bad.lba - all.lba;
        if count == 0 {
            return Submitted::Completed(refusal.into());
        }
        let bytes = rest.disk.geometry().to_bytes(count);
        let operation = before(Blocks { count, ..all });
        let front = Request {
            operation,
            ..request
        };
        rest.submit(front, &data.first(bytes))
            .map(move |done| Completion {
                result: done.result.and(Err(refusal)),
                ..done
            })
    }
}

/// The blocks of a request that reads, and the same of others.
fn split(operation: Operation) -> Option<(Blocks, impl Fn(Blocks) -> Operation)> {
    let (Operation::Read { blocks, .. }
    | Operation::Verify { blocks }
    | Operation::Compare { blocks }) = operation
    else {
        return None;
    };
    Some((blocks, move |blocks| match operation {
        Operation::Read { stable, .. } => Operation::Read { blocks, stable },
        Operation::Compare { .. } => Operation::Compare { blocks },
        _ => Operation::Verify { blocks },
    }))
}
