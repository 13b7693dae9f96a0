//! The I/O commands: one entry a command (NVMe 1.4, 6; ZNS 1.1, 3).
//!
//! A new command is one entry here, and its function.

use command::Group;
use reservations::Access;

use crate::entry::{command, Command, Moves};
use crate::{blocks, reservation_commands, zones};

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
    )
    .accessing(Access::Write),
    command(
        "Verify",
        0x0C,
        Group::Verify,
        Moves::Nothing,
        blocks::verify,
    ),
    command(
        "Reservation Register",
        0x0D,
        Group::Other,
        Moves::BytesOut(16),
        reservation_commands::register,
    ),
    command(
        "Reservation Report",
        0x0E,
        Group::Other,
        Moves::DwordsIn(10),
        reservation_commands::report,
    ),
    command(
        "Reservation Acquire",
        0x11,
        Group::Other,
        Moves::BytesOut(16),
        reservation_commands::acquire,
    ),
    command(
        "Reservation Release",
        0x15,
        Group::Other,
        Moves::BytesOut(8),
        reservation_commands::release,
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
        Moves::DwordsIn(12),
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
