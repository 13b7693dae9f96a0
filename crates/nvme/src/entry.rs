//! What an entry of the command table is, and how it is written.

use command::Group;
use reservations::Access;

use crate::answer::{Answer, Context};

/// A command of the command table.
pub(crate) struct Command {
    /// As the standard spells it.
    pub name: &'static str,
    pub opcode: u8,
    pub group: Group,
    /// What a reservation of others can forbid; `None`: no reservation forbids it, or its function says.
    pub access: Option<Access>,
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
    /// The host sends so many bytes.
    BytesOut(u64),
    /// The host receives as many dwords as this command dword says.
    DwordsIn(usize),
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
    let access = match group {
        Group::Read | Group::Verify | Group::Report => Some(Access::Read),
        Group::Write | Group::Flush | Group::Zone => Some(Access::Write),
        Group::Other => None,
    };
    Command {
        name,
        opcode,
        group,
        access,
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

    pub const fn accessing(self, access: Access) -> Command {
        Command {
            access: Some(access),
            ..self
        }
    }
}
