//! SCSI: [`LogicalUnit`]s over zoned disks (SPC-5, SBC-4, ZBC-2), and the [`Target`] that has them (SAM-5).
//!
//! A CDB is decoded once, by the command table: dispatch, REPORT SUPPORTED OPERATION CODES, bit checks, and what layers
//! and users are told of a command all read it. A refusal of the disk becomes sense data in one place. Knows no
//! transport and no file.
#![forbid(unsafe_code)]

mod answer;
mod attentions;
mod background;
mod block;
mod cdb;
mod commands;
mod counters;
mod decode;
mod defects;
mod diagnostic;
mod echo;
mod entry;
mod erase;
mod erasing;
mod fields;
mod inquiry;
mod log_pages;
mod logical_unit;
mod management;
mod mode;
mod mode_pages;
mod opcodes;
mod persistent;
mod power;
mod refused;
mod reservation_commands;
mod reserved;
mod self_test;
mod sense;
mod status;
mod target;
mod timestamp;
mod unit;

pub use decode::{command_name, commands, describe, field_name, is_plain_transfer};
pub use logical_unit::LogicalUnit;
pub use sense::fixed_sense;
pub use status::Status;
pub use target::{Address, Target, MAX_UNITS};
