//! What a disk holds at one moment: what is stable, and what may be lost, a zone or a physical block at a time.
//!
//! Stable is (SBC-4, 4.15: caches; NVM Command Set 1.0, 3.2.1 and Flush): all that had completed when a flush was submitted
//! that has completed; a write that asked for it, when it has completed; and what acts on zones, when it has completed.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::RangeInclusive;

use zoned::{Action, Blocks, Geometry, Operation, Target};

use crate::entry::{Medium, Outcome};
use crate::error::Error;
use crate::extents::{range, Extents, Source};
use crate::history::{Change, History, ZoneState};
use crate::overwritten::Overwritten;
use crate::reader::Position;

/// A disk at a moment.
#[derive(Clone, Debug)]
pub(crate) struct Held {
    pub medium: Medium,
    /// Of the zones that were ever changed.
    pub zones: BTreeMap<u32, History>,
    /// Those of them that may lose something.
    pub unstable: BTreeSet<u32>,
    /// What may be lost where it can be overwritten.
    pub blocks: Overwritten,
    /// Stable data.
    pub content: Extents,
    /// Where the record has what protocols saved, by its number.
    pub saved: BTreeMap<u32, u64>,
}

impl Held {
    pub fn new(medium: Medium) -> Held {
        let size = medium.geometry.physical_blocks().into();
        Held {
            medium,
            zones: BTreeMap::new(),
            unstable: BTreeSet::new(),
            blocks: Overwritten::new(size),
            content: Extents::default(),
            saved: BTreeMap::new(),
        }
    }

    pub fn geometry(&self) -> &Geometry {
        &self.medium.geometry
    }

    /// The write units of a zone.
    pub fn capacity(&self, zone: u32) -> u32 {
        let span = self.geometry().span(zone);
        ((span.end - span.start) / self.geometry().write_unit_blocks()) as u32
    }

    /// Takes a submission in, whose data are at byte `at` of the record, `data` of them. `outcome`: how it ended, if it
    /// did, whenever that was.
    pub fn submit(
        &mut self,
        submission: Position,
        operation: Operation,
        at: u64,
        data: u64,
        outcome: Option<Outcome>,
    ) -> Result<(), Error> {
        let nothing = |outcome| matches!(outcome, Outcome::Refused | Outcome::Withdrawn);
        if outcome.is_some_and(nothing) {
            return Ok(());
        }
        let done = matches!(outcome, Some(Outcome::Done | Outcome::NotStable));
        let record = Source::Record { at, skip: 0 };
        match operation {
            Operation::Write { blocks, .. } => {
                self.write(submission, blocks, Some(record), done, outcome)
            }
            Operation::Fill { blocks, .. } => {
                let source = (data > 0).then_some(Source::Fill { at });
                self.write(submission, blocks, source, done, outcome)
            }
            Operation::Append { zone, count, .. } if zone < self.geometry().zones() => {
                let unit = self.geometry().write_unit_blocks();
                let written = u64::from(self.zone(zone).live.written) * unit;
                let lba = self.geometry().span(zone).start + written;
                let blocks = range(lba, lba.saturating_add(count));
                self.write(submission, blocks, Some(record), done, outcome)
            }
            Operation::Manage { action, target } => {
                // The disk takes back what it could not make stable of these.
                let taken_back = matches!(action, Action::Reset | Action::SetExtension);
                let stays = match outcome {
                    Some(Outcome::NotStable) => !taken_back,
                    Some(Outcome::Failed) => false,
                    _ => true,
                };
                let (all, geometry) = (target == Target::All, self.geometry().clone());
                for zone in self.targeted(target).filter(|_| stays) {
                    let history = self.zone(zone);
                    if let Some(change) = history.change_by(action, all, at, &geometry) {
                        self.push(zone, submission, change);
                    }
                }
                Ok(())
            }
            Operation::Degrade { target, to } => {
                for zone in self.targeted(target) {
                    if let Some(change) = self.zone(zone).change_by_failing(to) {
                        self.push(zone, submission, change);
                    }
                }
                Ok(())
            }
            Operation::Save { kind } => {
                if outcome == Some(Outcome::Done) {
                    self.saved.insert(kind, at);
                }
                Ok(())
            }
            _ => Ok(()),
        }
    }

    /// Takes in that submission `number` has completed, by entry `now`.
    pub fn complete(&mut self, number: u64, now: u64, operation: Operation, outcome: Outcome) {
        let done = outcome == Outcome::Done;
        if !matches!(outcome, Outcome::Done | Outcome::NotStable) {
            return;
        }
        let truthful = done && !self.medium.lying;
        match operation {
            Operation::Flush if truthful => {
                self.settle(number, 0..=u32::MAX, None);
            }
            Operation::Read { blocks, stable } if stable && truthful && blocks.count > 0 => {
                self.settle(number, self.zones_of(blocks), Some(blocks));
            }
            Operation::Write { blocks, stable } | Operation::Fill { blocks, stable }
                if blocks.count > 0 =>
            {
                self.end_write(number, now, blocks, stable && truthful);
            }
            Operation::Append { zone, stable, .. } => {
                self.end(number, now, zone..=zone, stable && truthful);
            }
            Operation::Manage { action, target } => {
                let stable = match action {
                    Action::Finish => truthful,
                    _ => done,
                };
                self.end(number, now, zones_in(target), stable);
            }
            Operation::Degrade { target, .. } => {
                self.end(number, now, zones_in(target), done);
            }
            _ => {}
        }
    }

