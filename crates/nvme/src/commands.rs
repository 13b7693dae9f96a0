//! The I/O commands: one entry a command (NVMe 1.4, 6; ZNS 1.1, 3).
//!
//! A new command is one entry here, and its function.

use command::Group;

use crate::entry::{command, Command, Moves};
use crate::{blocks, zones};

/// All commands, by opcode.
pub(crate) static COMMANDS: &[Command] = &[
    command("Flush", 0x00, Group::Flush, Moves::Nothing, blocks::flush),
    command("Write", 0x01, Group::Write, Moves::BlocksOut, blocks::write),
    command("Read", 0x02, Group::Read, Moves::BlocksIn, blocks::read),
    command(
        "Compare",
        0x05,
        Group::Verify,
        Moves::BlocksOut,
        blocks::compare,
    ),
    command(
        "Write Zeroes",
        0x08,
        Group::Write,
        Moves::Nothing,
        blocks::write_zeroes,
    ),
    command(
        "Dataset Management",
        0x09,
        Group::Other,
        Moves::Ranges,
        blocks::manage_dataset,
    ),
    command(
        "Verify",
        0x0C,
        Group::Verify,
        Moves::Nothing,
        blocks::verify,
    ),
    command(
        "Zone Management Send",
        0x79,
        Group::Zone,
        Moves::Extension,
        zones::send,
    )
    .of_zones(),
    command(
        "Zone Management Receive",
        0x7A,
        Group::Report,
        Moves::DwordsIn,
        zones::receive,
    )
    .of_zones(),
    command(
        "Zone Append",
        0x7D,
        Group::Write,
        Moves::BlocksOut,
        zones::append,
    )
    .of_zones(),
];
