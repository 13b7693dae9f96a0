//! A Unix socket on which one client after another is served, and the events by which threads wake each other.
//!
//! Knows no protocol: what is said on a connection is a [`Service`]'s business.
#![forbid(unsafe_code)]

mod client;
mod event;
mod server;
mod socket;
mod stop;

pub use client::Client;
pub use event::{clear, is, is_event, make_room, signal, wait, Event, Woken};
pub use server::{Ended, Server, Service};
pub use socket::Error;
pub use stop::Stop;
