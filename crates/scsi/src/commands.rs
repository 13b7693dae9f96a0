//! The command set: one entry a command, and what all commands have in common.
//!
//! A new command is one entry here and its function. An entry's usage data (SPC-5, 6.35.3) is both what
//! REPORT SUPPORTED OPERATION CODES tells and what is enforced: a CDB with any other bit set is refused.

use command::{Description, Group};
use zoned::{Blocks, Geometry};

use crate::answer::{unknown, Answer, Context};
use crate::cdb::Cdb;
use crate::sense::Sense;
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

/// Where in [`COMMANDS`] the first command of each operation code is.
static FIRST: [u8; 256] = {
    let mut first = [NONE; 256];
    let mut at = COMMANDS.len();
    while at > 0 {
        at -= 1;
        first[COMMANDS[at].usage[0] as usize] = at as u8;
    }
    first
};

const NONE: u8 = u8::MAX;

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

    /// The command that a CDB asks for.
    pub fn find(cdb: &[u8]) -> Result<&'static Command, Sense> {
        let opcode = *cdb.first().ok_or(Sense::UNKNOWN_OPERATION_CODE)?;
        let first = FIRST[usize::from(opcode)];
        if first == NONE {
            return Err(Sense::UNKNOWN_OPERATION_CODE);
        }
        let action = cdb.get(1).map(|byte| byte & SERVICE_ACTION);
        COMMANDS[usize::from(first)..]
            .iter()
            .take_while(|command| command.opcode() == opcode)
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

    /// The command without its fields.
    fn description(&self) -> Description {
        Description {
            name: Some(self.name),
            opcode: self.opcode(),
            len: self.usage.len(),
            group: self.group,
            unconditional: self.needs == Needs::Nothing,
            lba: None,
            count: None,
            blocks: None,
        }
    }

    /// The LBA and the number of blocks that a CDB has, if it has such fields.
    fn address(&self, cdb: Cdb<'_>) -> (Option<u64>, Option<u64>) {
        match self.group {
            Group::Read | Group::Write | Group::Verify | Group::Flush => {
                let Blocks { lba, count } = cdb.transfer();
                (Some(lba), Some(count))
            }
            Group::Zone if cdb.bit(14, 0) => (None, None),
            Group::Zone | Group::Report => (Some(cdb.be64(2)), None),
            Group::Other => (None, None),
        }
    }

    /// The blocks that a CDB is about, whether the disk has them or not.
    ///
    /// A zone management command is about whole zones, with ALL about the whole disk (ZBC-2, 5.2 to 5.6); REPORT
    /// ZONES about all from its starting LBA on; SYNCHRONIZE CACHE of no blocks likewise (SBC-4).
    fn blocks(&self, cdb: Cdb<'_>, geometry: &Geometry) -> Option<Blocks> {
        let rest = |lba| Blocks {
            lba,
            count: geometry.blocks.saturating_sub(lba),
        };
        match self.group {
            Group::Read | Group::Write | Group::Verify => Some(cdb.transfer()),
            Group::Flush => Some(match cdb.transfer() {
                Blocks { lba, count: 0 } => rest(lba),
                blocks => blocks,
            }),
            Group::Zone if cdb.bit(14, 0) => Some(rest(0)),
            Group::Zone => Some(Blocks {
                lba: cdb.be64(2),
                count: u64::from(cdb.be16(12)).max(1) * geometry.zone_blocks,
            }),
            Group::Report => Some(rest(cdb.be64(2))),
            Group::Other => None,
        }
    }
}

/// The name of the command that a CDB asks for; `None` if it is not one of this command set.
pub fn command_name(cdb: &[u8]) -> Option<&'static str> {
    Command::find(cdb).ok().map(|command| command.name)
}

/// All commands, in the order of their operation codes, without their fields.
pub fn commands() -> Vec<Description> {
    COMMANDS.iter().map(Command::description).collect()
}

/// What a CDB says, to a disk of this geometry. One that is too short for its command names nothing.
pub fn describe(geometry: &Geometry, cdb: &[u8]) -> Description {
    let Ok(command) = Command::find(cdb) else {
        return unknown(cdb);
    };
    let Some(fields) = cdb.get(..command.usage.len()).map(Cdb) else {
        let len = cdb.len();
        return Description {
            len,
            ..command.description()
        };
    };
    let (lba, count) = command.address(fields);
    let all = Blocks {
        lba: 0,
        count: geometry.blocks,
    };
    let blocks = command
        .blocks(fields, geometry)
        .map(|blocks| blocks.common(all))
        .filter(|blocks| blocks.count > 0);
    Description {
        lba,
        count,
        blocks,
        ..command.description()
    }
}

/// Whether a CDB is a READ or WRITE that need not reach stable storage.
pub fn is_plain_transfer(cdb: &[u8]) -> bool {
    Command::find(cdb).is_ok_and(|command| {
        matches!(command.group, Group::Read | Group::Write)
            && cdb
                .get(..command.usage.len())
                .is_some_and(|cdb| !Cdb(cdb).forces_unit_access())
    })
}

/// Runs a command's function, if nothing is in the way. `context` has the CDB as it came.
pub(crate) fn run(
    context: &Context<'_>,
) -> Result<(&'static Command, crate::answer::Reply), Sense> {
    let cdb = context.cdb.0;
    let command = Command::find(cdb);
    let needs = command
        .as_ref()
        .map_or(Needs::Unit, |command| command.needs);
    if context.state.is_lost() {
        return Err(Sense::TARGET_FAILURE);
    }
    if needs != Needs::Nothing {
        context.state.take_attention().map_or(Ok(()), Err)?;
    }
    let command = command?;
    command.check(cdb)?;
    if needs == Needs::Medium && context.state.is_stopped() {
        return Err(Sense::STOPPED);
    }
    let cdb = Cdb(&cdb[..command.usage.len()]);
    (command.run)(&Context { cdb, ..*context }).map(|reply| (command, reply))
}
