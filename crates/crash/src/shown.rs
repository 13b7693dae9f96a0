//! What one disk holds in one state: its zones' words, and where its data come from.

use std::collections::{BTreeMap, HashMap};

use zoned::{extended_word_of, fresh_word, is_active, word_of, Geometry};

use crate::error::Error;
use crate::extents::Extents;
use crate::held::{apply, Held};
use crate::history::{Change, ZoneState};
use crate::lost::losses_of;
use crate::moment::Moment;
use crate::states::{Loss, Place};

/// A disk in a state.
pub(crate) struct Shown {
    pub words: Vec<u64>,
    pub content: Extents,
    /// Descriptor extensions, by zones.
    pub extensions: HashMap<u32, Vec<u8>>,
}

impl Shown {
    /// The disk of `held` at a moment, with those of the losses that are its.
    ///
    /// # Errors
    /// `Invalid` where it cannot have lost that; `Damaged`, `Io`.
    pub fn of(held: &Held, moment: &Moment, losses: &[Loss]) -> Result<Shown, Error> {
        let own = losses_of(held, losses)?;
        let mut content = held.content.clone();
        show_blocks(held, &own, &mut content);
        let zones = show_zones(held, &own, &mut content);
        let geometry = held.geometry();
        let mut words = Vec::new();
        let mut extensions = HashMap::new();
        for zone in 0..geometry.zones() {
            words.push(match zones.get(&zone) {
                None => fresh_word(geometry, zone),
                Some(state) => word(geometry, zone, *state)?,
            });
            if let Some(at) = zones.get(&zone).and_then(|state| state.extension) {
                extensions.insert(zone, moment.reader.all(at)?);
            }
        }
        let active = words.iter().filter(|&&word| is_active(word)).count();
        if let Some(limit) = geometry
            .active_limit()
            .filter(|&limit| active > limit as usize)
        {
            let message = format!(
                "{active} zones of disk {} would be active, and {limit} may be",
                held.medium.number
            );
            return Err(Error::invalid(message, "have it lose more"));
        }
        Ok(Shown {
            words,
            content,
            extensions,
        })
    }
}

/// Adds the versions of blocks that are not lost, in the order in which they were written.
fn show_blocks(held: &Held, losses: &BTreeMap<Place, Loss>, content: &mut Extents) {
    for block in held.blocks.blocks() {
        let lost = losses.get(&Place::Block(block));
        let lost = lost.map_or(0, |loss| loss.changes as usize);
        let versions = held.blocks.versions(block);
        let left = versions.len() - lost;
        for version in versions.take(left) {
            content.set(version.part, version.source);
        }
    }
}

/// Adds the changes of zones that are not lost, and returns what the zones are then.
fn show_zones(
    held: &Held,
    losses: &BTreeMap<Place, Loss>,
    content: &mut Extents,
) -> BTreeMap<u32, ZoneState> {
    let mut zones = BTreeMap::new();
    for (&zone, history) in &held.zones {
        let capacity = held.capacity(zone);
        let loss = losses.get(&Place::Zone(zone));
        let lost = loss.map_or(0, |loss| loss.changes as usize);
        let left = history.steps.len() - lost;
        let mut state = history.stable;
        let mut change = |state: &mut ZoneState, change: Change| {
            apply(content, held.geometry(), zone, *state, change);
            *state = state.after(change, capacity);
        };
        for step in &history.steps[..left] {
            change(&mut state, step.change);
        }
        let torn = history.steps.get(left).map(|step| step.change);
        if let Some((loss, Change::Write { source, .. })) = loss.zip(torn) {
            if loss.kept > 0 {
                let units = loss.kept;
                change(&mut state, Change::Write { units, source });
            }
        }
        zones.insert(zone, state);
    }
    zones
}

/// The word of a zone in `state`.
fn word(geometry: &Geometry, zone: u32, state: ZoneState) -> Result<u64, Error> {
    let of = match state.extension {
        Some(_) => extended_word_of,
        None => word_of,
    };
    let word = of(geometry, zone, state.condition, state.written);
    word.map_err(|error| Error::damaged(error.to_string()))
}
