//! A rule: a kind of fault, where it strikes, at which commands, and how often. Knows no other rule.

use std::fmt;
use std::ops::Range;
use std::sync::{Mutex, PoisonError};

use image::Disk;
use zbc::Geometry;

use crate::command::Command;
use crate::kinds::{Fault, Inflict};
use crate::random::Random;
use crate::{Kind, Selector};

/// Where a fault strikes.
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
    /// Where. A command is struck if its LBAs and these have one in common.
    pub place: Place,
    /// At which commands; `None`: those that the kind is made for.
    pub commands: Option<Selector>,
    /// How often at most; `None`: always.
    pub count: Option<u64>,
    /// How many commands that fit it lets pass first.
    pub after: u64,
    /// How likely a command that fits is struck, above 0 and up to 1.
    pub probability: f64,
    /// Where the randomness of this rule comes from.
    pub seed: u64,
    /// The rule in its user's words, for whoever lists it.
    pub label: String,
}

impl Rule {
    /// A rule that always strikes, everywhere.
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
    fn is_immediate(&self) -> bool {
        self.commands.is_none() && self.after == 0 && self.probability >= 1.0
    }
}

/// A rule at work on a disk.
pub(crate) struct Active {
    pub label: String,
    pub fault: Fault,
    place: Option<Range<u64>>,
    zones: Range<u32>,
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

/// One stroke of a rule.
pub(crate) struct Strike {
    /// The struck LBAs of the command; `None` for a command without LBAs.
    pub blocks: Option<Range<u64>>,
    /// Drawn for this stroke.
    pub random: u64,
}

impl Active {
    pub fn new(rule: &Rule, disk: &Disk) -> Result<Active, RuleError> {
        let geometry = disk.geometry();
        let fault = rule.kind.fault();
        let place = blocks(&rule.place, geometry)?;
        let zones = match (&fault, &place) {
            (Fault::OnCommand(_), _) => 0..0,
            (Fault::OnZone(_), None) => return Err(RuleError::NoPlace),
            (Fault::OnZone(_), Some(place)) => {
                let zones = geometry.zone_of(place.start)..geometry.zone_of(place.end - 1) + 1;
                if geometry.is_conventional(zones.start) {
                    return Err(RuleError::Conventional(zones.start));
                }
                zones
            }
        };
        if let Some(commands) = &rule.commands {
            let both = |name| commands.may_be(name) && fault.commands().may_be(name);
            if !zbc::command_names().any(both) {
                return Err(RuleError::Never(commands.clone()));
            }
        }
        if !(rule.probability > 0.0 && rule.probability <= 1.0) {
            return Err(RuleError::Probability(rule.probability));
        }
        let once = matches!(fault, Fault::OnZone(_)).then_some(1);
        let active = Active {
            label: rule.label.clone(),
            commands: rule.commands.clone().unwrap_or(Selector::Any),
            fault,
            place,
            zones,
            count: rule.count.or(once).unwrap_or(u64::MAX),
            after: rule.after,
            probability: rule.probability,
            tally: Mutex::new(Tally {
                matched: 0,
                fired: 0,
                random: Random::new(rule.seed),
            }),
        };
        if let (Fault::OnZone(inflict), true) = (&active.fault, rule.is_immediate()) {
            active
                .inflict(disk, *inflict)
                .map_err(RuleError::NotStable)?;
            active.tally(|tally| tally.fired = 1);
        }
        Ok(active)
    }

    /// How many commands fitted, and how often it struck.
    pub fn counts(&self) -> (u64, u64) {
        self.tally(|tally| (tally.matched, tally.fired))
    }

    /// Has the zones of the rule's place fail in this way.
    pub fn inflict(&self, disk: &Disk, fail: Inflict) -> Result<(), image::Error> {
        fail(disk, self.zones.clone())
    }

    /// Whether it strikes this command now.
    pub fn strike(&self, command: &Command<'_>) -> Option<Strike> {
        let blocks = match (&self.place, command.blocks()) {
            (None, blocks) => blocks,
            (Some(place), Some(blocks)) => {
                let common = place.start.max(blocks.start)..place.end.min(blocks.end);
                if common.is_empty() {
                    return None;
                }
                Some(common)
            }
            (Some(_), None) => return None,
        };
        if !(self.commands.includes(command) && self.fault.concerns(command)) {
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
        Some(Strike { blocks, random })
    }

    fn tally<T>(&self, with: impl FnOnce(&mut Tally) -> T) -> T {
        with(&mut self.tally.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

fn blocks(place: &Place, geometry: &Geometry) -> Result<Option<Range<u64>>, RuleError> {
    match place {
        Place::Anywhere => Ok(None),
        Place::Zone(zone) if *zone < geometry.zones() => Ok(Some(geometry.span(*zone))),
        Place::Zone(zone) => Err(RuleError::Zone {
            zone: *zone,
            zones: geometry.zones(),
        }),
        Place::Blocks(blocks) if !blocks.is_empty() && blocks.end <= geometry.blocks => {
            Ok(Some(blocks.clone()))
        }
        Place::Blocks(blocks) => Err(RuleError::Blocks {
            blocks: blocks.clone(),
            capacity: geometry.blocks,
        }),
    }
}

/// Why a rule cannot be: as it is, or on this disk.
#[derive(Debug)]
#[non_exhaustive]
pub enum RuleError {
    /// The disk has no such zone.
    Zone {
        /// The rule's zone.
        zone: u32,
        /// How many the disk has.
        zones: u32,
    },
    /// The disk has no such LBAs.
    Blocks {
        /// The rule's LBAs.
        blocks: Range<u64>,
        /// How many the disk has.
        capacity: u64,
    },
    /// A fault of a zone, and no zone.
    NoPlace,
    /// A fault of a sequential zone, and a conventional zone.
    Conventional(u32),
    /// The fault strikes none of these commands.
    Never(Selector),
    /// Not above 0 and up to 1.
    Probability(f64),
    /// Zones failed, and the image could not be told for good.
    NotStable(image::Error),
}

impl fmt::Display for RuleError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            RuleError::Zone { zone, zones } => write!(
                f,
                "there is no zone {zone}: the disk has {zones}, from 0 to {}",
                zones - 1
            ),
            RuleError::Blocks { blocks, capacity } => write!(
                f,
                "there are no {} blocks at LBA {}: the disk's last LBA is {}",
                blocks.end.saturating_sub(blocks.start),
                blocks.start,
                capacity - 1
            ),
            RuleError::NoPlace => write!(f, "it happens to a zone, and none is given"),
            RuleError::Conventional(zone) => {
                write!(
                    f,
                    "zone {zone} is conventional, and it happens to sequential zones only"
                )
            }
            RuleError::Never(commands) => write!(f, "it never happens at command {commands}"),
            RuleError::Probability(probability) => {
                write!(f, "probability {probability} is not above 0 and up to 1")
            }
            RuleError::NotStable(error) => error.fmt(f),
        }
    }
}

impl RuleError {
    /// What to do about it, or nothing where the message says that already.
    pub fn hint(&self) -> &str {
        match self {
            RuleError::NoPlace => "Give a zone, or LBAs.",
            RuleError::Conventional(_) => {
                "Take a sequential zone. A conventional zone has no write pointer to reset, and where one is read-only \
                 or offline, Linux from 6.19 on refuses the whole disk."
            }
            RuleError::Never(_) => "Leave the command out: the fault has commands of its own.",
            RuleError::NotStable(error) => error.hint(),
            RuleError::Zone { .. } | RuleError::Blocks { .. } | RuleError::Probability(_) => "",
        }
    }
}

impl std::error::Error for RuleError {}
