//! REPORT SUPPORTED OPERATION CODES (SPC-5, 6.35): the command table, told to the initiator.

use crate::answer::{Answer, Context, Reply};
use crate::commands::COMMANDS;
use crate::entry::Command;
use crate::sense::Sense;

/// A command timeouts descriptor that indicates no timeouts.
const TIMEOUTS: [u8; 12] = [0, 0x0A, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];

/// REPORT SUPPORTED OPERATION CODES.
pub(crate) fn report(context: &Context<'_>) -> Answer {
    let timeouts = context.cdb.bit(2, 7);
    let (opcode, action) = (context.cdb.byte(3), context.cdb.be16(4));
    let of_opcode = COMMANDS.iter().filter(|command| command.opcode() == opcode);
    let has_actions = of_opcode.clone().any(|command| command.has_service_action);
    let exact = of_opcode
        .clone()
        .find(|command| u16::from(command.service_action()) == action);
    let data = match context.cdb.byte(2) & 0x07 {
        0 => all(timeouts),
        1 if has_actions => return Err(Sense::cdb_bit(2, 2)),
        1 => one(of_opcode.clone().next(), timeouts),
        2 if !has_actions && of_opcode.clone().next().is_some() => {
            return Err(Sense::cdb_bit(2, 2))
        }
        2 | 3 => one(exact, timeouts),
        _ => return Err(Sense::cdb_bit(2, 2)),
    };
    Reply::cut(data, context.cdb.be32(6))
}

fn all(timeouts: bool) -> Vec<u8> {
    const CTDP: u8 = 0x02;
    const SERVACTV: u8 = 0x01;
    let mut data = vec![0; 4];
    for command in COMMANDS {
        let mut flags = if timeouts { CTDP } else { 0 };
        if command.has_service_action {
            flags |= SERVACTV;
        }
        let len = command.usage.len() as u8;
        data.extend([
            command.opcode(),
            0,
            0,
            command.service_action(),
            0,
            flags,
            0,
            len,
        ]);
        if timeouts {
            data.extend(TIMEOUTS);
        }
    }
    let len = (data.len() - 4) as u32;
    data[0..4].copy_from_slice(&len.to_be_bytes());
    data
}

fn one(command: Option<&Command>, timeouts: bool) -> Vec<u8> {
    const NOT_SUPPORTED: u8 = 1;
    const SUPPORTED: u8 = 3;
    const CTDP: u8 = 0x80;
    let Some(command) = command else {
        return vec![0, NOT_SUPPORTED, 0, 0];
    };
    let flags = if timeouts { CTDP } else { 0 };
    let mut data = vec![0, SUPPORTED | flags, 0, command.usage.len() as u8];
    data.extend(command.usage);
    if timeouts {
        data.extend(TIMEOUTS);
    }
    data
}
