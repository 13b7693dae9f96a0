//! What a power cut takes: of the data that are not stable, as much as chance has it.

use std::io;

use zoned::{cut_back, written, Machine, Waits};

use crate::durability::Durability;
use crate::medium::Medium;
use crate::table::Table;
use crate::undo::{below_pointer, clear_unwritten, Undo};
use ::random::Random;

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
    /// those of a host-aware disk below the write pointer, where a block above the stable one was zeroes before.
    pub blocks: Vec<u64>,
}

/// What a sequential zone lost, in [`zoned::Geometry::write_unit`]s from its start.
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

/// Takes what a power cut takes from a disk that nobody uses at the time, and powers it off and on. What it leaves is not
/// stable yet.
pub(crate) fn cut<W: Waits>(
    machine: &Machine<Table, W>,
    medium: &Medium,
    durability: &Durability,
    undo: &Undo,
    loss: Loss,
) -> io::Result<Cut> {
    let mut chance = Chance::new(loss);
    let mut old = undo.take();
    old.retain(|_, _| chance.takes());
    let stable = durability.words();
    clear_unwritten(&mut old, machine.geometry(), &stable);
    if let Err(error) = medium.restore(machine.table(), &old) {
        undo.put_back(old);
        return Err(error);
    }
    let mut zones = Vec::new();
    machine.power_cycle(|zone, word| {
        let stable_word = stable[zone as usize];
        let (stable, before) = (written(stable_word), written(word));
        if stable >= before {
            return word;
        }
        let after = cut_back(word, stable_word, chance.between(stable, before));
        if after != word {
            zones.push(CutZone {
                zone,
                stable,
                before,
                after: written(after),
            });
        }
        after
    });
    let word = |zone| machine.table().word(zone);
    old.retain(|&number, _| below_pointer(machine.geometry(), number, word) > 0);
    Ok(Cut {
        zones,
        blocks: old.into_keys().collect(),
    })
}

/// Decides what is lost.
struct Chance {
    loss: Loss,
    numbers: Random,
}

impl Chance {
    fn new(loss: Loss) -> Self {
        let seed = match loss {
            Loss::Random { seed } => seed,
            Loss::All | Loss::None => 0,
        };
        Self {
            loss,
            numbers: Random::new(seed),
        }
    }

    /// Whether a block is lost.
    fn takes(&mut self) -> bool {
        self.between(0, 1) == 0
    }

    /// How much is left, between what was stable and what there was, both included.
    fn between(&mut self, stable: u32, before: u32) -> u32 {
        match self.loss {
            Loss::All => stable,
            Loss::None => before,
            Loss::Random { .. } => {
                let choices = u64::from(before - stable) + 1;
                stable + (self.numbers.draw() % choices) as u32
            }
        }
    }
}
