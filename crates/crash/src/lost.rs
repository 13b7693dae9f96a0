//! The commands whose effect a state has lost: a loss of a zone, or of a physical block, by what made the changes.

use std::collections::BTreeMap;

use zoned::{Kind, Operation};

use crate::entry::Submission;
use crate::error::Error;
use crate::held::Held;
use crate::history::Change;
use crate::moment::Moment;
use crate::reader::Position;
use crate::states::{Loss, Place};

/// A command, or another request, of which something is lost.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LostCommand {
    /// The entry of its submission.
    pub number: u64,
    pub submission: Submission,
    /// It had not completed.
    pub in_flight: bool,
    /// Where it begins; of what acts on zones the first that it changed. `None`: the disk has no zones.
    pub zone: Option<u32>,
    /// The first block that it writes, of an append too; of what acts on zones the start of that zone.
    pub lba: u64,
    /// How many blocks it writes; of what acts on zones how many of them it changed.
    pub count: u64,
    /// How many of these are lost.
    pub lost: u64,
    /// Where what is lost begins.
    pub lost_from: u64,
}

/// What is known of a request by the cells that it changed.
struct Part {
    disk: u16,
    submission: Position,
    lba: u64,
    count: u64,
    lost: u64,
    lost_from: u64,
}

impl Part {
    fn lose(&mut self, from: u64, count: u64) {
        self.lost += count;
        self.lost_from = self.lost_from.min(from);
    }
}

impl Moment {
    /// The commands of which a state with these losses has lost something, in the order of their submissions.
    ///
    /// # Errors
    /// `Invalid` where that cannot be lost; `Damaged`, `Io`.
    pub fn lost(&self, losses: &[Loss]) -> Result<Vec<LostCommand>, Error> {
        let mut parts = BTreeMap::new();
        for loss in losses {
            self.disk(loss.disk)?;
        }
        for held in self.disks.values() {
            let own = losses_of(held, losses)?;
            if own.is_empty() {
                continue;
            }
            of_zones(held, &own, &mut parts);
            of_blocks(held, &own, &mut parts);
        }
        let lost = parts.into_values().filter(|part| part.lost > 0);
        lost.map(|part| self.command(part)).collect()
    }

    fn command(&self, part: Part) -> Result<LostCommand, Error> {
        let submission = self.reader.submission(part.submission)?;
        let geometry = self.disk(part.disk)?.geometry();
        let (lba, count) = match submission.operation {
            Operation::Write { blocks, .. } | Operation::Fill { blocks, .. } => {
                (blocks.lba, blocks.count)
            }
            _ => (part.lba, part.count),
        };
        let number = part.submission.number;
        Ok(LostCommand {
            number,
            submission,
            in_flight: self.flights.contains_key(&number),
            zone: (geometry.kind != Kind::Conventional).then(|| geometry.zone_of(lba)),
            lba,
            count,
            lost: part.lost,
            lost_from: part.lost_from,
        })
    }
}

/// Those of the losses that are of one disk.
///
/// # Errors
/// `Invalid` where it cannot have lost that.
pub(crate) fn losses_of(held: &Held, losses: &[Loss]) -> Result<BTreeMap<Place, Loss>, Error> {
    let own = losses.iter().filter(|loss| loss.disk == held.medium.number);
    let checked = own.map(|loss| {
        let (changes, first) = match loss.place {
            Place::Block(block) => (held.blocks.versions(block).len(), None),
            Place::Zone(zone) => {
                let steps = held.zones.get(&zone).map(|zone| &zone.steps[..]);
                let steps = steps.unwrap_or_default();
                let left = steps.len().checked_sub(loss.changes as usize);
                (steps.len(), left.and_then(|left| steps.get(left)))
            }
        };
        let units = match first.map(|step| step.change) {
            Some(Change::Write { units, .. }) => units,
            _ => 1,
        };
        match loss.changes as usize <= changes && loss.kept < units {
            true => Ok((loss.place, *loss)),
            false => Err(cannot(loss, changes)),
        }
    });
    checked.collect()
}

/// Adds up what was done in sequence and may be lost, also what is not.
fn of_zones(held: &Held, own: &BTreeMap<Place, Loss>, parts: &mut BTreeMap<u64, Part>) {
    let geometry = held.geometry();
    let unit = geometry.write_unit_blocks();
    for &zone in &held.unstable {
        let history = &held.zones[&zone];
        let loss = own.get(&Place::Zone(zone));
        let left = history.steps.len() - loss.map_or(0, |loss| loss.changes as usize);
        let states = history.states(held.capacity(zone));
        for (at, (step, before)) in history.steps.iter().zip(states).enumerate() {
            let (skipped, count) = match step.change {
                Change::Write { units, .. } => {
                    (u64::from(before.written) * unit, u64::from(units) * unit)
                }
                _ => (0, 1),
            };
            let lba = geometry.span(zone).start + skipped;
            let part = part_of(parts, held, step.submission, lba);
            part.count += count;
            if at >= left {
                let kept = loss.filter(|_| at == left).map_or(0, |loss| loss.kept);
                let kept = u64::from(kept) * unit;
                part.lose(lba + kept, count - kept);
            }
        }
    }
}

/// Adds up what is lost where it can be overwritten.
fn of_blocks(held: &Held, own: &BTreeMap<Place, Loss>, parts: &mut BTreeMap<u64, Part>) {
    for (place, loss) in own {
        let Place::Block(block) = place else { continue };
        let versions = held.blocks.versions(*block);
        let left = versions.len() - loss.changes as usize;
        for version in versions.skip(left) {
            let part = part_of(parts, held, version.submission, version.part.lba);
            part.lose(version.part.lba, version.part.count);
        }
    }
}

fn part_of<'a>(
    parts: &'a mut BTreeMap<u64, Part>,
    held: &Held,
    submission: Position,
    lba: u64,
) -> &'a mut Part {
    parts.entry(submission.number).or_insert(Part {
        disk: held.medium.number,
        submission,
        lba,
        count: 0,
        lost: 0,
        lost_from: u64::MAX,
    })
}

fn cannot(loss: &Loss, changes: usize) -> Error {
    let what = match loss.place {
        Place::Zone(zone) => format!("zone {zone}"),
        Place::Block(block) => format!("physical block {block}"),
    };
    let message = format!(
        "{what} of disk {} cannot have lost {} changes but {} write units of the first: it has {changes} to lose",
        loss.disk, loss.changes, loss.kept
    );
    Error::invalid(message, "take a state of this point of this record")
}
