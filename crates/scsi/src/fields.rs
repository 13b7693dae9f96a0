//! Names of the fields of CDBs (SPC-5, SBC-4, ZBC-2), by the byte that they begin at.

use command::Group;

use crate::entry::Command;

/// A field: its first byte and its name.
type Field = (usize, &'static str);

const ACTION: Field = (1, "SERVICE ACTION");
const LBA: &str = "LOGICAL BLOCK ADDRESS";
const TRANSFER_LENGTH: &str = "TRANSFER LENGTH";
const GROUP_NUMBER: &str = "GROUP NUMBER";
const ALLOCATION_LENGTH: &str = "ALLOCATION LENGTH";
const PARAMETER_LIST_LENGTH: &str = "PARAMETER LIST LENGTH";
const DEFECT_LIST_FORMAT: &str = "DEFECT LIST FORMAT";
const REPORTING_OPTIONS: &str = "REPORTING OPTIONS";

/// What the field at `byte` of the command's CDB is called.
pub(crate) fn name(command: &Command, byte: usize) -> Option<&'static str> {
    let len = command.usage.len();
    if byte == len - 1 {
        return Some("CONTROL");
    }
    let fields = match command.group {
        Group::Read | Group::Write | Group::Verify | Group::Flush => transfer(len),
        Group::Zone | Group::Report | Group::Other => {
            of_others(command.opcode(), command.service_action())
        }
    };
    let field = fields.iter().find(|(first, _)| *first == byte);
    field.map(|(_, name)| *name)
}

fn transfer(len: usize) -> &'static [Field] {
    match len {
        6 => &[(1, LBA), (4, TRANSFER_LENGTH)],
        10 => &[(2, LBA), (6, GROUP_NUMBER), (7, TRANSFER_LENGTH)],
        12 => &[(2, LBA), (6, TRANSFER_LENGTH), (10, GROUP_NUMBER)],
        _ => &[(2, LBA), (10, TRANSFER_LENGTH), (14, GROUP_NUMBER)],
    }
}

fn of_others(opcode: u8, action: u8) -> &'static [Field] {
    match opcode {
        0x04 => &[(1, "FMTPINFO"), (4, "FFMT")],
        0x12 => &[(1, "EVPD"), (2, "PAGE CODE"), (3, ALLOCATION_LENGTH)],
        0x1A => &[
            (2, "PAGE CODE"),
            (3, "SUBPAGE CODE"),
            (4, ALLOCATION_LENGTH),
        ],
        0x1B => &[(3, "POWER CONDITION MODIFIER"), (4, "POWER CONDITION")],
        0x15 => &[(4, PARAMETER_LIST_LENGTH)],
        0x1C => &[(2, "PAGE CODE"), (3, ALLOCATION_LENGTH)],
        0x1D => &[(1, "SELF-TEST CODE"), (3, PARAMETER_LIST_LENGTH)],
        0x37 => &[(2, DEFECT_LIST_FORMAT), (7, ALLOCATION_LENGTH)],
        0x3B => &[
            (1, "MODE"),
            (2, "BUFFER ID"),
            (3, "BUFFER OFFSET"),
            (6, PARAMETER_LIST_LENGTH),
        ],
        0x3C => &[
            (1, "MODE"),
            (2, "BUFFER ID"),
            (3, "BUFFER OFFSET"),
            (6, ALLOCATION_LENGTH),
        ],
        0x48 => &[ACTION, (7, PARAMETER_LIST_LENGTH)],
        0x4C => &[
            (2, "PAGE CODE"),
            (3, "SUBPAGE CODE"),
            (7, PARAMETER_LIST_LENGTH),
        ],
        0x4D => &[
            (2, "PAGE CODE"),
            (3, "SUBPAGE CODE"),
            (5, "PARAMETER POINTER"),
            (7, ALLOCATION_LENGTH),
        ],
        0x55 => &[(7, PARAMETER_LIST_LENGTH)],
        0x5A => &[
            (2, "PAGE CODE"),
            (3, "SUBPAGE CODE"),
            (7, ALLOCATION_LENGTH),
        ],
        0x5E => &[ACTION, (7, ALLOCATION_LENGTH)],
        0x5F => &[ACTION, (2, "SCOPE, TYPE"), (5, PARAMETER_LIST_LENGTH)],
        0x94 => &[ACTION, (2, "ZONE ID"), (12, "ZONE COUNT"), (14, "ALL")],
        0x95 => &[
            ACTION,
            (2, "ZONE START LBA"),
            (10, ALLOCATION_LENGTH),
            (14, REPORTING_OPTIONS),
        ],
        0x9B => &[
            (1, "MODE"),
            (2, "BUFFER OFFSET"),
            (10, ALLOCATION_LENGTH),
            (14, "BUFFER ID"),
        ],
        0x9E => &[ACTION],
        0xA0 => &[(2, "SELECT REPORT"), (6, ALLOCATION_LENGTH)],
        0xA3 if action != 0x0C => &[ACTION, (6, ALLOCATION_LENGTH)],
        0xA4 => &[ACTION, (6, PARAMETER_LIST_LENGTH)],
        0xB7 => &[(1, DEFECT_LIST_FORMAT), (6, ALLOCATION_LENGTH)],
        0xA3 => &[
            ACTION,
            (2, REPORTING_OPTIONS),
            (3, "REQUESTED OPERATION CODE"),
            (4, "REQUESTED SERVICE ACTION"),
        ],
        _ => &[],
    }
}
