//! A model of a host-managed or host-aware zoned block device (SCSI ZBC).
//!
//! The model decides and never does I/O. In: a CDB and the lengths of the data buffers. Out: a
//! [`Step`], which is either a finished answer or an I/O [`Op`] that the caller carries out on the
//! medium and then hands back with its result. Every SCSI error is an answer with CHECK CONDITION.
//! The model knows no file, no virtio and no Python.
#![forbid(unsafe_code)]

mod addressed;
mod api;
mod block;
mod commands;
mod device;
mod geometry;
mod inquiry;
mod luns;
mod management;
mod mode;
mod opcodes;
mod recommended;
mod request;
mod sense;
mod unit;
mod word;
mod zones;

pub use addressed::addressed;
pub use api::*;
pub use commands::{command_name, command_names};
pub use device::{Device, DeviceError, Plan};
pub use geometry::{GeometryError, IdentityError};
pub use word::{
    check_word, cut_back, decode, fresh_word, powered_off, word_of, written, written_bytes,
    WordError,
};
