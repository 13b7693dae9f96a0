//! Who is served at the moment, and what went wrong with whom was served last.

use std::net::Shutdown;
use std::os::unix::net::UnixStream;
use std::sync::{Mutex, MutexGuard, PoisonError};

use rustix::event::PollFlags;

use crate::event::is;

/// The client of a server, if there is one. Any thread that works for it may end the connection.
#[derive(Default)]
pub struct Client {
    connection: Mutex<Option<UnixStream>>,
    error: Mutex<Option<String>>,
}

impl Client {
    /// Why the last session broke, or what its client did wrong; `None` if nothing went wrong.
    pub fn error(&self) -> Option<String> {
        locked(&self.error).clone()
    }

    /// What went wrong, if anything.
    pub fn set_error(&self, text: Option<String>) {
        *locked(&self.error) = text;
    }

    /// Whether one is served.
    pub fn connected(&self) -> bool {
        locked(&self.connection).is_some()
    }

    /// Ends the connection.
    pub fn hang_up(&self) {
        if let Some(connection) = &*locked(&self.connection) {
            // It fails if the peer has gone already, which is as good.
            let _ = connection.shutdown(Shutdown::Both);
        }
    }

    /// Who is served from now on, if anyone.
    pub(crate) fn set_connection(&self, connection: Option<UnixStream>) {
        *locked(&self.connection) = connection;
    }

    /// Whether one is served that has not left.
    pub(crate) fn occupied(&self) -> bool {
        let gone = PollFlags::RDHUP | PollFlags::HUP;
        locked(&self.connection)
            .as_ref()
            .is_some_and(|peer| !is(peer, gone))
    }
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
