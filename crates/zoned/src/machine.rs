//! The zone state machine (ZBC-2, 4.4; ZNS 1.1, 2.1.1): who may open, close, fill and empty which zone when.
//!
//! It decides and never does I/O, and never waits: [`Machine::begin`] answers a request, or hands out a [`Plan`] to carry
//! out, or parks who asks. Reading a zone's word takes no lock. Whatever changes words decides under one mutex, held for
//! the decision and again when its I/O is finished, never during I/O: some hundred nanoseconds, and the limits on open
//! and active zones tie all zones together anyway.
//!
//! Zones with I/O in flight that moves their write pointers, or gives their space back, are *busy*: a request that would
//! change one is parked, in order of arrival, and decided in [`Machine::finish`] as soon as it can be. It is behind every
//! parked request that wants one of its zones, so nobody overtakes.

mod manage;
mod preferred;
mod reads;
mod resources;
mod state;
mod step;
mod write;

use std::ops::Range;
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::recommended::Recommended;
use crate::statistics::Statistics;
use crate::word::{check_word, describe, powered_off, value_of, Word};
use crate::{
    Answer, Blocks, Condition, Degraded, Failed, Geometry, Op, Operation, Plan, Refusal, Request,
    Target, Zone, ZoneTable,
};

pub(crate) use state::{Hold, Write};
use state::{State, Waiting};
use step::Turn;
pub use step::{Decided, MachineError, Resumed, Step, Waits};

/// The zones of a disk, which any number of threads may use at a time.
pub struct Machine<Z: ZoneTable, W> {
    geometry: Geometry,
    table: Z,
    state: Mutex<State<W>>,
    recommended: Recommended,
}

impl<Z: ZoneTable, W: Waits> Machine<Z, W> {
    /// Power on: zones that were open become closed, or empty, if nothing was written.
    ///
    /// # Errors
    /// [`MachineError`] if the geometry or a word of the table is not valid; the table is unchanged.
    pub fn new(geometry: Geometry, table: Z) -> Result<Self, MachineError> {
        geometry.validate().map_err(MachineError::Geometry)?;
        let words = table.words();
        if words.len() != geometry.zones() as usize {
            return Err(MachineError::Table {
                words: words.len(),
                zones: geometry.zones(),
            });
        }
        for (zone, word) in (0..).zip(words) {
            check_word(&geometry, zone, value_of(word)).map_err(MachineError::Word)?;
        }
        let machine = Machine {
            state: Mutex::new(State::new(geometry.conventional_zones)),
            geometry,
            table,
            recommended: Recommended::default(),
        };
        let mut state = machine.lock();
        for zone in 0..machine.geometry.zones() {
            let word = machine.word(zone);
            state.count(zone, Word::EMPTY, word);
            machine.set(&mut state, zone, word.without_power());
        }
        state.take_statistics();
        drop(state);
        Ok(machine)
    }

    /// What the medium looks like.
    pub fn geometry(&self) -> &Geometry {
        &self.geometry
    }

    /// The zone words.
    pub fn table(&self) -> &Z {
        &self.table
    }

    /// Zone `number`, one of the disk's, as it is now.
    pub fn zone(&self, number: u32) -> Zone {
        let recommended = self.recommended.has(number);
        describe(&self.geometry, number, self.word(number), recommended)
    }

    /// What happened to the zones since this was called last, or since power on.
    pub fn take_statistics(&self) -> Statistics {
        self.lock().take_statistics()
    }

    /// Begins a request. `park` makes who waits, if it has to; it is called under the lock.
    ///
    /// # Errors
    /// [`Refusal`] for what may not be; nothing has changed then.
    pub fn begin(&self, request: Request, park: impl FnOnce() -> W) -> Result<Step, Refusal> {
        match request.operation {
            Operation::Read { blocks, stable } => {
                self.read(blocks, |extents| Op::Read { extents, stable })
            }
            Operation::Verify { blocks } => self.read(blocks, |extents| Op::Verify { extents }),
            Operation::Compare { blocks } => self.read(blocks, |extents| Op::Compare { extents }),
            Operation::Flush => Ok(Step::Plan(Plan::of(Op::Flush))),
            Operation::Report { from } if from < self.geometry.blocks => {
                Ok(Step::Done(Answer::default()))
            }
            Operation::Report { from } => Err(Refusal::OutOfRange { lba: from }),
            Operation::RecommendReset { target } => {
                self.recommended.add(self.zones_of(target)?);
                Ok(Step::Done(Answer::default()))
            }
            Operation::Append { zone, count: 0, .. } if self.geometry.appends() => {
                self.sequential(zone, 1)?;
                Ok(Step::Done(Answer::default()))
            }
            Operation::Write { blocks, .. } | Operation::Fill { blocks, .. }
                if self.is_conventional(blocks) =>
            {
                self.overwrite(request.operation, blocks)
            }
            operation => {
                let zones = self.changed_by(operation)?;
                self.begin_change(request, zones, park)
            }
        }
    }

