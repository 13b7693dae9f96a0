//! Silent corruption: a bit of what is read is another, and the read succeeds. The medium stays as it is.

use command::{Description, Group};
use zoned::{Completion, Data, Operation, Request, Submitted};

use super::MediumFault;
use crate::disk::Rest;
use crate::rule::Firing;

pub(crate) struct BitFlip;

impl<D: Data> MediumFault<D> for BitFlip {
    fn is_for(&self, command: &Description) -> bool {
        command.group == Group::Read
    }

    /// The bit is any of the rule's blocks' as far as they were transferred.
    fn run(
        &self,
        firing: &Firing,
        request: Request,
        data: &D,
        rest: Rest<D>,
    ) -> Submitted<Completion> {
        let block = rest.disk.geometry().to_bytes(1);
        let read = rest.submit(request, data);
        let (Some(bad), Operation::Read { blocks: all, .. }) = (firing.blocks, request.operation)
        else {
            return read;
        };
        let start = (bad.lba - all.lba) * block;
        let end = (bad.end() - all.lba) * block;
        let (random, data) = (firing.random, data.clone());
        read.map(move |done| {
            let end = end.min(done.moved);
            if start < end {
                let bit = random % ((end - start) * 8);
                flip(&data, start + bit / 8, 1 << (bit % 8));
            }
            done
        })
    }
}

/// Flips the bits of `mask` in byte `at`.
fn flip(data: &impl Data, at: u64, mask: u8) {
    let mut byte = [0];
    data.read(at, &mut byte);
    data.write(at, &[byte[0] ^ mask]);
}
