//! The kinds of faults: a file each, and the table of them here.

mod aborted;
mod bit_flip;
mod busy;
mod delay;
mod no_answer;
mod no_zone_resources;
mod offline;
mod read_error;
mod read_only;
mod reset_recommended;
mod unit_attention;
mod write_error;

use std::time::Duration;

use command::{Command, Description, Outcome};
use zoned::{Completion, Data, Operation, Request, Submitted, Target, ZonedDisk};

use crate::rule::Firing;
use crate::{disk, unit};

/// What fails.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Kind {
    /// The medium cannot be read, from the first LBA of the rule on.
    ReadError,
    /// The device does not write; nothing is written.
    WriteError,
    /// The command is given up.
    Aborted,
    /// The disk takes no command now.
    Busy,
    /// Something happened to the disk: the protocol's code for it.
    UnitAttention(u16),
    /// No more zones can be open, for what would open one.
    NoZoneResources,
    /// The command begins so much later.
    Delay(Duration),
    /// The command is never completed.
    NoAnswer,
    /// A bit of the data that are read is another.
    BitFlip,
    /// The disk would have the zone reset.
    ResetRecommended,
    ReadOnly,
    Offline,
}

/// What a kind does.
pub(crate) enum Effect<D: Data> {
    /// Something to commands.
    Command(Box<dyn CommandFault<D>>),
    /// Something to requests of the medium.
    Medium(Box<dyn MediumFault<D>>),
    /// Something to sequential zones, before the request that the rule waits for.
    Zones(fn(Target) -> Operation),
}

/// A fault that fires at a command on its way to the unit.
pub(crate) trait CommandFault<D: Data>: Send + Sync {
    /// Whether it can fire at this command.
    fn concerns(&self, _: &Description) -> bool {
        true
    }

    /// Carries the command out, or does not; `rest` does what would be done without this rule.
    fn run(&self, command: &Command<D>, rest: unit::Rest<D>) -> Submitted<Outcome>;
}

/// A fault that fires at a request on its way to the disk.
pub(crate) trait MediumFault<D: Data>: Send + Sync {
    /// Whether it can fire at requests of a command like this.
    fn is_for(&self, command: &Description) -> bool;

    /// Whether it can fire at this one as the disk is now.
    fn concerns(&self, _: &Operation, _: &dyn ZonedDisk<D>) -> bool {
        true
    }

    /// Carries the request out, or does not; `rest` does what would be done without this rule.
    fn run(
        &self,
        firing: &Firing,
        request: Request,
        data: &D,
        rest: disk::Rest<D>,
    ) -> Submitted<Completion>;
}

impl<D: Data> Effect<D> {
    /// Whether a rule of this kind can ever fire at commands like this.
    pub fn is_for(&self, command: &Description) -> bool {
        match self {
            Effect::Medium(fault) => fault.is_for(command),
            Effect::Command(_) | Effect::Zones(_) => true,
        }
    }
}

impl Kind {
    /// The kind of this name, as users write it. `delay` is for `delay` alone, `code` for `unit-attention`, by
    /// default POWER ON, RESET, OR BUS DEVICE RESET OCCURRED (29h/00h). `None` for an unknown name.
    pub fn named(name: &str, delay: Duration, code: Option<u16>) -> Option<Kind> {
        const POWER_ON: u16 = 0x2900;
        Some(match name {
            "read-error" => Kind::ReadError,
            "write-error" => Kind::WriteError,
            "aborted" => Kind::Aborted,
            "busy" => Kind::Busy,
            "unit-attention" => Kind::UnitAttention(code.unwrap_or(POWER_ON)),
            "no-zone-resources" => Kind::NoZoneResources,
            "delay" => Kind::Delay(delay),
            "no-answer" => Kind::NoAnswer,
            "bit-flip" => Kind::BitFlip,
            "reset-recommended" => Kind::ResetRecommended,
            "read-only" => Kind::ReadOnly,
            "offline" => Kind::Offline,
            _ => return None,
        })
    }

    pub(crate) fn effect<D: Data>(&self) -> Effect<D> {
        match *self {
            Kind::ReadError => Effect::Medium(Box::new(read_error::ReadError)),
            Kind::WriteError => Effect::Medium(Box::new(write_error::WriteError)),
            Kind::Aborted => Effect::Command(Box::new(aborted::Aborted)),
            Kind::Busy => Effect::Command(Box::new(busy::Busy)),
            Kind::UnitAttention(code) => {
                Effect::Command(Box::new(unit_attention::UnitAttention(code)))
            }
            Kind::NoZoneResources => Effect::Medium(Box::new(no_zone_resources::NoZoneResources)),
            Kind::Delay(time) => Effect::Command(Box::new(delay::Delay(time))),
            Kind::NoAnswer => Effect::Command(Box::new(no_answer::NoAnswer)),
            Kind::BitFlip => Effect::Medium(Box::new(bit_flip::BitFlip)),
            Kind::ResetRecommended => Effect::Zones(reset_recommended::fail),
            Kind::ReadOnly => Effect::Zones(read_only::fail),
            Kind::Offline => Effect::Zones(offline::fail),
        }
    }
}
