//! The zone state machine (ZBC-2, 4.4): who may open, close, fill and empty which zone when.
//!
//! Reading a zone's word takes no lock. Whatever changes words decides under one mutex, held for the
//! decision and again when its I/O is finished, never during I/O. A plain mutex is enough: it is held for
//! some hundred nanoseconds, and the limit on open zones ties all zones together anyway.
//!
//! A zone with I/O in flight that moves its write pointer, or gives its space back, is *busy*: the next
//! command that would change it waits. A command on several zones waits until no zone at all is busy, and
//! lets none become so in the meantime. Nobody waits while holding a zone, so nobody waits for ever.
//!
//! Knows nothing of CDBs.

mod manage;
mod preferred;

use std::collections::BTreeSet;
use std::ops::Range;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};

use crate::api::{Condition, Geometry, ZoneTable};
use crate::recommended::Recommended;
use crate::sense::Sense;
use crate::word::{check_word, powered_off, value_of, Word};

pub(crate) use manage::{Action, Managed, Target};

/// What is decided under the lock; part of the device for as long as it lives.
#[derive(Default)]
pub(crate) struct Control {
    state: Mutex<State>,
    released: Condvar,
    /// Zones whose reset is recommended.
    pub recommended: Recommended,
}

/// Invariant: `implicit` and `explicit` agree with the zone words whenever the lock is free.
#[derive(Default)]
struct State {
    implicit: BTreeSet<u32>,
    explicit: u32,
    /// Zones held one at a time.
    busy: Vec<u32>,
    /// Every zone is held at once.
    all_busy: bool,
    /// Commands that wait to hold every zone: no zone becomes busy before they had their turn.
    all_wanted: u32,
    /// Commands that wait; waking nobody would still cost a system call.
    waiting: u32,
}

/// What a command with I/O in flight holds, and what it changes when the I/O is finished.
#[derive(Debug)]
pub(crate) enum Hold {
    /// Nothing: reads, and all I/O on conventional zones.
    Nothing,
    /// A sequential zone that is being written.
    Write(Write),
    /// Sequential write preferred zones that are being written by one command.
    Writes(Vec<Write>),
    /// Zones that were reset, and whose space is being given back.
    Emptied {
        /// What they were.
        before: Vec<(u32, Word)>,
        /// Every zone is held, not just the one that was reset.
        all: bool,
    },
}

/// A write to a zone: its words before and after.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Write {
    zone: u32,
    before: Word,
    after: Word,
}

impl Hold {
    /// The zones that were reset.
    pub fn emptied(&self) -> impl Iterator<Item = u32> + '_ {
        let before = match self {
            Hold::Emptied { before, .. } => &before[..],
            Hold::Nothing | Hold::Write(_) | Hold::Writes(_) => &[],
        };
        before.iter().map(|&(zone, _)| zone)
    }
}

/// Whether what was asked for could be done now.
enum Turn<T> {
    Done(T),
    /// Only after a busy zone is released.
    Later,
}

/// A disk's zones: their words, and the control over them.
#[derive(Clone, Copy)]
pub(crate) struct Zones<'a> {
    pub geometry: &'a Geometry,
    pub words: &'a [AtomicU64],
    pub table: &'a dyn ZoneTable,
    pub control: &'a Control,
}

impl<'a> Zones<'a> {
    pub fn word(&self, zone: u32) -> Word {
        Word::load(&self.words[zone as usize])
    }

    fn set(&self, zone: u32, word: Word) {
        word.store(&self.words[zone as usize]);
        self.table.changed(zone);
    }

    /// Power on (ZBC-2, 4.4.3.5): no zone stays open.
    pub fn power_on(&self) {
        for zone in 0..self.geometry.zones() {
            let word = self.word(zone);
            if word.is_open() {
                self.set(zone, word.closed());
            }
        }
    }

    /// Takes the zone of `lba` for a write of `blocks` there, more than none, and opens it.
    pub fn begin_write(&self, lba: u64, blocks: u64) -> Result<Hold, Sense> {
        let zone = self.geometry.zone_of(lba);
        let mut state = self.lock();
        loop {
            if !state.is_held(zone) {
                let before = self.word(zone);
                let written = self.written_after(zone, before, lba, blocks)?;
                if let Turn::Done(()) = self.open_for_write(&mut state, zone, before)? {
                    state.busy.push(zone);
                    let after = Word {
                        written,
                        ..self.word(zone)
                    };
                    return Ok(Hold::Write(Write {
                        zone,
                        before,
                        after,
                    }));
                }
            }
            state = self.wait(state);
        }
    }

    /// How much of `zone` is written after a write, in write units; or why it may not be.
    fn written_after(&self, zone: u32, word: Word, lba: u64, blocks: u64) -> Result<u32, Sense> {
        writable(word)?;
        if word.condition == Condition::Full {
            return Err(Sense::cdb_field(2));
        }
        let span = self.geometry.span(zone);
        let unit = self.geometry.write_unit_blocks();
        if lba != word.written_end(self.geometry, span.start) {
            return Err(Sense::UNALIGNED_WRITE);
        }
        let end = lba + blocks;
        if end > span.end {
            return Err(Sense::WRITE_BOUNDARY);
        }
        if (end - span.start) % unit != 0 {
            return Err(Sense::UNALIGNED_WRITE);
        }
        Ok(((end - span.start) / unit) as u32)
    }

    fn open_for_write(&self, state: &mut State, zone: u32, word: Word) -> Result<Turn<()>, Sense> {
        if word.is_open() {
            return Ok(Turn::Done(()));
        }
        let turn = self.make_room(state)?;
        if let Turn::Done(()) = turn {
            state.implicit.insert(zone);
            self.set(zone, word.with(Condition::ImplicitlyOpen));
        }
        Ok(turn)
    }

