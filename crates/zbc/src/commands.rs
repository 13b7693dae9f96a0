//! The command set: one entry a command, and what all commands have in common.
//!
//! A new command is one entry here and its function. An entry's usage data (SPC-5, 6.35.3) is both what
//! REPORT SUPPORTED OPERATION CODES tells and what is enforced: a CDB with any other bit set is refused.

use crate::request::{Answer, Request};
use crate::sense::Sense;
use crate::unit::Unit;
use crate::{block, inquiry, luns, management, mode, opcodes, unit};

/// What has to be so before a command is carried out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Needs {
    /// Nothing: answered even with a unit attention pending (SPC-5, 5.14).
    Nothing,
    /// No unit attention.
    Unit,
    /// Moreover a started medium.
    Medium,
}

/// A command of the command set.
pub(crate) struct Command {
    pub name: &'static str,
    /// Whether the low bits of byte 1 choose the command, as a service action.
    pub has_service_action: bool,
    pub needs: Needs,
    /// As long as the CDB: the operation code, the service action, and ones where the CDB has fields.
    pub usage: &'static [u8],
    pub run: fn(&Unit<'_>, &Request<'_>) -> Answer,
}

const SERVICE_ACTION: u8 = 0x1F;

/// All commands, by operation code and service action.
pub(crate) static COMMANDS: &[Command] = &[
    plain(
        "TEST UNIT READY",
        Needs::Medium,
        &[0x00, 0, 0, 0, 0, 0],
        unit::test_unit_ready,
    ),
    plain(
        "REQUEST SENSE",
        Needs::Nothing,
        &[0x03, 0x01, 0, 0, 0xFF, 0],
        unit::request_sense,
    ),
    plain(
        "READ(6)",
        Needs::Medium,
        &[0x08, 0x1F, 0xFF, 0xFF, 0xFF, 0],
        block::read,
    ),
    plain(
        "WRITE(6)",
        Needs::Medium,
        &[0x0A, 0x1F, 0xFF, 0xFF, 0xFF, 0],
        block::write,
    ),
    plain(
        "INQUIRY",
        Needs::Nothing,
        &[0x12, 0x01, 0xFF, 0xFF, 0xFF, 0],
        inquiry::inquiry,
    ),
    plain(
        "MODE SELECT(6)",
        Needs::Unit,
        &[0x15, 0x10, 0, 0, 0xFF, 0],
        mode::select,
    ),
    plain(
        "MODE SENSE(6)",
        Needs::Unit,
        &[0x1A, 0x08, 0xFF, 0xFF, 0xFF, 0],
        mode::sense,
    ),
    plain(
        "START STOP UNIT",
        Needs::Unit,
        &[0x1B, 0x01, 0, 0, 0x05, 0],
        unit::start_stop,
    ),
    plain(
        "READ CAPACITY(10)",
        Needs::Unit,
        &[0x25, 0, 0, 0, 0, 0, 0, 0, 0, 0],
        unit::read_capacity_10,
    ),
    plain(
        "READ(10)",
        Needs::Medium,
        &[0x28, 0x18, 0xFF, 0xFF, 0xFF, 0xFF, 0, 0xFF, 0xFF, 0],
        block::read,
    ),
    plain(
        "WRITE(10)",
        Needs::Medium,
        &[0x2A, 0x18, 0xFF, 0xFF, 0xFF, 0xFF, 0, 0xFF, 0xFF, 0],
        block::write,
    ),
    plain(
        "VERIFY(10)",
        Needs::Medium,
        &[0x2F, 0x12, 0xFF, 0xFF, 0xFF, 0xFF, 0, 0xFF, 0xFF, 0],
        block::verify,
    ),
    plain(
        "SYNCHRONIZE CACHE(10)",
        Needs::Medium,
        &[0x35, 0x02, 0xFF, 0xFF, 0xFF, 0xFF, 0, 0xFF, 0xFF, 0],
        block::synchronize_cache,
    ),
    plain(
        "WRITE SAME(10)",
        Needs::Medium,
        &[0x41, 0, 0xFF, 0xFF, 0xFF, 0xFF, 0, 0xFF, 0xFF, 0],
        block::write_same,
    ),
    plain(
        "MODE SELECT(10)",
        Needs::Unit,
        &[0x55, 0x10, 0, 0, 0, 0, 0, 0xFF, 0xFF, 0],
        mode::select,
    ),
    plain(
        "MODE SENSE(10)",
        Needs::Unit,
        &[0x5A, 0x18, 0xFF, 0xFF, 0, 0, 0, 0xFF, 0xFF, 0],
        mode::sense,
    ),
    plain("READ(16)", Needs::Medium, &cdb16(0x88, 0x18), block::read),
    plain("WRITE(16)", Needs::Medium, &cdb16(0x8A, 0x18), block::write),
    plain(
        "VERIFY(16)",
        Needs::Medium,
        &cdb16(0x8F, 0x12),
        block::verify,
    ),
    plain(
        "SYNCHRONIZE CACHE(16)",
        Needs::Medium,
        &cdb16(0x91, 0x02),
        block::synchronize_cache,
    ),
    plain(
        "WRITE SAME(16)",
        Needs::Medium,
        &cdb16(0x93, 0x01),
        block::write_same,
    ),
    action(
        "CLOSE ZONE",
        Needs::Medium,
        &zone_out(0x01),
        management::close,
    ),
    action(
        "FINISH ZONE",
        Needs::Medium,
        &zone_out(0x02),
        management::finish,
    ),
    action(
        "OPEN ZONE",
        Needs::Medium,
        &zone_out(0x03),
        management::open,
    ),
    action(
        "RESET WRITE POINTER",
        Needs::Medium,
        &zone_out(0x04),
        management::reset,
    ),
    action(
        "REPORT ZONES",
        Needs::Medium,
        &[
            0x95, 0x00, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF,
            0xBF, 0,
        ],
        management::report,
    ),
    action(
        "READ CAPACITY(16)",
        Needs::Unit,
        &[
            0x9E, 0x10, 0, 0, 0, 0, 0, 0, 0, 0, 0xFF, 0xFF, 0xFF, 0xFF, 0, 0,
        ],
        unit::read_capacity_16,
    ),
    plain(
        "REPORT LUNS",
        Needs::Nothing,
        &[0xA0, 0, 0xFF, 0, 0, 0, 0xFF, 0xFF, 0xFF, 0xFF, 0, 0],
        luns::report,
    ),
    action(
        "REPORT SUPPORTED OPERATION CODES",
        Needs::Unit,
        &[
            0xA3, 0x0C, 0x87, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0, 0,
        ],
        opcodes::report,
    ),
    plain(
        "READ(12)",
        Needs::Medium,
        &[
            0xA8, 0x18, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0, 0,
        ],
        block::read,
    ),
    plain(
        "WRITE(12)",
        Needs::Medium,
        &[
            0xAA, 0x18, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0, 0,
        ],
        block::write,
    ),
];

