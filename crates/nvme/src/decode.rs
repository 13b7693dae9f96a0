//! Commands decoded by the command table: which command, how much data goes with it, what it is about.

use command::{Description, Group};
use zoned::{Blocks, Geometry};

use crate::commands::COMMANDS;
use crate::entry::{Command, Moves};
use crate::report::dwords;
use crate::submission::{Submission, LEN};
use crate::zones::SET_EXTENSION;

/// Bytes that go with a command; at most one is not zero.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Transfer {
    /// Sent by the host.
    pub out: u64,
    /// Received by the host.
    pub into: u64,
}

/// Where in [`COMMANDS`] the command of each opcode is.
static PLACES: [u8; 256] = {
    let mut places = [u8::MAX; 256];
    let mut at = 0;
    while at < COMMANDS.len() {
        places[COMMANDS[at].opcode as usize] = at as u8;
        at += 1;
    }
    places
};

/// The command of this opcode, whatever medium has it.
pub(crate) fn by_opcode(opcode: u8) -> Option<&'static Command> {
    COMMANDS.get(usize::from(PLACES[usize::from(opcode)]))
}

/// The command of this opcode, if a medium of this geometry has it.
pub(crate) fn find(geometry: &Geometry, opcode: u8) -> Option<&'static Command> {
    let found = by_opcode(opcode)?;
    (!found.zoned || geometry.appends()).then_some(found)
}

/// The data that go with a command to a namespace of this geometry; none for one that it does not have.
pub fn transfer(geometry: &Geometry, raw: &[u8; LEN]) -> Transfer {
    let entry = Submission(raw);
    let Some(command) = find(geometry, entry.opcode()) else {
        return Transfer::default();
    };
    let blocks = geometry.to_bytes(entry.blocks().count);
    let (out, into) = match command.data {
        Moves::Nothing => (0, 0),
        Moves::BlocksOut => (blocks, 0),
        Moves::BlocksIn => (0, blocks),
        Moves::Ranges => (16 * (u64::from(entry.bits(10, 7, 0)) + 1), 0),
        Moves::BytesOut(bytes) => (bytes, 0),
        Moves::DwordsIn(number) => (0, dwords(entry, number)),
        Moves::Extension if entry.bits(13, 7, 0) == SET_EXTENSION => {
            (geometry.extension_bytes.into(), 0)
        }
        Moves::Extension => (0, 0),
    };
    Transfer { out, into }
}

/// The name of the I/O command of this opcode; `None` if there is none.
pub fn command_name(opcode: u8) -> Option<&'static str> {
    by_opcode(opcode).map(|command| command.name)
}

/// All I/O commands, by opcode, without their fields.
pub fn commands() -> Vec<Description> {
    COMMANDS.iter().map(description).collect()
}

fn description(command: &Command) -> Description {
    Description {
        name: Some(command.name),
        opcode: command.opcode,
        len: LEN,
        group: command.group,
        unconditional: false,
        lba: None,
        count: None,
        blocks: None,
    }
}

/// What a submission queue entry says, to a namespace of this geometry.
pub(crate) fn describe(geometry: &Geometry, raw: &[u8]) -> Description {
    let opcode = raw.first().copied().unwrap_or_default();
    let Some(command) = find(geometry, opcode) else {
        return Description {
            name: None,
            group: Group::Other,
            len: raw.len(),
            opcode,
            unconditional: false,
            lba: None,
            count: None,
            blocks: None,
        };
    };
    let Ok(raw) = <&[u8; LEN]>::try_from(raw) else {
        return Description {
            len: raw.len(),
            ..description(command)
        };
    };
    let entry = Submission(raw);
    let (lba, all) = (entry.lba(), entry.bits(13, 8, 8) == 1);
    let rest = Blocks {
        lba,
        count: geometry.blocks.saturating_sub(lba),
    };
    let zone = Blocks {
        lba,
        count: geometry.zone_blocks,
    };
    let whole = Blocks {
        lba: 0,
        count: geometry.blocks,
    };
    let (lba, count, blocks) = match command.group {
        Group::Read | Group::Write | Group::Verify => {
            let blocks = entry.blocks();
            (Some(blocks.lba), Some(blocks.count), Some(blocks))
        }
        Group::Zone if all => (None, None, Some(whole)),
        Group::Zone => (Some(lba), None, Some(zone)),
        Group::Report => (Some(lba), None, Some(rest)),
        Group::Flush => (None, None, Some(whole)),
        Group::Other => (None, None, None),
    };
    let blocks = blocks.map(|blocks| blocks.common(whole));
    Description {
        lba,
        count,
        blocks: blocks.filter(|blocks| blocks.count > 0),
        ..description(command)
    }
}
