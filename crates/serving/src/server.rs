//! One client after another, each in a thread of its own.

use std::io;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::Arc;
use std::thread::{self, JoinHandle};
use std::time::Duration;

use crate::client::Client;
use crate::event::{wait, Woken};
use crate::socket::{listen, Error, SocketFile};
use crate::stop::Stop;

/// How long to wait after a connection could not be set up: descriptors, memory or threads may have run out.
const RETRY: Duration = Duration::from_millis(100);

/// What is served.
pub trait Service: Send + Sync + 'static {
    /// Serves a client, from a clean state, until it leaves, errs, or `stop` is requested.
    fn serve(&self, stream: UnixStream, stop: &Stop) -> Ended;
}

/// How a session ended.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Ended {
    /// The client said something: one that did not was none.
    pub any: bool,
    /// Why the connection broke, if it did.
    pub broken: Option<String>,
}

/// A running server. Dropping it stops it.
pub struct Server {
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
    _socket: SocketFile,
}

struct Shared {
    service: Box<dyn Service>,
    client: Arc<Client>,
    stop: Stop,
    /// How many clients have come and gone.
    gone: AtomicU64,
    /// How many were refused since there was one.
    refused: AtomicU64,
}

impl Server {
    /// Listens on `socket` (created with mode 0600, removed at the end) and serves in threads of its own until stopped.
    ///
    /// Clients are served one after another; one that comes while there is another is refused. A socket that nobody
    /// listens on any more is replaced. `client` says who is served, and takes what went wrong.
    ///
    /// # Errors
    /// A path longer than 107 bytes, or where something else or another server's socket is; what the system refuses.
    pub fn start(
        socket: &Path,
        client: Arc<Client>,
        service: impl Service,
    ) -> Result<Server, Error> {
        let failed = |source| Error::io(socket, source);
        let (listener, file) = listen(socket)?;
        let shared = Arc::new(Shared {
            service: Box::new(service),
            client,
            stop: Stop::new().map_err(failed)?,
            gone: AtomicU64::new(0),
            refused: AtomicU64::new(0),
        });
        let server = Arc::clone(&shared);
        let thread = thread::Builder::new()
            .name("zonevm-server".into())
            .spawn(move || server.accept(&listener))
            .map_err(failed)?;
        Ok(Server {
            shared,
            thread: Some(thread),
            _socket: file,
        })
    }

    /// Ends the connection, waits for the commands in flight, and removes the socket.
    pub fn stop(self) {
        drop(self);
    }

    /// Why the last session broke, or what the guest did wrong in it; `None` if nothing went wrong.
    pub fn last_error(&self) -> Option<String> {
        self.shared.client.error()
    }

    /// Whether a client is connected.
    pub fn connected(&self) -> bool {
        self.shared.client.connected()
    }

    /// How many clients have come and gone since the start; who said nothing is none.
    pub fn gone(&self) -> u64 {
        self.shared.gone.load(Ordering::Relaxed)
    }

    /// How many connections were closed at once, since a client was there.
    pub fn refused(&self) -> u64 {
        self.shared.refused.load(Ordering::Relaxed)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.shared.stop.request();
        self.shared.client.hang_up();
        if let Some(thread) = self.thread.take() {
            // A panic there was printed; there is nothing left to stop then.
            let _ = thread.join();
        }
    }
}

impl Shared {
    fn accept(self: &Arc<Self>, listener: &UnixListener) {
        let mut session = None;
        loop {
            let accepted = match wait(listener, None, &self.stop.event) {
                Ok(Woken::Stopped) => break,
                Ok(Woken::Ready | Woken::Called) => listener.accept(),
                Err(error) => Err(error),
            };
            let begun = accepted.and_then(|(stream, _)| self.begin(stream, &mut session));
            if let Err(error) = begun {
                let text = format!("a connection could not be set up: {error}");
                self.client.set_error(Some(text));
                self.stop.sleep(RETRY);
            }
        }
        end(session);
    }

    /// Serves a client in a thread of its own, unless there is one.
    fn begin(
        self: &Arc<Self>,
        stream: UnixStream,
        session: &mut Option<JoinHandle<()>>,
    ) -> io::Result<()> {
        if self.client.occupied() {
            self.refused.fetch_add(1, Ordering::Relaxed);
            return Ok(());
        }
        // The one before has left; commands of its may still be in flight.
        end(session.take());
        self.client.set_connection(Some(stream.try_clone()?));
        // A stop that came before the connection was registered could not shut it down.
        if self.stop.requested() {
            return Ok(());
        }
        self.client.set_error(None);
        let server = Arc::clone(self);
        let thread = thread::Builder::new().name("zonevm-session".into());
        let begun = thread.spawn(move || server.serve(stream));
        *session = Some(begun.inspect_err(|_| self.client.set_connection(None))?);
        Ok(())
    }

    /// Serves one client until it leaves, errs, or the server is stopped.
    fn serve(&self, stream: UnixStream) {
        let Ended { any, broken } = self.service.serve(stream, &self.stop);
        if broken.is_some() {
            self.client.set_error(broken);
        }
        self.client.set_connection(None);
        self.gone.fetch_add(any.into(), Ordering::Relaxed);
    }
}

/// Waits for a session's thread.
fn end(session: Option<JoinHandle<()>>) {
    if let Some(session) = session {
        // A panic there was printed.
        let _ = session.join();
    }
}
