//! Power conditions (SPC-5, 5.14; SBC-4, 4.20): START STOP UNIT, and what REQUEST SENSE says of them.
//!
//! There are no timers: a condition is what a command made it, until the next one that needs the medium.

use std::sync::atomic::{AtomicU8, Ordering};

use zoned::Operation;

use crate::answer::{Answer, Buffer, Context, Reply, Step};
use crate::counters::{Counter, Counters};
use crate::log_pages::keep;
use crate::sense::Sense;

/// The power condition of a logical unit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Condition {
    Active,
    IdleA,
    IdleB,
    IdleC,
    StandbyZ,
    StandbyY,
    Stopped,
}

use Condition::{Active, IdleA, IdleB, IdleC, StandbyY, StandbyZ, Stopped};

const ALL: [Condition; 7] = [Active, IdleA, IdleB, IdleC, StandbyZ, StandbyY, Stopped];

/// The condition that a logical unit is in.
pub(crate) struct Power(AtomicU8);

impl Power {
    pub fn on() -> Power {
        Power(AtomicU8::new(Active as u8))
    }

    pub fn set(&self, to: Condition) {
        self.0.store(to as u8, Ordering::Relaxed);
    }

    fn get(&self) -> Condition {
        ALL[usize::from(self.0.load(Ordering::Relaxed))]
    }

    /// Becomes active for a command that needs the medium, unless it is stopped. Of commands that come at once, one does it.
    pub fn wake(&self, counters: &Counters) -> Result<(), Sense> {
        let (active, stopped) = (Active as u8, Stopped as u8);
        let awake = |now| (now != active && now != stopped).then_some(active);
        use Ordering::Relaxed;
        match self.0.fetch_update(Relaxed, Relaxed, awake) {
            Err(now) if now == stopped => Err(Sense::STOPPED),
            Err(_) => Ok(()),
            Ok(_) => {
                counters.add(Counter::ToActive, 1);
                Ok(())
            }
        }
    }

    /// Changes to a condition, which counts if it was another.
    fn change(&self, to: Condition, counters: &Counters) {
        let transition = match to {
            Active => Some(Counter::ToActive),
            IdleA => Some(Counter::ToIdleA),
            IdleB => Some(Counter::ToIdleB),
            IdleC => Some(Counter::ToIdleC),
            StandbyZ => Some(Counter::ToStandbyZ),
            StandbyY => Some(Counter::ToStandbyY),
            Stopped => None,
        };
        let before = self.0.swap(to as u8, Ordering::Relaxed);
        if let Some(transition) = transition.filter(|_| before != to as u8) {
            counters.add(transition, 1);
        }
    }

    /// Whether commands that need the medium can be carried out.
    pub fn is_ready(&self) -> Result<(), Sense> {
        match self.get() {
            Stopped => Err(Sense::STOPPED),
            _ => Ok(()),
        }
    }

    /// What REQUEST SENSE says of it: the condition, activated by command.
    pub fn sense(&self) -> Sense {
        match self.get() {
            Active => Sense::NONE,
            IdleA => Sense::low_power(0x03),
            IdleB => Sense::low_power(0x06),
            IdleC => Sense::low_power(0x08),
            StandbyZ => Sense::low_power(0x04),
            StandbyY => Sense::low_power(0x0A),
            Stopped => Sense::STOPPED,
        }
    }
}

/// START STOP UNIT (SBC-4, 5.33): what stops or stands by flushes first, unless NO_FLUSH says not to.
pub(crate) fn start_stop(context: &Context<'_>) -> Answer {
    const START_VALID: u8 = 0x0;
    const ACTIVE: u8 = 0x1;
    const IDLE: u8 = 0x2;
    const STANDBY: u8 = 0x3;
    const LU_CONTROL: u8 = 0x7;
    const FORCE_IDLE_0: u8 = 0xA;
    const FORCE_STANDBY_0: u8 = 0xB;
    let modifier = context.cdb.byte(3);
    let start = context.cdb.bit(4, 0);
    let no_flush = context.cdb.bit(4, 2);
    let condition = context.cdb.byte(4) >> 4;
    let power = &context.state.power;
    let to = match (condition, modifier) {
        (START_VALID, _) if start => Active,
        (START_VALID, _) => Stopped,
        (ACTIVE, 0) => Active,
        (LU_CONTROL, 0) => power.get(),
        (IDLE | FORCE_IDLE_0, 0) => IdleA,
        (IDLE | FORCE_IDLE_0, 1) => IdleB,
        (IDLE | FORCE_IDLE_0, 2) => IdleC,
        (STANDBY | FORCE_STANDBY_0, 0) => StandbyZ,
        (STANDBY | FORCE_STANDBY_0, 1) => StandbyY,
        (ACTIVE | LU_CONTROL | IDLE | FORCE_IDLE_0 | STANDBY | FORCE_STANDBY_0, _) => {
            return Err(Sense::cdb_bit(3, 3))
        }
        _ => return Err(Sense::cdb_bit(4, 7)),
    };
    if to == Active && power.get() == Stopped {
        context.state.counters.add(Counter::Starts, 1);
    }
    power.change(to, &context.state.counters);
    let mut steps = Vec::new();
    if !no_flush && matches!(to, Stopped | StandbyZ | StandbyY) {
        steps.push(Step::Medium(Operation::Flush, Buffer::None));
    }
    if to == Stopped {
        steps.push(keep(context));
    }
    Ok(Reply::Series(steps))
}