    fn begin_change(
        &self,
        request: Request,
        zones: Range<u32>,
        park: impl FnOnce() -> W,
    ) -> Result<Step, Refusal> {
        let mut state = self.lock();
        let mut flush = false;
        if !state.is_held(&zones, state.waiting.len()) {
            match self.decide(&mut state, request.operation, &zones)? {
                Turn::Done(step) => return Ok(step),
                Turn::Later => {}
                Turn::AfterFlush => flush = !std::mem::replace(&mut state.flushing, true),
            }
        }
        state.waiting.push_back(Waiting {
            request,
            zones,
            waiter: park(),
        });
        Ok(Step::Parked { flush })
    }

    /// Decides what changes `zones`, of which none is held.
    fn decide(
        &self,
        state: &mut State<W>,
        operation: Operation,
        zones: &Range<u32>,
    ) -> Result<Turn<Step>, Refusal> {
        match operation {
            Operation::Write { blocks, .. } | Operation::Fill { blocks, .. } => {
                let turn = self.write(state, zones, blocks)?;
                Ok(turn.map(|(hold, skipped)| {
                    let op = self.write_op(operation, blocks, skipped);
                    let answer = Answer::default();
                    Step::Plan(Plan { op, answer, hold })
                }))
            }
            Operation::Append {
                zone,
                count,
                stable,
            } => {
                let lba = self
                    .word(zone)
                    .written_end(&self.geometry, self.geometry.span(zone).start);
                let blocks = Blocks { lba, count };
                let turn = self.write(state, zones, blocks)?;
                Ok(turn.map(|(hold, skipped)| {
                    let write = Operation::Write { blocks, stable };
                    let op = self.write_op(write, blocks, skipped);
                    let answer = Answer { lba: Some(lba) };
                    Step::Plan(Plan { op, answer, hold })
                }))
            }
            Operation::Manage { action, target } => self.manage(state, action, target, zones),
            Operation::Degrade { to, .. } => {
                for zone in zones.clone() {
                    let word = self.word(zone);
                    if word.condition != Condition::Offline {
                        let condition = match to {
                            Degraded::ReadOnly => Condition::ReadOnly,
                            Degraded::Offline => Condition::Offline,
                        };
                        self.set(state, zone, failed(word, condition));
                    }
                }
                let zones = zones.clone();
                Ok(Turn::Done(Step::Plan(Plan::of(Op::Degrade { zones }))))
            }
            // The others change no zone.
            _ => Err(Refusal::NotSupported),
        }
    }

    /// Ends a plan with the result of its I/O. Also decides what could not be before.
    ///
    /// A write moves the write pointer now, and only if it succeeded. Space that could not be given back after a reset is
    /// no error: the zone is empty, and reads of it never touch the medium.
    pub fn finish(
        &self,
        plan: Plan,
        result: Result<(), Failed>,
    ) -> (Result<Answer, Refusal>, Resumed<W>) {
        let Plan { op, answer, hold } = plan;
        let space_stays = matches!(
            (&result, &op),
            (
                Err(Failed::Read { .. } | Failed::Write { .. }),
                Op::Discard { .. }
            )
        );
        let result = if space_stays { Ok(()) } else { result };
        let resumed = match hold {
            Hold::Nothing => Resumed {
                decided: Vec::new(),
                flush: false,
            },
            hold => {
                let mut state = self.lock();
                self.release(&mut state, hold, result.is_ok());
                self.resume(&mut state, false)
            }
        };
        let result = result
            .map(|()| answer)
            .map_err(|failed| self.refusal(failed));
        (result, resumed)
    }

    /// What an error of the medium is to who asked.
    pub fn refusal(&self, failed: Failed) -> Refusal {
        let lba = |offset| offset / u64::from(self.geometry.block_size);
        match failed {
            Failed::Read { offset } => Refusal::Unreadable { lba: lba(offset) },
            Failed::Write { offset } => Refusal::Unwritable { lba: lba(offset) },
            Failed::Differs { offset } => Refusal::Differs { lba: lba(offset) },
            Failed::NotStable => Refusal::NotStable,
            Failed::Lost => Refusal::Lost,
        }
    }

