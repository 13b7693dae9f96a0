//! What a power cut takes: of the data that are not stable, as much as chance has it.

use crate::random::Sequence;

/// How much of the volatile write cache a power cut loses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Loss {
    /// Everything that was not made stable.
    All,
    /// Nothing.
    None,
    /// In each zone any part of it.
    Random {
        /// The same seed on the same disk gives the same loss.
        seed: u64,
    },
}

/// What a power cut took.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Cut {
    /// Sequential zones that lost data.
    pub zones: Vec<CutZone>,
    /// Physical blocks that can be overwritten, by number, that are what they were before: in conventional zones, and in
    /// those of a host-aware disk, where a block at or above the stable write pointer was zeroes before.
    pub blocks: Vec<u64>,
}

/// What a sequential zone lost, in [`zbc::Geometry::write_unit`]s from its start.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CutZone {
    /// The zone's number.
    pub zone: u32,
    /// The write pointer of the data that were stable.
    pub stable: u32,
    /// The write pointer before the cut.
    pub before: u32,
    /// The write pointer after it.
    pub after: u32,
}

/// Decides what is lost.
pub(crate) struct Chance {
    loss: Loss,
    numbers: Sequence,
}

impl Chance {
    pub fn new(loss: Loss) -> Self {
        let seed = match loss {
            Loss::Random { seed } => seed,
            Loss::All | Loss::None => 0,
        };
        Self {
            loss,
            numbers: Sequence::new(seed),
        }
    }

    /// Whether a block is lost.
    pub fn takes(&mut self) -> bool {
        self.between(0, 1) == 0
    }

    /// How much is left, between what was stable and what there was, both included.
    pub fn between(&mut self, stable: u32, before: u32) -> u32 {
        match self.loss {
            Loss::All => stable,
            Loss::None => before,
            Loss::Random { .. } => {
                let choices = u64::from(before - stable) + 1;
                stable + (self.numbers.next() % choices) as u32
            }
        }
    }
}