    /// Sees to it that one more zone may be open: closes the lowest implicitly open zone that is not busy
    /// if it must.
    fn make_room(&self, state: &mut State) -> Result<Turn<()>, Sense> {
        let Some(limit) = self.geometry.open_limit() else {
            return Ok(Turn::Done(()));
        };
        if state.explicit >= limit {
            return Err(Sense::INSUFFICIENT_ZONE_RESOURCES);
        }
        if state.explicit + (state.implicit.len() as u32) < limit {
            return Ok(Turn::Done(()));
        }
        let idle = state
            .implicit
            .iter()
            .find(|zone| !state.busy.contains(zone));
        let Some(&zone) = idle else {
            return Ok(Turn::Later);
        };
        state.implicit.remove(&zone);
        self.set(zone, self.word(zone).closed());
        Ok(Turn::Done(()))
    }

    /// Brings a zone that failed into `condition`, READ ONLY or OFFLINE; never back from OFFLINE.
    pub fn degrade(&self, zone: u32, condition: Condition) {
        let mut state = self.wait_for(self.lock(), &(zone..zone + 1));
        if self.word(zone).condition != Condition::Offline {
            self.each(&mut state, &[zone], |word| word.with(condition));
        }
    }

    /// Changes words to ones that are not open.
    fn each(&self, state: &mut State, zones: &[u32], change: impl Fn(Word) -> Word) {
        for &zone in zones {
            let word = self.word(zone);
            state.forget(zone, word);
            self.set(zone, change(word));
        }
    }

    /// Ends a hold; `moved` says whether the I/O did what it should. If not, the zones are as before.
    pub fn release(&self, hold: &Hold, moved: bool) {
        if matches!(hold, Hold::Nothing) {
            return;
        }
        let mut state = self.lock();
        match hold {
            Hold::Nothing => {}
            Hold::Emptied { before, all } => {
                state.all_busy &= !all;
                for &(zone, word) in before {
                    state.busy.retain(|&busy| busy != zone);
                    if !moved {
                        self.set(zone, word);
                    }
                }
            }
            Hold::Write(write) => self.end_write(&mut state, write, moved),
            Hold::Writes(writes) => {
                for write in writes {
                    self.end_write(&mut state, write, moved);
                }
            }
        }
        self.wake(&state);
    }

    fn end_write(&self, state: &mut State, write: &Write, moved: bool) {
        let &Write {
            zone,
            before,
            after,
        } = write;
        state.busy.retain(|&busy| busy != zone);
        let span = self.geometry.span(zone);
        let len = (span.end - span.start) / self.geometry.write_unit_blocks();
        let word = match moved {
            false => before,
            true if u64::from(after.written) == len => after.with(Condition::Full),
            true => after,
        };
        if !word.is_open() {
            state.forget(zone, after);
        }
        self.set(zone, word);
    }

    /// Power off and on: waits until no zone is busy, closes all zones, then changes each word by `change`.
    pub fn power_cycle(&self, change: impl Fn(u32, u64) -> u64) {
        let zones = 0..self.geometry.zones();
        let mut state = self.lock();
        state = self.wait_for(state, &(0..u32::MAX));
        for zone in zones {
            let cell = &self.words[zone as usize];
            let before = value_of(cell);
            let after = change(zone, powered_off(before));
            debug_assert_eq!(check_word(self.geometry, zone, after), Ok(()));
            if after != before {
                cell.store(after.to_le(), Ordering::Release);
                self.table.changed(zone);
            }
        }
        state.implicit.clear();
        state.explicit = 0;
        self.wake(&state);
    }

    /// Waits until no zone of `zones` is busy.
    fn wait_for(
        &self,
        mut state: MutexGuard<'a, State>,
        zones: &Range<u32>,
    ) -> MutexGuard<'a, State> {
        if zones.len() == 1 {
            while state.is_held(zones.start) {
                state = self.wait(state);
            }
            return state;
        }
        state.all_wanted += 1;
        while state.all_busy || !state.busy.is_empty() {
            state = self.wait(state);
        }
        state.all_wanted -= 1;
        self.wake(&state);
        state
    }

    fn lock(&self) -> MutexGuard<'a, State> {
        self.control
            .state
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    fn wait(&self, mut state: MutexGuard<'a, State>) -> MutexGuard<'a, State> {
        state.waiting += 1;
        let waited = self.control.released.wait(state);
        let mut state = waited.unwrap_or_else(PoisonError::into_inner);
        state.waiting -= 1;
        state
    }

    /// Lets the commands that wait look again.
    fn wake(&self, state: &State) {
        if state.waiting > 0 {
            self.control.released.notify_all();
        }
    }
}

impl State {
    /// Whether a command on `zone` alone has to wait.
    fn is_held(&self, zone: u32) -> bool {
        self.all_busy || self.all_wanted > 0 || self.busy.contains(&zone)
    }

    /// `zone`, whose word was `word`, is open no more.
    fn forget(&mut self, zone: u32, word: Word) {
        match word.condition {
            Condition::ImplicitlyOpen => {
                self.implicit.remove(&zone);
            }
            Condition::ExplicitlyOpen => self.explicit -= 1,
            _ => {}
        }
    }
}

/// Refuses what can be neither written nor managed.
pub(crate) fn writable(word: Word) -> Result<(), Sense> {
    match word.condition {
        Condition::ReadOnly => Err(Sense::ZONE_READ_ONLY),
        Condition::Offline => Err(Sense::ZONE_OFFLINE),
        _ => Ok(()),
    }
}
