//! What the disks may be after a power cut at one moment.
//!
//! Each zone that is written in sequence, and each physical block that can be overwritten, is a *cell*: of a cell any state
//! since its stable one may be left, whatever is left of others, but for the limit of active zones. So a state is told by
//! what of which cell is lost; what is in flight counts as done unless it is lost.

use std::collections::{BTreeMap, HashSet};

use random::Random;
use zoned::Blocks;

use crate::error::Error;
use crate::extents::{range, Source};
use crate::held::Held;
use crate::history::{Change, History, ZoneState};
use crate::moment::Moment;

/// Of what something is lost.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Place {
    /// A zone, by its number.
    Zone(u32),
    /// A physical block, by its number on the medium.
    Block(u64),
}

/// What of a cell is lost.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Loss {
    pub disk: u16,
    pub place: Place,
    /// How many of the last changes are lost: writes, resets and so on, in the order in which they were submitted.
    pub changes: u32,
    /// How many write units of the first of these are there nevertheless; it is a write to a zone then.
    pub kept: u32,
}

/// The states of the disks after a power cut at a moment. Each is a list of what is lost.
pub struct States {
    cells: Vec<Cell>,
    /// How many zones may be active, and how many are that may lose nothing, by disks.
    limits: BTreeMap<u16, (u32, u32)>,
}

struct Cell {
    disk: u16,
    place: Place,
    /// First that nothing is lost, last that all is that may be.
    outcomes: Vec<Stretch>,
}

/// Outcomes that differ in how much of a write is kept: `count` of them, from `kept` down.
#[derive(Clone, Copy)]
struct Stretch {
    changes: u32,
    kept: u32,
    count: u32,
    active: bool,
}

impl Cell {
    fn count(&self) -> u64 {
        self.outcomes.iter().map(|each| u64::from(each.count)).sum()
    }

    /// Outcome `number`, and whether the zone is active then.
    fn nth(&self, mut number: u64) -> (Loss, bool) {
        let mut found = self.outcomes[0];
        for &stretch in &self.outcomes {
            found = stretch;
            if number < u64::from(stretch.count) {
                break;
            }
            number -= u64::from(stretch.count);
        }
        let loss = Loss {
            disk: self.disk,
            place: self.place,
            changes: found.changes,
            kept: found.kept - number as u32,
        };
        (loss, found.active)
    }

    /// Whether it can be no active zone.
    fn can_rest(&self) -> bool {
        self.outcomes.iter().any(|outcome| !outcome.active)
    }
}

impl States {
    /// The states at a moment.
    ///
    /// # Errors
    /// `Damaged`, `Io`.
    pub fn of(moment: &Moment) -> Result<States, Error> {
        let mut cells = Vec::new();
        let mut limits = BTreeMap::new();
        for (&disk, held) in &moment.disks {
            if let Some(limit) = held.geometry().active_limit() {
                let settled = held
                    .zones
                    .iter()
                    .filter(|(zone, _)| !held.unstable.contains(zone));
                let active = settled.filter(|(_, zone)| zone.stable.is_active()).count();
                limits.insert(disk, (limit, active as u32));
            }
            for &zone in &held.unstable {
                let outcomes = of_zone(&held.zones[&zone], held.capacity(zone));
                let place = Place::Zone(zone);
                cells.push(Cell {
                    disk,
                    place,
                    outcomes,
                });
            }
            for block in held.blocks.blocks() {
                let outcomes = of_block(moment, held, block)?;
                let place = Place::Block(block);
                cells.push(Cell {
                    disk,
                    place,
                    outcomes,
                });
            }
        }
        cells.retain(|cell| cell.count() > 1);
        Ok(States { cells, limits })
    }

    /// How many there are, with those that the limits of active zones forbid; `None`: more than 2^64.
    pub fn count(&self) -> Option<u64> {
        let mut counts = self.cells.iter().map(Cell::count);
        counts.try_fold(1u64, u64::checked_mul)
    }

    /// State `number` of so many, where there is a count; `None`: a limit forbids it. Number 0 is that nothing is lost.
    pub fn nth(&self, mut number: u64) -> Option<Vec<Loss>> {
        let chosen: Vec<(Loss, bool)> = self
            .cells
            .iter()
            .map(|cell| {
                let at = number % cell.count();
                number /= cell.count();
                cell.nth(at)
            })
            .collect();
        self.allowed(chosen)
    }

    /// The state in which all is lost that may be.
    pub fn least(&self) -> Option<Vec<Loss>> {
        let chosen = self.cells.iter().map(|cell| cell.nth(cell.count() - 1));
        self.allowed(chosen.collect())
    }

