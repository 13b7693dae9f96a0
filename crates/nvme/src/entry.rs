//! What an entry of the command table is, and how it is written.

use command::Group;

use crate::answer::{Answer, Context};

/// A command of the command table.
pub(crate) struct Command {
    /// As the standard spells it.
    pub name: &'static str,
    pub opcode: u8,
    pub group: Group,
    /// How much data goes with it, and where.
    pub data: Moves,
    /// There is such a command only where zones are.
    pub zoned: bool,
    pub run: Run,
}

pub(crate) type Run = fn(&Context<'_>) -> Answer;

/// The data that go with a command.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Moves {
    Nothing,
    /// The host sends the blocks.
    BlocksOut,
    /// The host receives the blocks.
    BlocksIn,
    /// The host sends ranges, 16 bytes each, as many as command dword 10 says.
    Ranges,
    /// The host receives as many dwords as command dword 12 says.
    DwordsIn,
    /// The host sends a zone descriptor extension, if it is to be set.
    Extension,
}

pub(crate) const fn command(
    name: &'static str,
    opcode: u8,
    group: Group,
    data: Moves,
    run: Run,
) -> Command {
    Command {
        name,
        opcode,
        group,
        data,
        zoned: false,
        run,
    }
}

impl Command {
    pub const fn of_zones(self) -> Command {
        Command {
            zoned: true,
            ..self
        }
    }
}
