//! A rule: a kind of fault, where it fires, at which commands, and how often. Knows no other rule.

use std::ops::Range;
use std::sync::{Mutex, PoisonError};

use command::Description;
use random::Random;
use zoned::{Blocks, Data, Geometry, Target, ZonedDisk};

use crate::kinds::Effect;
use crate::matching::zones_of;
use crate::{Kind, RuleError, Selector};

/// Where a fault fires.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Place {
    /// Everywhere, and at commands without a place.
    Anywhere,
    /// A zone, by its number from 0 on.
    Zone(u32),
    /// LBAs, at least one.
    Blocks(Range<u64>),
}

/// What is to fail, and when.
#[derive(Clone, Debug)]
pub struct Rule {
    /// What happens.
    pub kind: Kind,
    /// Where. It matches a command whose LBAs and these have one in common.
    pub place: Place,
    /// At which commands; `None`: those that the kind is made for.
    pub commands: Option<Selector>,
    /// How often at most; `None`: always.
    pub count: Option<u64>,
    /// How many commands that match it lets pass first.
    pub after: u64,
    /// How likely it fires at a command that matches, above 0 and up to 1.
    pub probability: f64,
    /// Where the randomness of this rule comes from.
    pub seed: u64,
    /// The rule in its user's words, for whoever lists it.
    pub label: String,
}

impl Rule {
    /// A rule that always fires, everywhere.
    pub fn new(kind: Kind) -> Rule {
        Rule {
            kind,
            place: Place::Anywhere,
            commands: None,
            count: None,
            after: 0,
            probability: 1.0,
            seed: 0,
            label: String::new(),
        }
    }

    /// Whether it waits for no command.
    pub(crate) fn is_immediate(&self) -> bool {
        self.commands.is_none() && self.after == 0 && self.probability >= 1.0
    }
}

/// A rule in force on a disk.
pub(crate) struct Active<D: Data> {
    pub label: String,
    pub effect: Effect<D>,
    place: Option<Blocks>,
    commands: Selector,
    count: u64,
    after: u64,
    probability: f64,
    tally: Mutex<Tally>,
}

struct Tally {
    matched: u64,
    fired: u64,
    random: Random,
}

/// A rule that fires at a command.
pub(crate) struct Firing {
    /// The LBAs of the command that are in the rule's place; `None` for a command without LBAs.
    pub blocks: Option<Blocks>,
    /// Drawn for this time.
    pub random: u64,
}

impl<D: Data> Active<D> {
    pub fn new(
        rule: &Rule,
        disk: &dyn ZonedDisk<D>,
        known: &[Description],
    ) -> Result<Active<D>, RuleError> {
        let geometry = disk.geometry();
        let effect = rule.kind.effect();
        let place = blocks(&rule.place, geometry)?;
        if let Effect::Zones(_) = effect {
            let place = place.ok_or(RuleError::NoPlace)?;
            let first = geometry.zone_of(place.lba);
            if geometry.is_conventional(first) {
                return Err(RuleError::Conventional(first));
            }
        }
        if let Some(commands) = &rule.commands {
            let both = |command| commands.includes(command) && effect.is_for(command);
            if !known.iter().any(both) {
                return Err(RuleError::Never(commands.clone()));
            }
        }
        if !(rule.probability > 0.0 && rule.probability <= 1.0) {
            return Err(RuleError::Probability(rule.probability));
        }
        let once = matches!(effect, Effect::Zones(_)).then_some(1);
        Ok(Active {
            label: rule.label.clone(),
            commands: rule.commands.clone().unwrap_or(Selector::Any),
            effect,
            place,
            count: rule.count.or(once).unwrap_or(u64::MAX),
            after: rule.after,
            probability: rule.probability,
            tally: Mutex::new(Tally {
                matched: 0,
                fired: 0,
                random: Random::new(rule.seed),
            }),
        })
    }

    /// How many commands matched, and how often it fired.
    pub fn counts(&self) -> (u64, u64) {
        self.tally(|tally| (tally.matched, tally.fired))
    }

    /// It fired without a command.
    pub fn fired_at_once(&self) {
        self.tally(|tally| tally.fired = 1);
    }

    /// The zones of its place.
    pub fn zones(&self, geometry: &Geometry) -> Target {
        self.place.map_or(Target::All, |place| {
            let zones = zones_of(geometry, place);
            Target::Zones {
                first: *zones.start(),
                count: zones.end() - zones.start() + 1,
            }
        })
    }

    /// Whether it fires at this command now. `concerns` narrows what its kind is for, as the disk is now.
    pub fn fires(&self, command: &Description, concerns: impl FnOnce() -> bool) -> Option<Firing> {
        let blocks = match (self.place, command.blocks) {
            (None, blocks) => blocks,
            (Some(place), blocks) => Some(place.common(blocks?)).filter(|common| common.count > 0),
        };
        if self.place.is_some() && blocks.is_none() {
            return None;
        }
        if !(self.commands.includes(command) && self.effect.is_for(command) && concerns()) {
            return None;
        }
        let random = self.tally(|tally| {
            tally.matched += 1;
            let is_due = tally.matched > self.after
                && tally.fired < self.count
                && tally.random.happens(self.probability);
            is_due.then(|| {
                tally.fired += 1;
                tally.random.draw()
            })
        })?;
        Some(Firing { blocks, random })
    }

    fn tally<T>(&self, with: impl FnOnce(&mut Tally) -> T) -> T {
        with(&mut self.tally.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

fn blocks(place: &Place, geometry: &Geometry) -> Result<Option<Blocks>, RuleError> {
    let from = |range: &Range<u64>| Blocks {
        lba: range.start,
        count: range.end - range.start,
    };
    match place {
        Place::Anywhere => Ok(None),
        Place::Zone(zone) if *zone < geometry.zones() => Ok(Some(from(&geometry.span(*zone)))),
        Place::Zone(zone) => Err(RuleError::Zone {
            zone: *zone,
            zones: geometry.zones(),
        }),
        Place::Blocks(blocks) if !blocks.is_empty() && blocks.end <= geometry.blocks => {
            Ok(Some(from(blocks)))
        }
        Place::Blocks(blocks) => Err(RuleError::Blocks {
            blocks: blocks.clone(),
            capacity: geometry.blocks,
        }),
    }
}
