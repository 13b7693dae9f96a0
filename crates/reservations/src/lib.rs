//! Persistent reservations: who has registered, who has reserved, who may do what.
//!
//! The rules are those that SCSI and NVMe share (SPC-5, 5.13; NVM Express Base 2.0, 8.19); what either has of its own, its
//! crate knows. What initiators are to be told of is returned, and told by others. Knows no command and no lock.
#![forbid(unsafe_code)]

mod kept;
mod table;

pub use kept::KEPT_AS;
pub use table::{
    Access, Done, Key, Kind, News, Notice, Refused, Reservation, Table, MOST_REGISTRANTS,
};
