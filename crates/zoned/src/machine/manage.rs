//! Zones that change as a whole: on one zone, some, or all (ZBC-2, 4.4.3; ZNS 1.1, 3.4.3).

use std::ops::Range;

use super::{failed, writable, Hold, Machine, Plan, Step, Turn, Waits};
use crate::machine::state::State;
use crate::word::Word;
use crate::{Action, Answer, Condition, Op, Refusal, Target, ZoneTable};

impl<Z: ZoneTable, W: Waits> Machine<Z, W> {
    /// Carries an action out on `zones`, those of `target`.
    ///
    /// A reset zone's word says empty before its space is given back: nothing of it can be read from then
    /// on, whatever becomes of the space, and a process that dies halfway leaves no zone half emptied.
    pub(super) fn manage(
        &self,
        state: &mut State<W>,
        action: Action,
        target: Target,
        zones: &Range<u32>,
    ) -> Result<Turn<Step>, Refusal> {
        let all = target == Target::All;
        if !all {
            zones
                .clone()
                .try_for_each(|zone| self.allowed(action, zone))?;
        }
        let concerned: Vec<u32> = zones
            .clone()
            .filter(|&zone| concerns(action, self.word(zone).condition, all))
            .collect();
        let done = || Ok(Turn::Done(Step::Done(Answer::default())));
        let plan = |op| Ok(Turn::Done(Step::Plan(Plan::of(op))));
        match action {
            Action::Open => Ok(self
                .open(state, &concerned)?
                .map(|()| Step::Done(Answer::default()))),
            Action::Close => {
                for zone in concerned {
                    self.set(state, zone, self.word(zone).closed(&self.geometry));
                }
                done()
            }
            Action::Finish if concerned.is_empty() => done(),
            Action::Finish => {
                for zone in concerned {
                    let full = self.word(zone).with(Condition::Full);
                    self.set(state, zone, full);
                    self.filled(state, zone, full);
                }
                plan(Op::Flush)
            }
            Action::Reset => Ok(Turn::Done(self.reset(state, zones, &concerned))),
            Action::Offline if concerned.is_empty() => done(),
            Action::Offline => {
                for zone in concerned {
                    self.set(state, zone, failed(self.word(zone), Condition::Offline));
                }
                plan(Op::Degrade {
                    zones: zones.clone(),
                })
            }
            Action::SetExtension => self.extend(state, zones, all),
        }
    }

    /// Whether the action may be asked for of `zone`.
    fn allowed(&self, action: Action, zone: u32) -> Result<(), Refusal> {
        let word = self.word(zone);
        let condition = word.condition;
        if !self.geometry.refuses_transitions() {
            return match action {
                Action::Offline | Action::SetExtension => Err(Refusal::NotSupported),
                _ => writable(zone, word),
            };
        }
        use Condition::{Empty, Offline, ReadOnly};
        let allowed = match action {
            Action::Open => condition == Empty || condition.is_active(),
            Action::Close => condition.is_active(),
            Action::Finish | Action::Reset => !matches!(condition, ReadOnly | Offline),
            Action::Offline => matches!(condition, ReadOnly | Offline),
            Action::SetExtension => condition == Empty,
        };
        match allowed {
            true => Ok(()),
            false => Err(Refusal::Transition { zone, condition }),
        }
    }

    /// Opens all of `zones`, or none.
    fn open(&self, state: &mut State<W>, zones: &[u32]) -> Result<Turn<()>, Refusal> {
        let new = |&&zone: &&u32| !self.word(zone).condition.is_active();
        let active = self.room_for_active(state, zones.iter().filter(new).count() as u32)?;
        if let Some(limit) = self.geometry.open_limit() {
            if state.explicit as usize + zones.len() > limit as usize {
                return Err(Refusal::TooManyOpen { limit });
            }
        }
        if !matches!(active, Turn::Done(())) {
            return Ok(active);
        }
        for &zone in zones {
            // Making room for a zone before may have closed this one.
            match self.make_room(state, self.word(zone).condition)? {
                Turn::Done(()) => {}
                turn => return Ok(turn),
            }
            self.set(state, zone, self.word(zone).with(Condition::ExplicitlyOpen));
        }
        Ok(Turn::Done(()))
    }

    fn reset(&self, state: &mut State<W>, zones: &Range<u32>, concerned: &[u32]) -> Step {
        let bytes = |lba| self.geometry.to_bytes(lba);
        let mut ranges: Vec<Range<u64>> = Vec::new();
        let mut before = Vec::new();
        let mut reserved = 0;
        state.statistics.emptied += concerned.len() as u64;
        for &zone in concerned {
            reserved += u32::from(state.unstable.contains(&zone));
            let word = self.word(zone);
            let not_open = if word.condition.is_open() {
                word.closed(&self.geometry)
            } else {
                word
            };
            if not_open != Word::EMPTY {
                reserved += u32::from(not_open.condition.is_active());
                before.push((zone, not_open));
            }
            self.set(state, zone, Word::EMPTY);
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
        let usable = |&zone: &u32| writable(zone, self.word(zone)).is_ok();
        self.recommended.remove(zones.clone().filter(usable));
        if before.is_empty() {
            return Step::Done(Answer::default());
        }
        state.hold(zones.clone());
        state.reserved += reserved;
        let op = Op::Discard {
            zones: before.iter().map(|&(zone, _)| zone).collect(),
            ranges: ranges
                .into_iter()
                .map(|range| (bytes(range.start), bytes(range.end - range.start)))
                .collect(),
        };
        Step::Plan(Plan {
            op,
            answer: Answer::default(),
            hold: Hold::Emptied {
                before,
                zones: zones.clone(),
                reserved,
            },
        })
    }

    /// Sets the descriptor extension of one zone, which is active from then on.
    fn extend(
        &self,
        state: &mut State<W>,
        zones: &Range<u32>,
        all: bool,
    ) -> Result<Turn<Step>, Refusal> {
        if all || zones.len() != 1 || self.geometry.extension_bytes == 0 {
            return Err(Refusal::NotSupported);
        }
        Ok(self.room_for_active(state, 1)?.map(|()| {
            let zone = zones.start;
            state.reserved += 1;
            state.hold(zones.clone());
            Step::Plan(Plan {
                op: Op::Extension { zone },
                answer: Answer::default(),
                hold: Hold::Extension { zone },
            })
        }))
    }
}

/// Whether the action changes a zone in this condition (ZBC-2, 5.2 to 5.6; ZNS 1.1, 3.4.3). OPEN and FINISH with ALL
/// leave empty zones alone, and OPEN leaves open ones.
fn concerns(action: Action, condition: Condition, all: bool) -> bool {
    use Condition::{Closed, Empty, Full, ImplicitlyOpen, ReadOnly};
    match action {
        Action::Open if all => condition == Closed,
        Action::Open => matches!(condition, Empty | ImplicitlyOpen | Closed),
        Action::Close => condition.is_open(),
        Action::Finish if all => condition.is_active(),
        Action::Finish => condition == Empty || condition.is_active(),
        Action::Reset => condition.is_active() || condition == Full,
        Action::Offline => condition == ReadOnly,
        Action::SetExtension => condition == Empty,
    }
}
