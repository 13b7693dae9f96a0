//! NVMe: [`Namespace`]s over zoned disks, of the NVM and the Zoned Namespace command set, and the [`Controller`] that has
//! them (NVMe 1.4; ZNS 1.1).
//!
//! A command is decoded once, by the command table: dispatch, the log page of commands supported, how much data goes with a
//! command, and what layers and users are told of it all read it. A refusal of the disk becomes a status in one place.
//! Knows no queue, no transport and no file.
#![forbid(unsafe_code)]

mod admin;
mod answer;
mod blocks;
mod commands;
mod controller;
mod decode;
mod entry;
mod events;
mod features;
mod host;
mod identify;
mod log_pages;
mod logs;
mod media_check;
mod namespace;
mod notifications;
mod refused;
mod report;
mod reservation_commands;
mod reservation_features;
mod reserved;
mod self_tests;
mod status;
mod submission;
mod zones;

pub use admin::{admin_command_name, QueueCommand, MOST_ENTRIES};
pub use controller::{Admin, Attached, Controller, Limits};
pub use decode::{command_name, commands, transfer, Transfer};
pub use identify::VENDOR;
pub use namespace::{Namespace, MAX_TRANSFER};
pub use status::Status;
