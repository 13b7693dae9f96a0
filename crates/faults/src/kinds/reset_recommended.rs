//! A zone whose write pointer the disk recommends to reset: RWP RECOMMENDED, until it is reset.

use zoned::{Operation, Target};

pub(crate) fn fail(target: Target) -> Operation {
    Operation::RecommendReset { target }
}
