//! What is decided under the machine's lock: which zones are open and held, and who waits.

use std::collections::{BTreeSet, VecDeque};
use std::ops::Range;

use crate::statistics::{Now, Statistics};
use crate::word::Word;
use crate::{Condition, Request};

/// Invariant: `implicit`, `explicit` and `closed` agree with the zone words whenever the lock is free.
pub(super) struct State<W> {
    pub implicit: BTreeSet<u32>,
    pub explicit: u32,
    pub closed: u32,
    /// Zones that plans make active when they are finished, or that are active in the stable state until then.
    pub reserved: u32,
    /// Zones that were filled, and whose FULL may not be stable: without power they would be active. Kept only where
    /// there is a limit of active zones.
    pub unstable: BTreeSet<u32>,
    /// Somebody was asked to make them stable.
    pub flushing: bool,
    /// Held by plans.
    busy: Vec<Range<u32>>,
    /// In order of arrival.
    pub waiting: VecDeque<Waiting<W>>,
    /// The first sequential zone.
    first: u32,
    /// Sequential zones that are not empty, and that have NON_SEQ.
    used: u32,
    non_sequential: u32,
    pub statistics: Statistics,
}

/// A request that is parked.
pub(super) struct Waiting<W> {
    pub request: Request,
    /// The zones that it changes.
    pub zones: Range<u32>,
    pub waiter: W,
}

/// What a plan holds, and what it changes when it is finished.
#[derive(Debug)]
pub(crate) enum Hold {
    /// Nothing: reads, and all writes to conventional zones.
    Nothing,
    /// A sequential zone that is being written.
    Write(Write),
    /// Sequential write preferred zones that are being written by one request.
    Writes {
        writes: Vec<Write>,
        zones: Range<u32>,
    },
    /// Zones that were reset, and whose space is being given back.
    Emptied {
        /// What they were.
        before: Vec<(u32, Word)>,
        zones: Range<u32>,
        /// How many of them are active until that is stable.
        reserved: u32,
    },
    /// A zone whose descriptor extension is being set.
    Extension { zone: u32 },
}

/// A write to a zone: its words before and after.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Write {
    pub zone: u32,
    pub before: Word,
    pub after: Word,
}

impl<W> State<W> {
    /// No zone is counted yet; the sequential ones begin with `first`.
    pub fn new(first: u32) -> State<W> {
        State {
            implicit: BTreeSet::new(),
            explicit: 0,
            closed: 0,
            reserved: 0,
            unstable: BTreeSet::new(),
            flushing: false,
            busy: Vec::new(),
            waiting: VecDeque::new(),
            first,
            used: 0,
            non_sequential: 0,
            statistics: Statistics::default(),
        }
    }

    /// Whether one of `zones` is busy, or wanted by one of the first `ahead` requests that wait.
    pub fn is_held(&self, zones: &Range<u32>, ahead: usize) -> bool {
        let common = |other: &Range<u32>| other.start < zones.end && zones.start < other.end;
        self.busy.iter().any(common)
            || self
                .waiting
                .iter()
                .take(ahead)
                .any(|one| common(&one.zones))
    }

    /// Whether a plan holds `zone`.
    pub fn holds(&self, zone: u32) -> bool {
        self.busy.iter().any(|busy| busy.contains(&zone))
    }

    pub fn is_busy(&self) -> bool {
        !self.busy.is_empty()
    }

    pub fn hold(&mut self, zones: Range<u32>) {
        self.busy.push(zones);
    }

    pub fn let_go(&mut self, zones: &Range<u32>) {
        if let Some(at) = self.busy.iter().position(|busy| busy == zones) {
            self.busy.swap_remove(at);
        }
    }

    /// `zone` changes. Each is empty before it is counted first.
    pub fn count(&mut self, zone: u32, before: Word, after: Word) {
        if before.condition == after.condition && before.non_sequential == after.non_sequential {
            return;
        }
        self.non_sequential += u32::from(after.non_sequential);
        self.non_sequential -= u32::from(before.non_sequential);
        let (before, after) = (before.condition, after.condition);
        match before {
            Condition::ImplicitlyOpen => {
                self.implicit.remove(&zone);
            }
            Condition::ExplicitlyOpen => self.explicit -= 1,
            Condition::Closed => self.closed -= 1,
            Condition::Full if after != Condition::Full => {
                self.unstable.remove(&zone);
            }
            _ => {}
        }
        match after {
            Condition::ImplicitlyOpen => {
                self.implicit.insert(zone);
            }
            Condition::ExplicitlyOpen => self.explicit += 1,
            Condition::Closed => self.closed += 1,
            _ => {}
        }
        let is_used = |condition| zone >= self.first && condition != Condition::Empty;
        self.used += u32::from(is_used(after));
        self.used -= u32::from(is_used(before));
        self.see();
    }

    /// What happened since this was called last.
    pub fn take_statistics(&mut self) -> Statistics {
        let taken = std::mem::take(&mut self.statistics);
        self.see();
        taken
    }

    fn see(&mut self) {
        self.statistics.see(Now {
            explicitly_open: self.explicit,
            implicitly_open: self.implicit.len() as u32,
            used: self.used,
            non_sequential: self.non_sequential,
        });
    }
}
