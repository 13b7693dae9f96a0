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

use std::ops::Range;
use std::time::Duration;

use image::{Disk, Error, Outcome};

use crate::command::Command;
use crate::rule::Strike;
use crate::Selector;

/// What fails.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Kind {
    /// UNRECOVERED READ ERROR (3/11/00) at the first struck LBA.
    ReadError,
    /// PERIPHERAL DEVICE WRITE FAULT (3/03/00); nothing is written.
    WriteError,
    /// ABORTED COMMAND (B/00/00).
    Aborted,
    /// Status BUSY.
    Busy,
    /// UNIT ATTENTION with this additional sense code and qualifier, in this order.
    UnitAttention(u16),
    /// INSUFFICIENT ZONE RESOURCES (7/55/0E) for what would open a zone.
    NoZoneResources,
    /// The command begins so much later.
    Delay(Duration),
    /// The command is never completed.
    NoAnswer,
    /// A bit of the data read is another.
    BitFlip,
    /// The zone's RESET bit is set: RWP recommended.
    ResetRecommended,
    /// The zone is in condition READ ONLY.
    ReadOnly,
    /// The zone is in condition OFFLINE.
    Offline,
}

/// What a kind does.
pub(crate) enum Fault {
    /// Something to commands.
    OnCommand(Box<dyn CommandFault>),
    /// Something to sequential zones, before the command that the rule waits for.
    OnZone(Inflict),
}

/// Makes zones fail; an error if that could not be made stable.
pub(crate) type Inflict = fn(&Disk, Range<u32>) -> Result<(), Error>;

/// What becomes of a command behind a rule.
pub(crate) type Rest<'a> = &'a dyn Fn(&Command<'_>) -> Option<Outcome>;

/// A fault that strikes a command on its way to the disk.
pub(crate) trait CommandFault: Send + Sync {
    /// The commands that it is made for.
    fn commands(&self) -> Selector {
        Selector::Any
    }

    /// Whether it can strike the command as the disk is now; the command is one of [`Self::commands`].
    fn concerns(&self, _: &Command<'_>) -> bool {
        true
    }

    /// Carries the struck command out, or does not; `rest` does what would be done without this rule.
    fn run(&self, strike: &Strike, command: &Command<'_>, rest: Rest<'_>) -> Option<Outcome>;
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

    pub(crate) fn fault(&self) -> Fault {
        Fault::OnCommand(match *self {
            Kind::ReadError => Box::new(read_error::ReadError),
            Kind::WriteError => Box::new(write_error::WriteError),
            Kind::Aborted => Box::new(aborted::Aborted),
            Kind::Busy => Box::new(busy::Busy),
            Kind::UnitAttention(code) => Box::new(unit_attention::UnitAttention(code)),
            Kind::NoZoneResources => Box::new(no_zone_resources::NoZoneResources),
            Kind::Delay(time) => Box::new(delay::Delay(time)),
            Kind::NoAnswer => Box::new(no_answer::NoAnswer),
            Kind::BitFlip => Box::new(bit_flip::BitFlip),
            Kind::ResetRecommended => return reset_recommended::FAULT,
            Kind::ReadOnly => return read_only::FAULT,
            Kind::Offline => return offline::FAULT,
        })
    }
}

impl Fault {
    pub fn commands(&self) -> Selector {
        match self {
            Fault::OnCommand(fault) => fault.commands(),
            Fault::OnZone(_) => Selector::Any,
        }
    }

    /// Whether a rule of this kind can strike `command` now. [`Selector::Any`] does not narrow what a rule chose.
    pub fn concerns(&self, command: &Command<'_>) -> bool {
        match self {
            Fault::OnCommand(fault) => {
                let commands = fault.commands();
                (commands == Selector::Any || commands.includes(command)) && fault.concerns(command)
            }
            Fault::OnZone(_) => true,
        }
    }
}
