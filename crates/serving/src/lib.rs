//! A Unix socket on which one client after another is served, the events by which threads wake each other, and how they
//! wait.
//!
//! Knows no protocol: what is said on a connection is a [`Service`]'s business.
#![forbid(unsafe_code)]

mod client;
mod event;
mod polling;
mod server;
mod socket;
mod stop;

pub use client::Client;
pub use event::{clear, is, is_event, make_room, signal, wait, Event, Woken};
pub use polling::Polling;
pub use server::{Ended, Server, Service};
pub use socket::Error;
pub use stop::Stop;
