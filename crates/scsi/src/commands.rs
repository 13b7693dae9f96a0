//! The command set: one entry a command.
//!
//! A new command is one entry here and its function. An entry's usage data (SPC-5, 6.35.3) is both what
//! REPORT SUPPORTED OPERATION CODES tells and what is enforced: a CDB with any other bit set is refused.

use command::Group;

use crate::answer::{Answer, Context};
use crate::{block, inquiry, management, mode, opcodes, target, unit};

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
    pub group: Group,
    /// As long as the CDB: the operation code, the service action, and ones where the CDB has fields.
    pub usage: &'static [u8],
    pub run: Run,
}

pub(crate) const SERVICE_ACTION: u8 = 0x1F;

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
    )
    .of(Group::Read),
    plain(
        "WRITE(6)",
        Needs::Medium,
        &[0x0A, 0x1F, 0xFF, 0xFF, 0xFF, 0],
        block::write,
    )
    .of(Group::Write),
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
    )
    .of(Group::Read),
    plain(
        "WRITE(10)",
        Needs::Medium,
        &[0x2A, 0x18, 0xFF, 0xFF, 0xFF, 0xFF, 0, 0xFF, 0xFF, 0],
        block::write,
    )
    .of(Group::Write),
    plain(
        "VERIFY(10)",
        Needs::Medium,
        &[0x2F, 0x12, 0xFF, 0xFF, 0xFF, 0xFF, 0, 0xFF, 0xFF, 0],
        block::verify,
    )
    .of(Group::Verify),
    plain(
        "SYNCHRONIZE CACHE(10)",
        Needs::Medium,
        &[0x35, 0x02, 0xFF, 0xFF, 0xFF, 0xFF, 0, 0xFF, 0xFF, 0],
        block::synchronize_cache,
    )
    .of(Group::Flush),
    plain(
        "WRITE SAME(10)",
        Needs::Medium,
        &[0x41, 0, 0xFF, 0xFF, 0xFF, 0xFF, 0, 0xFF, 0xFF, 0],
        block::write_same,
    )
    .of(Group::Write),
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
    plain("READ(16)", Needs::Medium, &cdb16(0x88, 0x18), block::read).of(Group::Read),
    plain("WRITE(16)", Needs::Medium, &cdb16(0x8A, 0x18), block::write).of(Group::Write),
    plain(
        "VERIFY(16)",
        Needs::Medium,
        &cdb16(0x8F, 0x12),
        block::verify,
    )
    .of(Group::Verify),
    plain(
        "SYNCHRONIZE CACHE(16)",
        Needs::Medium,
        &cdb16(0x91, 0x02),
        block::synchronize_cache,
    )
    .of(Group::Flush),
    plain(
        "WRITE SAME(16)",
        Needs::Medium,
        &cdb16(0x93, 0x01),
        block::write_same,
    )
    .of(Group::Write),
    action(
        "CLOSE ZONE",
        Needs::Medium,
        &zone_out(0x01),
        management::close,
    )
    .of(Group::Zone),
    action(
        "FINISH ZONE",
        Needs::Medium,
        &zone_out(0x02),
        management::finish,
    )
    .of(Group::Zone),
    action(
        "OPEN ZONE",
        Needs::Medium,
        &zone_out(0x03),
        management::open,
    )
    .of(Group::Zone),
    action(
        "RESET WRITE POINTER",
        Needs::Medium,
        &zone_out(0x04),
        management::reset,
    )
    .of(Group::Zone),
    action(
        "REPORT ZONES",
        Needs::Medium,
        &[
            0x95, 0x00, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF,
            0xBF, 0,
        ],
        management::report,
    )
    .of(Group::Report),
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
        target::report_one,
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
    )
    .of(Group::Read),
    plain(
        "WRITE(12)",
        Needs::Medium,
        &[
            0xAA, 0x18, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0, 0,
        ],
        block::write,
    )
    .of(Group::Write),
];

type Run = fn(&Context<'_>) -> Answer;

const fn plain(name: &'static str, needs: Needs, usage: &'static [u8], run: Run) -> Command {
    Command {
        name,
        has_service_action: false,
        needs,
        group: Group::Other,
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
    const fn of(self, group: Group) -> Command {
        Command { group, ..self }
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
