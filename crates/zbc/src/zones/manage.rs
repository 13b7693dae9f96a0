//! The zone management commands: OPEN, CLOSE, FINISH and RESET WRITE POINTER on one zone, some, or all (ZBC-2, 4.4.3).

use std::ops::Range;

use super::{writable, Hold, State, Turn, Zones};
use crate::api::Condition;
use crate::sense::Sense;
use crate::word::Word;

/// A zone management command.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Action {
    Open,
    Close,
    Finish,
    Reset,
}

/// Which zones a zone management command is for.
#[derive(Clone, Debug)]
pub(crate) enum Target {
    /// The ALL bit: every sequential zone in a condition that the command is about.
    All,
    /// These sequential zones.
    Zones(Range<u32>),
}

/// What a zone management command leaves to be done.
pub(crate) enum Managed {
    /// Nothing.
    Done,
    /// To make it stable.
    Changed,
    /// To make it stable, then to give space back, as LBAs; the zones are held until that is done.
    Emptied { ranges: Vec<Range<u64>>, hold: Hold },
}

impl Zones<'_> {
    /// Carries a zone management command out.
    ///
    /// A reset zone's word says empty before its space is given back: nothing of it can be read from then
    /// on, whatever becomes of the space, and a process that dies halfway leaves no zone half emptied.
    pub fn manage(&self, action: Action, target: &Target) -> Result<Managed, Sense> {
        let zones = match target {
            Target::All => self.geometry.conventional_zones..self.geometry.zones(),
            Target::Zones(zones) => zones.clone(),
        };
        let mut state = self.lock();
        loop {
            state = self.wait_for(state, &zones);
            if let Target::Zones(zones) = target {
                zones
                    .clone()
                    .try_for_each(|zone| writable(self.word(zone)))?;
            }
            let concerned = |&zone: &u32| concerns(action, self.word(zone).condition, target);
            let concerned: Vec<u32> = zones.clone().filter(concerned).collect();
            match action {
                Action::Open => {
                    if let Turn::Later = self.open(&mut state, &concerned)? {
                        state = self.wait(state);
                        continue;
                    }
                }
                Action::Close => self.each(&mut state, &concerned, Word::closed),
                Action::Finish if !concerned.is_empty() => {
                    self.each(&mut state, &concerned, |word| word.with(Condition::Full));
                    return Ok(Managed::Changed);
                }
                Action::Finish => {}
                Action::Reset => return Ok(self.reset(&mut state, &zones, &concerned)),
            }
            return Ok(Managed::Done);
        }
    }

    /// Opens all of `zones`, or none.
    fn open(&self, state: &mut State, zones: &[u32]) -> Result<Turn<()>, Sense> {
        let limit = self
            .geometry
            .open_limit()
            .map_or(usize::MAX, |limit| limit as usize);
        if state.explicit as usize + zones.len() > limit {
            return Err(Sense::INSUFFICIENT_ZONE_RESOURCES);
        }
        for &zone in zones {
            // Making room for a zone before may have closed this one.
            if self.word(zone).condition == Condition::ImplicitlyOpen {
                state.implicit.remove(&zone);
            } else if let Turn::Later = self.make_room(state)? {
                return Ok(Turn::Later);
            }
            state.explicit += 1;
            self.set(zone, self.word(zone).with(Condition::ExplicitlyOpen));
        }
        Ok(Turn::Done(()))
    }

    fn reset(&self, state: &mut State, zones: &Range<u32>, concerned: &[u32]) -> Managed {
        let mut ranges: Vec<Range<u64>> = Vec::new();
        let mut before = Vec::new();
        for &zone in concerned {
            let word = self.word(zone);
            let not_open = if word.is_open() { word.closed() } else { word };
            if not_open != Word::EMPTY {
                before.push((zone, not_open));
            }
            if word.written == 0 {
                continue;
            }
            // The whole zone: a write that failed may have left blocks above the write pointer.
            let span = self.geometry.span(zone);
            match ranges.last_mut() {
                Some(last) if last.end == span.start => last.end = span.end,
                _ => ranges.push(span),
            }
        }
        self.each(state, concerned, |_| Word::EMPTY);
        let usable = |&zone: &u32| writable(self.word(zone)).is_ok();
        self.control
            .recommended
            .remove(zones.clone().filter(usable));
        if before.is_empty() {
            return Managed::Done;
        }
        let all = zones.len() > 1;
        if all {
            state.all_busy = true;
        } else {
            state.busy.push(zones.start);
        }
        let hold = Hold::Emptied { before, all };
        Managed::Emptied { ranges, hold }
    }
}

/// Whether the command changes a zone in this condition (ZBC-2, 5.2 to 5.6). OPEN and FINISH with ALL
/// leave empty zones alone, and OPEN leaves open ones.
fn concerns(action: Action, condition: Condition, target: &Target) -> bool {
    use Condition::{Closed, Empty, ExplicitlyOpen, Full, ImplicitlyOpen};
    let all = matches!(target, Target::All);
    match action {
        Action::Open if all => condition == Closed,
        Action::Open => matches!(condition, Empty | ImplicitlyOpen | Closed),
        Action::Close => matches!(condition, ImplicitlyOpen | ExplicitlyOpen),
        Action::Finish if all => matches!(condition, ImplicitlyOpen | ExplicitlyOpen | Closed),
        Action::Finish => matches!(condition, Empty | ImplicitlyOpen | ExplicitlyOpen | Closed),
        Action::Reset => matches!(condition, ImplicitlyOpen | ExplicitlyOpen | Closed | Full),
    }
}
