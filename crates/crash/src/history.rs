//! What a zone was since it was stable last: states one after the other, of which a power cut leaves any.
//!
//! A zone is written in sequence, so what it holds is told by how many of its changes happened, and how much of the next one:
//! a write pointer that is stable has all below it stable (ZBC-2, 4.4.3; ZNS 1.1, 2.1.1.2).

use zoned::{Action, Condition, Degraded, Geometry};

use crate::extents::Source;
use crate::reader::Position;

/// A zone without power, but for `active`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct ZoneState {
    /// Never an open one.
    pub condition: Condition,
    /// How much from its start holds data, in write units.
    pub written: u32,
    /// Where the record has its descriptor extension, if it is valid.
    pub extension: Option<u64>,
}

/// A change of a zone that is not lost without power.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Change {
    /// `units` write units more; `None`: zeroes.
    Write {
        units: u32,
        source: Option<Source>,
    },
    Finish,
    Reset,
    /// Its descriptor extension is what the record has there.
    Extend {
        at: u64,
    },
    Fail(Degraded),
}

/// A change, its submission, and the entry of its completion.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Step {
    pub submission: Position,
    pub completed: Option<u64>,
    pub change: Change,
}

/// A zone's stable state, and what was done to it since.
#[derive(Clone, Debug)]
pub(crate) struct History {
    pub stable: ZoneState,
    pub live: ZoneState,
    /// It is open, or closed with nothing in it: what counts for the actions on all zones.
    active: bool,
    pub steps: Vec<Step>,
}

impl ZoneState {
    /// Zone `number` of a new disk.
    pub fn new(geometry: &Geometry, number: u32) -> ZoneState {
        ZoneState {
            condition: match geometry.is_conventional(number) {
                true => Condition::NotWritePointer,
                false => Condition::Empty,
            },
            written: 0,
            extension: None,
        }
    }

    /// After `change`; the zone has `capacity` write units.
    pub fn after(self, change: Change, capacity: u32) -> ZoneState {
        match change {
            Change::Write { units, .. } => {
                let written = self.written + units;
                let condition = match written == capacity {
                    true => Condition::Full,
                    false => Condition::Closed,
                };
                ZoneState {
                    condition,
                    written,
                    ..self
                }
            }
            Change::Finish => ZoneState {
                condition: Condition::Full,
                ..self
            },
            Change::Reset => ZoneState {
                condition: Condition::Empty,
                written: 0,
                extension: None,
            },
            Change::Extend { at } => ZoneState {
                condition: Condition::Closed,
                extension: Some(at),
                ..self
            },
            Change::Fail(Degraded::ReadOnly) => ZoneState {
                condition: Condition::ReadOnly,
                ..self
            },
            // The extension is gone (ZNS 1.1, 5.3).
            Change::Fail(Degraded::Offline) => ZoneState {
                condition: Condition::Offline,
                extension: None,
                ..self
            },
        }
    }

    /// Whether it takes one of the active zones (ZNS 1.1, 2.1.1.4).
    pub fn is_active(self) -> bool {
        self.condition.is_active()
    }

    fn is_writable(self) -> bool {
        self.condition == Condition::Empty || self.is_active()
    }
}

impl History {
    pub fn new(state: ZoneState) -> History {
        History {
            stable: state,
            live: state,
            active: false,
            steps: Vec::new(),
        }
    }

    /// Whether a write may begin at write unit `at` of the zone and take `units` of its `capacity`.
    pub fn takes(&self, at: u32, units: u64, capacity: u32) -> bool {
        let fits = u64::from(at) + units <= u64::from(capacity);
        self.live.is_writable() && at == self.live.written && units > 0 && fits
    }

    /// What an action makes of the zone; `None`: nothing that a power cut would leave. `all`: it is for all zones, of which
    /// it leaves out those that it does not concern.
    pub fn change_by(
        &mut self,
        action: Action,
        all: bool,
        extension: u64,
        geometry: &Geometry,
    ) -> Option<Change> {
        let active = self.active || self.live.is_active();
        let state = self.live;
        let (change, stays_active) = match action {
            Action::Open => {
                self.active |= active || (!all && state.condition == Condition::Empty);
                return None;
            }
            Action::Close => {
                self.active &= geometry.closes_unwritten();
                return None;
            }
            Action::Finish => {
                let concerned = active || (!all && state.condition == Condition::Empty);
                (concerned.then_some(Change::Finish), false)
            }
            Action::Reset => {
                let concerned = state.is_active() || state.condition == Condition::Full;
                if state.is_writable() {
                    self.active = false;
                }
                (concerned.then_some(Change::Reset), false)
            }
            Action::Offline => {
                let failed = state.condition == Condition::ReadOnly;
                (failed.then_some(Change::Fail(Degraded::Offline)), false)
            }
            Action::SetExtension => {
                let extends = geometry.extension_bytes > 0 && !active;
                let empty = state.condition == Condition::Empty && extends;
                (empty.then_some(Change::Extend { at: extension }), true)
            }
        };
        if change.is_some() {
            self.active = stays_active;
        }
        change
    }

    /// What failing makes of the zone; never back from offline (ZNS 1.1, 2.1.1.3.7).
    pub fn change_by_failing(&self, to: Degraded) -> Option<Change> {
        let gone = match to {
            Degraded::ReadOnly => self.live.condition == Condition::ReadOnly,
            Degraded::Offline => false,
        };
        let offline = self.live.condition == Condition::Offline;
        (!gone && !offline).then_some(Change::Fail(to))
    }

    /// A change is submitted.
    pub fn push(&mut self, submission: Position, change: Change, capacity: u32) {
        self.live = self.live.after(change, capacity);
        self.active &= self.live.is_writable();
        self.steps.push(Step {
            submission,
            completed: None,
            change,
        });
    }

    /// The states from the stable one to the live one.
    pub fn states(&self, capacity: u32) -> Vec<ZoneState> {
        let mut states = vec![self.stable];
        for step in &self.steps {
            states.push(states[states.len() - 1].after(step.change, capacity));
        }
        states
    }
}
