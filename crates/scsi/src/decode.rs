//! CDBs decoded by the command table: which command, whether it may have these bits, what it is about, and its run.

use command::{Description, Group};
use zoned::{Blocks, Geometry};

use crate::answer::{unknown, Context, Reply};
use crate::cdb::Cdb;
use crate::commands::COMMANDS;
use crate::entry::{Command, Conflict, Needs, SERVICE_ACTION};
use crate::fields;
use crate::sense::Sense;

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
        let first = cdb.first_chunk().map(|first| u128::from_le_bytes(*first));
        if self.usage.len() <= 16 && first.is_some_and(|first| first & self.unused == 0) {
            return Ok(());
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

    /// Under which reservation a CDB is refused. To start the unit is allowed under any (SBC-4, 4.17).
    fn conflict(&self, cdb: &[u8]) -> Conflict {
        const START_STOP_UNIT: u8 = 0x1B;
        const POWER_CONDITION: u8 = 0xF0;
        const START: u8 = 0x01;
        let is_start = |byte| byte & (POWER_CONDITION | START) == START;
        if self.opcode() == START_STOP_UNIT && cdb.get(4).copied().is_some_and(is_start) {
            return Conflict::Never;
        }
        self.conflict
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

/// Refuses a CDB of no command, or one with bits set that its command does not use.
pub(crate) fn check(cdb: &[u8]) -> Result<(), Sense> {
    Command::find(cdb)?.check(cdb)
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
pub(crate) fn run(context: &Context<'_>) -> Result<(&'static Command, Reply), Sense> {
    let cdb = context.cdb.0;
    let command = Command::find(cdb);
    let needs = command
        .as_ref()
        .map_or(Needs::Unit, |command| command.needs);
    if context.state.is_lost() {
        return Err(Sense::TARGET_FAILURE);
    }
    if needs != Needs::Nothing {
        let attention = context.state.attentions.take(context.initiator);
        attention.map_or(Ok(()), Err)?;
    }
    let command = command?;
    let state = context.state;
    if state
        .reserved
        .refuses(context.initiator, command.conflict(cdb))
    {
        return Ok((command, Reply::Conflict));
    }
    state.erasing.admits(needs, &state.background)?;
    command.check(cdb)?;
    if needs == Needs::Medium {
        match command.group {
            Group::Other => context.state.power.is_ready()?,
            _ => state.power.wake(&state.counters)?,
        }
    }
    if matches!(command.group, Group::Write | Group::Zone)
        && context.state.modes.is_write_protected()
    {
        return Err(Sense::WRITE_PROTECTED);
    }
    let cdb = Cdb(&cdb[..command.usage.len()]);
    (command.run)(&Context { cdb, ..*context }).map(|reply| (command, reply))
}

/// What the standards call the field at `byte` of a CDB (SPC-5, SBC-4, ZBC-2); `None` for no field, or an operation code
/// that is not one of this command set.
pub fn field_name(cdb: &[u8], byte: usize) -> Option<&'static str> {
    let first = FIRST[usize::from(*cdb.first()?)];
    let found = Command::find(cdb).ok();
    fields::name(found.or(COMMANDS.get(usize::from(first)))?, byte)
}