    /// Power off and on, while nothing is in flight. `change` says what becomes of each zone: given its number and its
    /// word, in which it is not open, it returns one that [`check_word`] accepts.
    pub fn power_cycle(&self, mut change: impl FnMut(u32, u64) -> u64) {
        let mut state = self.lock();
        debug_assert!(!state.is_busy());
        for zone in 0..self.geometry.zones() {
            let before = value_of(&self.table.words()[zone as usize]);
            let after = change(zone, powered_off(before));
            debug_assert_eq!(check_word(&self.geometry, zone, after), Ok(()));
            if let (true, Some(word)) = (after != before, Word::from_value(after)) {
                self.set(&mut state, zone, word);
            }
        }
        state.unstable.clear();
        self.recommended.clear();
    }

    /// The words of `zones` without power, all as they are at one moment.
    pub fn snapshot(&self, zones: impl IntoIterator<Item = u32>) -> Vec<(u32, u64)> {
        let _still = self.lock();
        let word = |zone| {
            (
                zone,
                powered_off(value_of(&self.table.words()[zone as usize])),
            )
        };
        zones.into_iter().map(word).collect()
    }

    fn word(&self, zone: u32) -> Word {
        Word::load(&self.table.words()[zone as usize])
    }

    fn set(&self, state: &mut State<W>, zone: u32, word: Word) {
        let cell = &self.table.words()[zone as usize];
        let before = Word::load(cell);
        if word != before {
            state.count(zone, before, word);
            let mut place = self.table.place(zone);
            word.store(cell, place);
            // Whoever gave the zone another place meanwhile may have stored its word before.
            while self.table.place(zone) != place {
                place = self.table.place(zone);
                word.store(cell, place);
            }
            self.table.changed(zone);
        }
    }

    /// The zones that an operation changes, of which it has at least one.
    fn changed_by(&self, operation: Operation) -> Result<Range<u32>, Refusal> {
        match operation {
            Operation::Write { blocks, .. } | Operation::Fill { blocks, .. } => {
                self.written_zones(blocks)
            }
            Operation::Append { zone, .. } if self.geometry.appends() => self.sequential(zone, 1),
            Operation::Manage { target, .. } => self.zones_of(target),
            // Any zone may fail.
            Operation::Degrade {
                target: Target::Zones { first, count },
                ..
            } => self.existing(first, count),
            Operation::Degrade { target, .. } => self.zones_of(target),
            _ => Err(Refusal::NotSupported),
        }
    }

    /// The sequential zones of a target.
    fn zones_of(&self, target: Target) -> Result<Range<u32>, Refusal> {
        match target {
            Target::All => Ok(self.geometry.conventional_zones..self.geometry.zones()),
            Target::Zones { first, count } => self.sequential(first, count),
        }
    }

    fn sequential(&self, first: u32, count: u32) -> Result<Range<u32>, Refusal> {
        let zones = self.existing(first, 1)?;
        if self.geometry.is_conventional(first) {
            let lba = self.geometry.span(first).start;
            return Err(Refusal::NotZoneStart { lba, zone: first });
        }
        self.existing(zones.start, count)
    }

    fn existing(&self, first: u32, count: u32) -> Result<Range<u32>, Refusal> {
        let zones = self.geometry.zones();
        if first >= zones {
            let lba = u64::from(first) * self.geometry.zone_blocks;
            return Err(Refusal::OutOfRange { lba });
        }
        if count > zones - first {
            return Err(Refusal::TooManyZones { count });
        }
        Ok(first..first + count)
    }

    fn lock(&self) -> MutexGuard<'_, State<W>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Plan {
    fn of(op: Op) -> Plan {
        Plan {
            op,
            answer: Answer::default(),
            hold: Hold::Nothing,
        }
    }
}

/// What a zone is that fails. An offline one has no descriptor extension (ZNS 1.1, 5.3).
fn failed(word: Word, condition: Condition) -> Word {
    Word {
        extension: word.extension && condition != Condition::Offline,
        ..word.with(condition)
    }
}

/// Refuses what can be neither written nor managed.
fn writable(zone: u32, word: Word) -> Result<(), Refusal> {
    match word.condition {
        Condition::ReadOnly => Err(Refusal::ReadOnly { zone }),
        Condition::Offline => Err(Refusal::Offline { zone }),
        _ => Ok(()),
    }
}
