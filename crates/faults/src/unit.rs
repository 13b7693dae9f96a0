//! The unit whose commands fail: rules around a unit, each of which may act before the unit does.

use std::sync::atomic::Ordering;
use std::sync::Arc;

use command::{Command, Outcome, Protocol, Unit};
use zoned::{Data, Submitted};

use crate::kinds::Effect;
use crate::rules::{Faults, Rules};
use crate::timer::Timer;

/// A unit with those of some [`Faults`] that commands have.
pub struct FaultyUnit<D: Data> {
    faults: Arc<Faults<D>>,
    behind: Arc<Behind<D>>,
}

/// What is behind the rules, and what they need.
pub(crate) struct Behind<D: Data> {
    unit: Arc<dyn Unit<D>>,
    pub protocol: Arc<dyn Protocol>,
    pub timer: Timer,
}

impl<D: Data> FaultyUnit<D> {
    /// `unit`, whose disk is that of `faults`.
    pub fn new(faults: Arc<Faults<D>>, unit: Arc<dyn Unit<D>>) -> FaultyUnit<D> {
        let behind = Arc::new(Behind {
            protocol: unit.protocol(),
            unit,
            timer: Timer::default(),
        });
        FaultyUnit { faults, behind }
    }
}

/// What becomes of a command behind a rule.
pub(crate) struct Rest<D: Data> {
    rules: Rules<D>,
    from: usize,
    pub behind: Arc<Behind<D>>,
}

impl<D: Data> Rest<D> {
    /// Lets the rules act, one after the other, then the unit.
    pub fn execute(self, command: &Command<D>) -> Submitted<Outcome> {
        let described = self.behind.protocol.describe(command.raw());
        for place in self.from..self.rules.len() {
            let rule = &self.rules[place].rule;
            let Effect::Command(fault) = &rule.effect else {
                continue;
            };
            let concerns = || fault.concerns(&described);
            if rule.fires(&described, concerns).is_some() {
                let rest = Rest {
                    rules: Arc::clone(&self.rules),
                    from: place + 1,
                    behind: Arc::clone(&self.behind),
                };
                return fault.run(command, rest);
            }
        }
        self.behind.unit.execute(command)
    }
}

impl<D: Data> Unit<D> for FaultyUnit<D> {
    fn execute(&self, command: &Command<D>) -> Submitted<Outcome> {
        if !self.faults.any_of_commands.load(Ordering::Relaxed) {
            return self.behind.unit.execute(command);
        }
        let rest = Rest {
            rules: self.faults.rules(),
            from: 0,
            behind: Arc::clone(&self.behind),
        };
        rest.execute(command)
    }

    fn reset(&self) {
        self.behind.unit.reset();
    }

    fn protocol(&self) -> Arc<dyn Protocol> {
        Arc::clone(&self.behind.protocol)
    }
}
