//! The command set: one entry a command; those of reservations are in `reservation_commands.rs`.
//!
//! A new command is one entry here, its function, and in `fields.rs` the names of its fields.

use command::Group;

use crate::entry::{action, cdb16, plain, zone_out, Command, Conflict, Needs};
use crate::reservation_commands::RESERVATIONS;
use crate::{
    block, defects, diagnostic, echo, erase, inquiry, log_pages, management, mode, opcodes, power,
    target, timestamp, unit,
};

/// All commands, by operation code and service action.
pub(crate) static COMMANDS: &[Command] = &merged::<{ COMMON.len() + RESERVATIONS.len() }>();

const COMMON: &[Command] = &[
    plain(
        "TEST UNIT READY",
        Needs::Medium,
        &[0x00, 0, 0, 0, 0, 0],
        unit::test_unit_ready,
    )
    .conflicting(Conflict::Reserved),
    plain(
        "REQUEST SENSE",
        Needs::Nothing,
        &[0x03, 0x01, 0, 0, 0xFF, 0],
        unit::request_sense,
    )
    .conflicting(Conflict::Never),
    plain(
        "FORMAT UNIT",
        Needs::Settled,
        &[0x04, 0x38, 0, 0, 0x01, 0],
        erase::format_unit,
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
    )
    .conflicting(Conflict::Never),
    plain(
        "MODE SELECT(6)",
        Needs::Settled,
        &[0x15, 0x11, 0, 0, 0xFF, 0],
        mode::select,
    ),
    plain(
        "MODE SENSE(6)",
        Needs::Unit,
        &[0x1A, 0x08, 0xFF, 0xFF, 0xFF, 0],
        mode::sense,
    )
    .conflicting(Conflict::Read),
    plain(
        "START STOP UNIT",
        Needs::Settled,
        &[0x1B, 0x01, 0, 0x0F, 0xF5, 0],
        power::start_stop,
    ),
    plain(
        "RECEIVE DIAGNOSTIC RESULTS",
        Needs::Settled,
        &[0x1C, 0x01, 0xFF, 0xFF, 0xFF, 0],
        diagnostic::receive,
    )
    .conflicting(Conflict::Read),
    plain(
        "SEND DIAGNOSTIC",
        Needs::Settled,
        &[0x1D, 0xF7, 0, 0xFF, 0xFF, 0],
        diagnostic::send,
    ),
    plain(
        "READ CAPACITY(10)",
        Needs::Unit,
        &[0x25, 0, 0, 0, 0, 0, 0, 0, 0, 0],
        unit::read_capacity_10,
    )
    .conflicting(Conflict::Never),
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
        "WRITE AND VERIFY(10)",
        Needs::Medium,
        &[0x2E, 0x12, 0xFF, 0xFF, 0xFF, 0xFF, 0, 0xFF, 0xFF, 0],
        block::write_and_verify,
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
        "PRE-FETCH(10)",
        Needs::Medium,
        &[0x34, 0x02, 0xFF, 0xFF, 0xFF, 0xFF, 0, 0xFF, 0xFF, 0],
        block::pre_fetch,
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
        "READ DEFECT DATA(10)",
        Needs::Settled,
        &[0x37, 0, 0x1F, 0, 0, 0, 0, 0xFF, 0xFF, 0],
        defects::read_10,
    )
    .conflicting(Conflict::Read),
    plain(
        "WRITE BUFFER",
        Needs::Settled,
        &[0x3B, 0x1F, 0, 0, 0, 0, 0xFF, 0xFF, 0xFF, 0],
        echo::write,
    ),
    plain(
        "READ BUFFER(10)",
        Needs::Settled,
        &[0x3C, 0x1F, 0xFF, 0, 0, 0, 0xFF, 0xFF, 0xFF, 0],
        echo::read_10,
    )
    .conflicting(Conflict::Read),
    plain(
        "WRITE SAME(10)",
        Needs::Medium,
        &[0x41, 0, 0xFF, 0xFF, 0xFF, 0xFF, 0, 0xFF, 0xFF, 0],
        block::write_same,
    )
    .of(Group::Write),
    action(
        "SANITIZE, OVERWRITE",
        Needs::Settled,
        &[0x48, 0xA1, 0, 0, 0, 0, 0, 0xFF, 0xFF, 0],
        erase::overwrite,
    ),
    action(
        "SANITIZE, CRYPTOGRAPHIC ERASE",
        Needs::Settled,
        &[0x48, 0xA3, 0, 0, 0, 0, 0, 0xFF, 0xFF, 0],
        erase::cryptographic_erase,
    ),
    action(
        "SANITIZE, EXIT FAILURE MODE",
        Needs::Settled,
        &[0x48, 0xBF, 0, 0, 0, 0, 0, 0xFF, 0xFF, 0],
        erase::exit_failure_mode,
    ),
    plain(
        "LOG SELECT",
        Needs::Settled,
        &[0x4C, 0x03, 0xFF, 0xFF, 0, 0, 0, 0xFF, 0xFF, 0],
        log_pages::select,
    ),
    plain(
        "LOG SENSE",
        Needs::Unit,
        &[0x4D, 0x01, 0xFF, 0xFF, 0, 0xFF, 0xFF, 0xFF, 0xFF, 0],
        log_pages::sense,
    )
    .conflicting(Conflict::Never),
    plain(
        "MODE SELECT(10)",
        Needs::Settled,
        &[0x55, 0x11, 0, 0, 0, 0, 0, 0xFF, 0xFF, 0],
        mode::select,
    ),
    plain(
        "MODE SENSE(10)",
        Needs::Unit,
        &[0x5A, 0x18, 0xFF, 0xFF, 0, 0, 0, 0xFF, 0xFF, 0],
        mode::sense,
    )
    .conflicting(Conflict::Read),
    plain("READ(16)", Needs::Medium, &cdb16(0x88, 0x18), block::read).of(Group::Read),
    plain("WRITE(16)", Needs::Medium, &cdb16(0x8A, 0x18), block::write).of(Group::Write),
    plain(
        "WRITE AND VERIFY(16)",
        Needs::Medium,
        &cdb16(0x8E, 0x12),
        block::write_and_verify,
    )
    .of(Group::Write),
    plain(
        "VERIFY(16)",
        Needs::Medium,
        &cdb16(0x8F, 0x12),
        block::verify,
    )
    .of(Group::Verify),
    plain(
        "PRE-FETCH(16)",
        Needs::Medium,
        &cdb16(0x90, 0x02),
        block::pre_fetch,
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
    plain(
        "READ BUFFER(16)",
        Needs::Settled,
        &[
            0x9B, 0x1F, 0, 0, 0, 0, 0, 0, 0, 0, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0,
        ],
        echo::read_16,
    )
    .conflicting(Conflict::Read),
    action(
        "READ CAPACITY(16)",
        Needs::Unit,
        &[
            0x9E, 0x10, 0, 0, 0, 0, 0, 0, 0, 0, 0xFF, 0xFF, 0xFF, 0xFF, 0, 0,
        ],
        unit::read_capacity_16,
    )
    .conflicting(Conflict::Never),
    plain(
        "REPORT LUNS",
        Needs::Nothing,
        &[0xA0, 0, 0xFF, 0, 0, 0, 0xFF, 0xFF, 0xFF, 0xFF, 0, 0],
        target::report_one,
    )
    .conflicting(Conflict::Never),
    action(
        "REPORT SUPPORTED OPERATION CODES",
        Needs::Unit,
        &[
            0xA3, 0x0C, 0x87, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0, 0,
        ],
        opcodes::report,
    )
    .conflicting(Conflict::Read),
    action(
        "REPORT SUPPORTED TASK MANAGEMENT FUNCTIONS",
        Needs::Unit,
        &[0xA3, 0x0D, 0x80, 0, 0, 0, 0xFF, 0xFF, 0xFF, 0xFF, 0, 0],
        unit::report_task_management,
    )
    .conflicting(Conflict::Read),
    action(
        "REPORT TIMESTAMP",
        Needs::Unit,
        &[0xA3, 0x0F, 0, 0, 0, 0, 0xFF, 0xFF, 0xFF, 0xFF, 0, 0],
        timestamp::report,
    )
    .conflicting(Conflict::Reserved),
    action(
        "SET TIMESTAMP",
        Needs::Settled,
        &[0xA4, 0x0F, 0, 0, 0, 0, 0xFF, 0xFF, 0xFF, 0xFF, 0, 0],
        timestamp::set,
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
    plain(
        "WRITE AND VERIFY(12)",
        Needs::Medium,
        &[
            0xAE, 0x12, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0, 0,
        ],
        block::write_and_verify,
    )
    .of(Group::Write),
    plain(
        "READ DEFECT DATA(12)",
        Needs::Settled,
        &[0xB7, 0x1F, 0, 0, 0, 0, 0xFF, 0xFF, 0xFF, 0xFF, 0, 0],
        defects::read_12,
    )
    .conflicting(Conflict::Read),
];

/// Both lists as one.
const fn merged<const N: usize>() -> [Command; N] {
    let mut all = [COMMON[0]; N];
    let (mut one, mut other) = (0, 0);
    while one + other < N {
        let at = one + other;
        let is_next = other == RESERVATIONS.len()
            || one < COMMON.len() && COMMON[one].usage[0] < RESERVATIONS[other].usage[0];
        if is_next {
            all[at] = COMMON[one];
            one += 1;
        } else {
            all[at] = RESERVATIONS[other];
            other += 1;
        }
    }
    all
}
