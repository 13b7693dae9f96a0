//! A zone that can be neither read nor written: condition OFFLINE, for good.

use zoned::{Degraded, Operation, Target};

pub(crate) fn fail(target: Target) -> Operation {
    let to = Degraded::Offline;
    Operation::Degrade { target, to }
}