    /// A write is submitted. `done`: it is known to be done.
    fn write(
        &mut self,
        submission: Position,
        blocks: Blocks,
        source: Option<Source>,
        done: bool,
        outcome: Option<Outcome>,
    ) -> Result<(), Error> {
        let geometry = self.geometry();
        if blocks.count == 0 || blocks.lba >= geometry.blocks || blocks.end() > geometry.blocks {
            return Ok(());
        }
        let zone = geometry.zone_of(blocks.lba);
        if geometry.is_conventional(zone) {
            if blocks.end() <= geometry.conventional_end().min(geometry.blocks) {
                self.blocks.write(submission, blocks, source, &self.content);
            }
            return Ok(());
        }
        if outcome == Some(Outcome::Failed) {
            return Ok(());
        }
        let unit = geometry.write_unit_blocks();
        let at = blocks.lba - geometry.span(zone).start;
        let (from, units) = ((at / unit) as u32, blocks.count / unit);
        let whole = at % unit == 0 && blocks.count % unit == 0;
        let capacity = self.capacity(zone);
        if whole && self.zone(zone).takes(from, units, capacity) {
            let units = units as u32;
            self.push(zone, submission, Change::Write { units, source });
        } else if done {
            return Err(Error::damaged(format!(
                "entry {} of the record writes LBA {} of zone {zone}, and what is before it does not put the write pointer there",
                submission.number, blocks.lba
            )));
        }
        Ok(())
    }

    fn end_write(&mut self, number: u64, now: u64, blocks: Blocks, stable: bool) {
        let zones = self.zones_of(blocks);
        if !self.geometry().is_conventional(*zones.start()) {
            return self.end(number, now, zones, stable);
        }
        self.blocks.complete(number, now);
        if stable {
            self.blocks.settle_write(number, &mut self.content);
        }
    }

    /// What changed zones has ended.
    fn end(&mut self, number: u64, now: u64, zones: RangeInclusive<u32>, stable: bool) {
        let changed: Vec<u32> = self.unstable.range(zones).copied().collect();
        for zone in changed {
            let steps = &mut self.zone(zone).steps;
            let own = steps.binary_search_by_key(&number, |step| step.submission.number);
            if let Ok(own) = own {
                steps[own].completed = Some(now);
                if stable {
                    self.settle_zone(zone, own + 1);
                }
            }
        }
    }

    /// Makes stable what had completed before entry `before`, in these zones and in these blocks, or all.
    fn settle(&mut self, before: u64, zones: RangeInclusive<u32>, blocks: Option<Blocks>) {
        let had = |completed: Option<u64>| completed.is_some_and(|at| at < before);
        let unstable: Vec<u32> = self.unstable.range(zones).copied().collect();
        for zone in unstable {
            let steps = &self.zones[&zone].steps;
            let last = steps.iter().rposition(|step| had(step.completed));
            self.settle_zone(zone, last.map_or(0, |last| last + 1));
        }
        self.blocks.settle(before, blocks, &mut self.content);
    }

    /// Makes the first `count` steps of a zone stable.
    fn settle_zone(&mut self, zone: u32, count: usize) {
        let capacity = self.capacity(zone);
        let geometry = &self.medium.geometry;
        let Some(history) = self.zones.get_mut(&zone) else {
            return;
        };
        for step in history.steps.drain(..count) {
            apply(
                &mut self.content,
                geometry,
                zone,
                history.stable,
                step.change,
            );
            history.stable = history.stable.after(step.change, capacity);
        }
        if history.steps.is_empty() {
            self.unstable.remove(&zone);
        }
    }

    fn push(&mut self, zone: u32, submission: Position, change: Change) {
        let capacity = self.capacity(zone);
        self.zone(zone).push(submission, change, capacity);
        self.unstable.insert(zone);
    }

    fn zone(&mut self, zone: u32) -> &mut History {
        let fresh = ZoneState::new(&self.medium.geometry, zone);
        let history = self.zones.entry(zone);
        history.or_insert_with(|| History::new(fresh))
    }

    /// The zones of a target that there are; of all zones the sequential ones.
    fn targeted(&self, target: Target) -> std::ops::Range<u32> {
        let geometry = self.geometry();
        match target {
            Target::All => geometry.conventional_zones..geometry.zones(),
            Target::Zones { first, count } => {
                first..first.saturating_add(count).min(geometry.zones())
            }
        }
    }

    fn zones_of(&self, blocks: Blocks) -> RangeInclusive<u32> {
        let geometry = self.geometry();
        geometry.zone_of(blocks.lba)..=geometry.zone_of(blocks.end() - 1)
    }
}

fn zones_in(target: Target) -> RangeInclusive<u32> {
    match target {
        Target::All => 0..=u32::MAX,
        Target::Zones { first, count } => first..=first.saturating_add(count - 1),
    }
}

/// Has `content` be what it is after a change of a zone that is in `before`.
pub(crate) fn apply(
    content: &mut Extents,
    geometry: &Geometry,
    zone: u32,
    before: ZoneState,
    change: Change,
) {
    let unit = geometry.write_unit_blocks();
    let span = geometry.span(zone);
    match change {
        Change::Write { units, source } => {
            let start = span.start + u64::from(before.written) * unit;
            let count = u64::from(units) * unit;
            content.set(range(start, start + count), source);
        }
        Change::Reset => content.set(range(span.start, span.end), None),
        Change::Finish | Change::Extend { .. } | Change::Fail(_) => {}
    }
}
