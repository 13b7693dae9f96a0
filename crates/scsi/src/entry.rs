//! What an entry of the command set is, and how it is written.
//!
//! An entry's usage data (SPC-5, 6.35.3) is both what REPORT SUPPORTED OPERATION CODES tells and what is enforced: a CDB
//! with any other bit set is refused.

use command::Group;

use crate::answer::{Answer, Context};

/// What has to be so before a command is carried out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Needs {
    /// Nothing: answered even with a unit attention pending (SPC-5, 5.14).
    Nothing,
    /// No unit attention, and that it is not being formatted.
    Unit,
    /// Moreover that it is not being sanitized.
    Settled,
    /// Moreover a started medium, on which no format or sanitize operation has failed.
    Medium,
}

/// Under which reservation of others it is refused: each also under those before (SPC-5, 5.13.1; SBC-4, 4.17; SPC-2, 5.5).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Conflict {
    /// Under none, or its function says.
    Never,
    /// Under that of RESERVE.
    Reserved,
    /// Under one that lets others not read.
    Read,
    /// Under any.
    Write,
}

/// A command of the command set.
#[derive(Clone, Copy)]
pub(crate) struct Command {
    pub name: &'static str,
    /// Whether the low bits of byte 1 choose the command, as a service action.
    pub has_service_action: bool,
    pub needs: Needs,
    pub group: Group,
    pub conflict: Conflict,
    /// As long as the CDB: the operation code, the service action, and ones where the CDB has fields.
    pub usage: &'static [u8],
    /// The bits that no CDB of it has set, of its first 16 bytes; byte 0 is the lowest.
    pub unused: u128,
    pub run: Run,
}

pub(crate) const SERVICE_ACTION: u8 = 0x1F;

pub(crate) type Run = fn(&Context<'_>) -> Answer;

pub(crate) const fn plain(
    name: &'static str,
    needs: Needs,
    usage: &'static [u8],
    run: Run,
) -> Command {
    Command {
        name,
        has_service_action: false,
        needs,
        group: Group::Other,
        conflict: Conflict::Write,
        usage,
        unused: unused(usage),
        run,
    }
}

const fn unused(usage: &[u8]) -> u128 {
    let mut unused = 0;
    let mut at = 0;
    while at < usage.len() && at < 16 {
        unused |= (!usage[at] as u128) << (8 * at);
        at += 1;
    }
    unused
}

pub(crate) const fn action(
    name: &'static str,
    needs: Needs,
    usage: &'static [u8],
    run: Run,
) -> Command {
    Command {
        has_service_action: true,
        unused: unused(usage) & !((SERVICE_ACTION as u128) << 8),
        ..plain(name, needs, usage, run)
    }
}

/// A 64-bit LBA and a 32-bit length.
pub(crate) const fn cdb16(opcode: u8, byte_1: u8) -> [u8; 16] {
    [
        opcode, byte_1, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0,
        0,
    ]
}

/// ZONE ID, ZONE COUNT and ALL.
pub(crate) const fn zone_out(service_action: u8) -> [u8; 16] {
    [
        0x94,
        service_action,
        0xFF,
        0xFF,
        0xFF,
        0xFF,
        0xFF,
        0xFF,
        0xFF,
        0xFF,
        0,
        0,
        0xFF,
        0xFF,
        0x01,
        0,
    ]
}

impl Command {
    pub const fn of(self, group: Group) -> Command {
        let conflict = match group {
            Group::Read | Group::Verify | Group::Report => Conflict::Read,
            Group::Write | Group::Flush | Group::Zone | Group::Other => Conflict::Write,
        };
        Command {
            group,
            conflict,
            ..self
        }
    }

    pub const fn conflicting(self, conflict: Conflict) -> Command {
        Command { conflict, ..self }
    }

    pub fn opcode(&self) -> u8 {
        self.usage[0]
    }

    /// The service action, or 0.
    pub fn service_action(&self) -> u8 {
        if self.has_service_action {
            self.usage[1] & SERVICE_ACTION
        } else {
            0
        }
    }
}
