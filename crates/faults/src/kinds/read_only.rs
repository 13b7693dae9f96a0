//! A zone that can be written no more: condition READ ONLY, for good.

use zoned::{Degraded, Operation, Target};

pub(crate) fn fail(target: Target) -> Operation {
    let to = Degraded::ReadOnly;
    Operation::Degrade { target, to }
}