type Run = fn(&Unit<'_>, &Request<'_>) -> Answer;

const fn plain(name: &'static str, needs: Needs, usage: &'static [u8], run: Run) -> Command {
    Command {
        name,
        has_service_action: false,
        needs,
        usage,
        run,
    }
}

const fn action(name: &'static str, needs: Needs, usage: &'static [u8], run: Run) -> Command {
    Command {
        has_service_action: true,
        ..plain(name, needs, usage, run)
    }
}

/// A 64-bit LBA and a 32-bit length.
const fn cdb16(opcode: u8, byte_1: u8) -> [u8; 16] {
    [
        opcode, byte_1, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0,
        0,
    ]
}

/// ZONE ID, ZONE COUNT and ALL.
const fn zone_out(service_action: u8) -> [u8; 16] {
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

    /// The command that a CDB asks for.
    pub fn find(cdb: &[u8]) -> Result<&'static Command, Sense> {
        let opcode = *cdb.first().ok_or(Sense::UNKNOWN_OPERATION_CODE)?;
        let mut known = COMMANDS
            .iter()
            .filter(|command| command.opcode() == opcode)
            .peekable();
        if known.peek().is_none() {
            return Err(Sense::UNKNOWN_OPERATION_CODE);
        }
        let action = cdb.get(1).map(|byte| byte & SERVICE_ACTION);
        known
            .find(|command| !command.has_service_action || action == Some(command.service_action()))
            .ok_or(Sense::cdb_bit(1, 4))
    }

    /// Refuses a CDB that is too short, or has bits set that the command does not use.
    fn check(&self, cdb: &[u8]) -> Result<(), Sense> {
        if cdb.len() < self.usage.len() {
            return Err(Sense::cdb_field(cdb.len() as u16));
        }
        for (at, (&byte, &used)) in cdb.iter().zip(self.usage).enumerate().skip(1) {
            let used = match at {
                1 if self.has_service_action => used | SERVICE_ACTION,
                _ => used,
            };
            let wrong = byte & !used;
            if wrong != 0 {
                return Err(Sense::cdb_bit(at as u16, wrong.ilog2() as u8));
            }
        }
        Ok(())
    }
}

/// The name of the command that a CDB asks for, for logs; `None` if it is not one of this command set.
pub fn command_name(cdb: &[u8]) -> Option<&'static str> {
    Command::find(cdb).ok().map(|command| command.name)
}

/// The names of all commands, in the order of their operation codes.
pub fn command_names() -> impl Iterator<Item = &'static str> {
    COMMANDS.iter().map(|command| command.name)
}

/// Carries a command out as far as that goes without I/O.
pub(crate) fn run(unit: &Unit<'_>, request: Request<'_>) -> Answer {
    let command = Command::find(request.cdb);
    let needs = command
        .as_ref()
        .map_or(Needs::Unit, |command| command.needs);
    if needs != Needs::Nothing {
        unit.state.take_attention().map_or(Ok(()), Err)?;
    }
    let command = command?;
    command.check(request.cdb)?;
    if needs == Needs::Medium && unit.state.is_stopped() {
        return Err(Sense::STOPPED);
    }
    let cdb = &request.cdb[..command.usage.len()];
    (command.run)(unit, &Request { cdb, ..request })
}
