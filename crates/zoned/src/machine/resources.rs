//! The limits on open and active zones, and who goes on when a plan is finished.

use super::{Decided, Hold, Machine, Resumed, Step, Turn, Waits};
use crate::machine::state::{State, Waiting, Write};
use crate::word::{is_full, Word};
use crate::{Condition, Refusal, ZoneTable};

impl<Z: ZoneTable, W: Waits> Machine<Z, W> {
    /// Sees to it that one more zone may be open, which is in `condition` now: closes the lowest implicitly open zone that
    /// is not busy if it must. What lacks is told of active zones first: always so where the limits are equal (ZNS 1.1,
    /// 2.1.1.4.1).
    pub(super) fn make_room(
        &self,
        state: &mut State<W>,
        condition: Condition,
    ) -> Result<Turn<()>, Refusal> {
        let active = self.room_for_active(state, u32::from(!condition.is_active()))?;
        if let (Some(limit), false) = (self.geometry.open_limit(), condition.is_open()) {
            if state.explicit >= limit {
                return Err(Refusal::TooManyOpen { limit });
            }
        }
        if !matches!(active, Turn::Done(())) {
            return Ok(active);
        }
        if condition.is_open() {
            return Ok(Turn::Done(()));
        }
        let Some(limit) = self.geometry.open_limit() else {
            return Ok(Turn::Done(()));
        };
        if state.explicit + (state.implicit.len() as u32) < limit {
            return Ok(Turn::Done(()));
        }
        let idle = state.implicit.iter().find(|&&zone| !state.holds(zone));
        let Some(&zone) = idle else {
            return Ok(Turn::Later);
        };
        self.set(state, zone, self.word(zone).closed(&self.geometry));
        Ok(Turn::Done(()))
    }

    /// Whether `more` zones may be active. Zones that are full count for as long as they might be active after a loss
    /// of power: see [`Machine::stable`].
    pub(super) fn room_for_active(&self, state: &State<W>, more: u32) -> Result<Turn<()>, Refusal> {
        let Some(limit) = self.geometry.active_limit().filter(|_| more > 0) else {
            return Ok(Turn::Done(()));
        };
        let active = state.explicit + state.implicit.len() as u32 + state.closed + more;
        let unstable = state.unstable.len() as u32;
        Ok(match limit {
            _ if active > limit => return Err(Refusal::TooManyActive { limit }),
            _ if active + state.reserved + unstable <= limit => Turn::Done(()),
            _ if active + unstable > limit => Turn::AfterFlush,
            _ => Turn::Later,
        })
    }

    /// What the zones are was made stable, for the sake of full ones: the stable words. `None`: it could not be done, so
    /// what waited for it is refused.
    ///
    /// A zone that is filled gives its place among the active zones to another only when its FULL is stable. If not,
    /// both would be active after a loss of power, and there could be more than the limit.
    pub fn stable(&self, words: Option<&[u64]>) -> Resumed<W> {
        let mut state = self.lock();
        state.flushing = false;
        if let Some(words) = words {
            state
                .unstable
                .retain(|&zone| !is_full(words[zone as usize]));
        }
        self.resume(&mut state, words.is_none())
    }

    /// Decides the parked requests that can be decided now, in order of arrival; `refuse`: those that need full zones to
    /// be stable are refused.
    pub(super) fn resume(&self, state: &mut State<W>, refuse: bool) -> Resumed<W> {
        let mut resumed = Resumed {
            decided: Vec::new(),
            flush: false,
        };
        let mut at = 0;
        while let Some(waiting) = state.waiting.get(at) {
            let (operation, zones) = (waiting.request.operation, waiting.zones.clone());
            if state.is_held(&zones, at) {
                at += 1;
                continue;
            }
            // Who took the request back is not told of it.
            let decided = match waiting.waiter.begin() {
                true => self.decide(state, operation, &zones),
                false => Err(Refusal::Lost),
            };
            let step = match decided {
                Ok(Turn::Done(step)) => Ok(step),
                Ok(Turn::AfterFlush) if refuse => Err(Refusal::NotStable),
                Ok(turn) => {
                    let flush = matches!(turn, Turn::AfterFlush);
                    resumed.flush |= flush && !std::mem::replace(&mut state.flushing, true);
                    at += 1;
                    continue;
                }
                Err(refusal) => Err(refusal),
            };
            // What does no I/O may have made room for those before it.
            let from = if matches!(step, Ok(Step::Done(_))) {
                0
            } else {
                at
            };
            if let Some(Waiting { waiter, .. }) = state.waiting.remove(at) {
                resumed.decided.push(Decided { waiter, step });
            }
            at = from;
        }
        resumed
    }

    /// Ends a hold; `moved` says whether the I/O did what it should. If not, the zones are as before.
    pub(super) fn release(&self, state: &mut State<W>, hold: Hold, moved: bool) {
        match hold {
            Hold::Nothing => {}
            Hold::Emptied {
                before,
                zones,
                reserved,
            } => {
                state.reserved -= reserved;
                state.let_go(&zones);
                for (zone, word) in before {
                    if !moved {
                        self.set(state, zone, word);
                    }
                }
            }
            Hold::Write(write) => {
                state.let_go(&(write.zone..write.zone + 1));
                self.end_write(state, &write, moved);
            }
            Hold::Writes { writes, zones } => {
                state.let_go(&zones);
                for write in &writes {
                    self.end_write(state, write, moved);
                }
            }
            Hold::Extension { zone } => {
                state.let_go(&(zone..zone + 1));
                state.reserved -= 1;
                if moved {
                    let closed = Word {
                        extension: true,
                        ..self.word(zone).with(Condition::Closed)
                    };
                    self.set(state, zone, closed);
                }
            }
        }
    }

    fn end_write(&self, state: &mut State<W>, write: &Write, moved: bool) {
        let &Write {
            zone,
            before,
            after,
        } = write;
        let span = self.geometry.span(zone);
        let len = (span.end - span.start) / self.geometry.write_unit_blocks();
        let word = match moved {
            false => before,
            true if u64::from(after.written) == len => after.with(Condition::Full),
            true => after,
        };
        self.set(state, zone, word);
        self.filled(state, zone, word);
    }

    /// `zone` may just have become full.
    pub(super) fn filled(&self, state: &mut State<W>, zone: u32, word: Word) {
        let limited = self.geometry.active_limit().is_some();
        if limited && word.condition == Condition::Full && word.written > 0 {
            state.unstable.insert(zone);
        }
    }
}