    /// The state that `seed` draws: of each cell any outcome, each as likely, as far as the limits allow; `None`: they
    /// allow none.
    pub fn draw(&self, seed: u64) -> Option<Vec<Loss>> {
        let mut random = Random::new(seed);
        let mut order: Vec<usize> = (0..self.cells.len()).collect();
        for at in (1..order.len()).rev() {
            order.swap(at, (random.draw() % (at as u64 + 1)) as usize);
        }
        // How many zones more may be active than have to be.
        let mut room: BTreeMap<u16, i64> = BTreeMap::new();
        for (&disk, &(limit, active)) in &self.limits {
            let own = self.cells.iter().filter(|cell| cell.disk == disk);
            let bound = own.filter(|cell| !cell.can_rest()).count() as i64;
            room.insert(disk, i64::from(limit) - i64::from(active) - bound);
        }
        let mut chosen = Vec::with_capacity(order.len());
        for cell in order.into_iter().map(|at| &self.cells[at]) {
            let free = room.get(&cell.disk).is_none_or(|&room| room > 0);
            let resting: u64 = cell
                .outcomes
                .iter()
                .filter(|outcome| !outcome.active)
                .map(|outcome| u64::from(outcome.count))
                .sum();
            if free || resting == 0 {
                let outcome = cell.nth(random.draw() % cell.count());
                if let (Some(room), true, true) = (room.get_mut(&cell.disk), outcome.1, resting > 0)
                {
                    *room -= 1;
                }
                chosen.push(outcome);
                continue;
            }
            let wanted = random.draw() % resting;
            let all = (0..cell.count()).map(|number| cell.nth(number));
            chosen.extend(all.filter(|(_, active)| !active).nth(wanted as usize));
        }
        self.allowed(chosen)
    }

    /// What is lost of these, in order; `None` where more zones would be active than the limit.
    fn allowed(&self, chosen: Vec<(Loss, bool)>) -> Option<Vec<Loss>> {
        for (&disk, &(limit, active)) in &self.limits {
            let more = chosen
                .iter()
                .filter(|(loss, active)| *active && loss.disk == disk);
            if more.count() as u32 + active > limit {
                return None;
            }
        }
        let losses = chosen.into_iter().map(|(loss, _)| loss);
        let mut lost: Vec<Loss> = losses.filter(|loss| loss.changes > 0).collect();
        lost.sort_unstable();
        Some(lost)
    }
}

/// The outcomes of a zone, from the live state back to the stable one; each state once.
fn of_zone(history: &History, capacity: u32) -> Vec<Stretch> {
    let states = history.states(capacity);
    let mut emptied = 0;
    let mut names = vec![(states[0], 0)];
    for (step, state) in history.steps.iter().zip(&states[1..]) {
        emptied += u32::from(step.change == Change::Reset);
        // Where nothing is written, it does not matter since when.
        names.push((*state, if state.written == 0 { 0 } else { emptied }));
    }
    let mut seen: HashSet<(ZoneState, u32)> = HashSet::new();
    let mut outcomes = Vec::new();
    for (lost, name) in names.iter().rev().enumerate() {
        let at = names.len() - 1 - lost;
        if let (Some(step), true) = (history.steps.get(at), lost > 0) {
            if let Change::Write { units, .. } = step.change {
                outcomes.push(Stretch {
                    changes: lost as u32,
                    kept: units - 1,
                    count: units - 1,
                    active: true,
                });
            }
        }
        if seen.insert(*name) {
            outcomes.push(Stretch {
                changes: lost as u32,
                kept: 0,
                count: 1,
                active: states[at].is_active(),
            });
        }
    }
    outcomes.retain(|outcome| outcome.count > 0);
    outcomes
}

/// The outcomes of a physical block, from its last version back to the stable one; each content once.
fn of_block(moment: &Moment, held: &Held, block: u64) -> Result<Vec<Stretch>, Error> {
    let geometry = held.geometry();
    let (size, count) = (
        u64::from(geometry.block_size),
        u64::from(geometry.physical_blocks()),
    );
    let whole = range(block * count, (block + 1) * count);
    let mut bytes = vec![0; (count * size) as usize];
    let put = |bytes: &mut Vec<u8>, part: Blocks, source: Option<Source>| {
        let at = ((part.lba - whole.lba) * size) as usize;
        let into = &mut bytes[at..at + (part.count * size) as usize];
        moment.reader.read(source, size, into)
    };
    for (part, source) in held.content.parts(whole) {
        put(&mut bytes, part, source)?;
    }
    let mut contents = vec![bytes.clone()];
    for version in held.blocks.versions(block) {
        put(&mut bytes, version.part, version.source)?;
        contents.push(bytes.clone());
    }
    let mut seen: HashSet<&[u8]> = HashSet::new();
    let outcomes = contents.iter().rev().enumerate();
    Ok(outcomes
        .filter(|(_, content)| seen.insert(content))
        .map(|(lost, _)| Stretch {
            changes: lost as u32,
            kept: 0,
            count: 1,
            active: false,
        })
        .collect())
}
