//! The command set: RESERVE, RELEASE, and the service actions of PERSISTENT RESERVE IN and OUT.
//!
//! Their functions say themselves what is in conflict with what is reserved.

use crate::entry::{action, plain, Command, Conflict, Needs, Run};
use crate::{persistent, reserved};

pub(crate) const RESERVATIONS: &[Command] = &[
    unit("RESERVE(6)", &[0x16, 0, 0, 0, 0, 0], reserved::reserve),
    unit("RELEASE(6)", &[0x17, 0, 0, 0, 0, 0], reserved::release),
    unit(
        "RESERVE(10)",
        &[0x56, 0, 0, 0, 0, 0, 0, 0, 0, 0],
        reserved::reserve,
    ),
    unit(
        "RELEASE(10)",
        &[0x57, 0, 0, 0, 0, 0, 0, 0, 0, 0],
        reserved::release,
    ),
    part(
        "PERSISTENT RESERVE IN, READ KEYS",
        &persistent_in(0x00),
        persistent::read_keys,
    ),
    part(
        "PERSISTENT RESERVE IN, READ RESERVATION",
        &persistent_in(0x01),
        persistent::read_reservation,
    ),
    part(
        "PERSISTENT RESERVE IN, REPORT CAPABILITIES",
        &persistent_in(0x02),
        persistent::report_capabilities,
    ),
    part(
        "PERSISTENT RESERVE IN, READ FULL STATUS",
        &persistent_in(0x03),
        persistent::read_full_status,
    ),
    part(
        "PERSISTENT RESERVE OUT, REGISTER",
        &persistent_out(0x00),
        persistent::register,
    ),
    part(
        "PERSISTENT RESERVE OUT, RESERVE",
        &persistent_out(0x01),
        persistent::reserve,
    ),
    part(
        "PERSISTENT RESERVE OUT, RELEASE",
        &persistent_out(0x02),
        persistent::release,
    ),
    part(
        "PERSISTENT RESERVE OUT, CLEAR",
        &persistent_out(0x03),
        persistent::clear,
    ),
    part(
        "PERSISTENT RESERVE OUT, PREEMPT",
        &persistent_out(0x04),
        persistent::preempt,
    ),
    part(
        "PERSISTENT RESERVE OUT, PREEMPT AND ABORT",
        &persistent_out(0x05),
        persistent::preempt,
    ),
    part(
        "PERSISTENT RESERVE OUT, REGISTER AND IGNORE EXISTING KEY",
        &persistent_out(0x06),
        persistent::register_and_ignore,
    ),
];

/// One that reserves or releases the unit as a whole. Third parties and parts there are none.
const fn unit(name: &'static str, usage: &'static [u8], run: Run) -> Command {
    plain(name, Needs::Unit, usage, run).conflicting(Conflict::Never)
}

/// A service action of persistent reservations.
const fn part(name: &'static str, usage: &'static [u8], run: Run) -> Command {
    action(name, Needs::Unit, usage, run).conflicting(Conflict::Never)
}

/// ALLOCATION LENGTH.
const fn persistent_in(service_action: u8) -> [u8; 10] {
    [0x5E, service_action, 0, 0, 0, 0, 0, 0xFF, 0xFF, 0]
}

/// SCOPE and TYPE, which some ignore, and PARAMETER LIST LENGTH.
const fn persistent_out(service_action: u8) -> [u8; 10] {
    [0x5F, service_action, 0xFF, 0, 0, 0xFF, 0xFF, 0xFF, 0xFF, 0]
}
