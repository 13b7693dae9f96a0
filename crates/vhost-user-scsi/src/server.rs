//! The socket: who may have it, and one front end after another on it.

use std::fmt;
use std::io;
use std::os::fd::AsFd;
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::Arc;
use std::thread::{self, JoinHandle};
use std::time::Duration;

use command::Unit;
use memory::Scatter;
use rustix::net::{AddressFamily, SocketAddrUnix, SocketFlags, SocketType};

use scsi::{Target, MAX_UNITS};

use crate::connection;
use crate::device::{Device, Stop};
use crate::event::{wait, Woken};

/// The longest path that a Unix socket can have, in bytes (unix(7): 108 with the final NUL).
const MAX_PATH: usize = 107;
/// Rings are numbered with 8 bits in messages, and two of them are not request queues.
const MAX_REQUEST_QUEUES: u16 = 254;
/// How long to wait after a connection could not be set up: descriptors, memory or threads may have run out.
const RETRY: Duration = Duration::from_millis(100);

/// A running back end. Dropping it stops it.
pub struct Server {
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
    _socket: SocketFile,
}

struct Shared {
    device: Arc<Device>,
    request_queues: u16,
    stop: Stop,
    /// How many front ends have come and gone.
    gone: AtomicU64,
    /// How many were refused since there was one.
    refused: AtomicU64,
}

impl Server {
    /// Listens on `socket` (created with mode 0600, removed at the end) and serves in threads of its own
    /// until stopped. `units[i]` is logical unit `i` of target 0.
    ///
    /// Front ends are served one after another, each from a clean state; one that comes while there is another is
    /// refused. A socket that nobody listens on any
    /// more is replaced.
    ///
    /// # Errors
    /// A path longer than 107 bytes, or where something else or another server's socket is; no logical
    /// units, or more than 16384; no request queues, or more than 254; what the system refuses.
    pub fn start(
        socket: &Path,
        units: Vec<Arc<dyn Unit<Scatter>>>,
        request_queues: u16,
    ) -> Result<Server, Error> {
        if units.is_empty() || units.len() > MAX_UNITS {
            return Err(Error::Units(units.len()));
        }
        if !(1..=MAX_REQUEST_QUEUES).contains(&request_queues) {
            return Err(Error::RequestQueues(request_queues));
        }
        let failed = |source| Error::io(socket, source);
        let (listener, file) = listen(socket)?;
        let shared = Arc::new(Shared {
            device: Arc::new(Device::new(Target::new(units))),
            request_queues,
            stop: Stop::new().map_err(failed)?,
            gone: AtomicU64::new(0),
            refused: AtomicU64::new(0),
        });
        let server = Arc::clone(&shared);
        let thread = thread::Builder::new()
            .name("zonevm-vhost".into())
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
        self.shared.device.error()
    }

    /// Whether a front end is connected.
    pub fn connected(&self) -> bool {
        self.shared.device.connected()
    }

    /// How many front ends have come and gone since the start; who said nothing is none.
    pub fn gone(&self) -> u64 {
        self.shared.gone.load(Ordering::Relaxed)
    }

    /// How many connections were closed at once, since a front end was there.
    pub fn refused(&self) -> u64 {
        self.shared.refused.load(Ordering::Relaxed)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.shared.stop.request();
        self.shared.device.hang_up();
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
                self.device.set_error(Some(text));
                self.stop.sleep(RETRY);
            }
        }
        end(session);
    }

    /// Serves a front end in a thread of its own, unless there is one.
    fn begin(
        self: &Arc<Self>,
        stream: UnixStream,
        session: &mut Option<JoinHandle<()>>,
    ) -> io::Result<()> {
        if self.device.occupied() {
            self.refused.fetch_add(1, Ordering::Relaxed);
            return Ok(());
        }
        // The one before has left; commands of its may still be in flight.
        end(session.take());
        self.device.set_connection(Some(stream.try_clone()?));
        // A stop that came before the connection was registered could not shut it down.
        if self.stop.requested() {
            return Ok(());
        }
        self.device.set_error(None);
        let server = Arc::clone(self);
        let thread = thread::Builder::new().name("zonevm-session".into());
        let begun = thread.spawn(move || server.serve(stream));
        *session = Some(begun.inspect_err(|_| self.device.set_connection(None))?);
        Ok(())
    }

    /// Serves one front end until it leaves, errs, or the server is stopped.
    fn serve(&self, stream: UnixStream) {
        let (any, broken) =
            connection::serve(stream, &self.device, self.request_queues, &self.stop);
        if broken.is_some() {
            self.device.set_error(broken);
        }
        self.device.set_connection(None);
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

/// The socket in the file system: removed with this, if it is still ours.
struct SocketFile {
    path: PathBuf,
    device: u64,
    inode: u64,
}

impl Drop for SocketFile {
    fn drop(&mut self) {
        let ours = std::fs::symlink_metadata(&self.path)
            .is_ok_and(|found| (found.dev(), found.ino()) == (self.device, self.inode));
        if ours {
            // Nothing can be done about a directory that became read-only meanwhile.
            let _ = std::fs::remove_file(&self.path);
        }
    }
}

fn listen(path: &Path) -> Result<(UnixListener, SocketFile), Error> {
    let len = path.as_os_str().len();
    if len > MAX_PATH {
        return Err(Error::PathTooLong {
            path: path.to_owned(),
            len,
        });
    }
    make_way(path)?;
    let failed = |source| Error::io(path, source);
    let bind = || {
        let socket = rustix::net::socket_with(
            AddressFamily::UNIX,
            SocketType::STREAM,
            SocketFlags::CLOEXEC,
            None,
        )?;
        // The file that bind creates takes its mode from the socket's: it is never open to others.
        rustix::fs::fchmod(socket.as_fd(), rustix::fs::Mode::from_raw_mode(0o600))?;
        rustix::net::bind(&socket, &SocketAddrUnix::new(path)?)?;
        rustix::net::listen(&socket, 4)?;
        Ok(UnixListener::from(socket))
    };
    let listener = bind().map_err(|error: rustix::io::Errno| failed(error.into()))?;
    let created = std::fs::symlink_metadata(path).map_err(failed)?;
    let file = SocketFile {
        path: path.to_owned(),
        device: created.dev(),
        inode: created.ino(),
    };
    Ok((listener, file))
}

/// Removes a socket that is dead; refuses to remove anything else.
fn make_way(path: &Path) -> Result<(), Error> {
    match std::fs::symlink_metadata(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(Error::io(path, error)),
        Ok(found) if !found.file_type().is_socket() => {
            return Err(Error::NotASocket(path.to_owned()));
        }
        Ok(_) => {}
    }
    match UnixStream::connect(path) {
        Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => {
            std::fs::remove_file(path).map_err(|error| Error::io(path, error))
        }
        Err(error) => Err(Error::io(path, error)),
        Ok(_) => Err(Error::InUse(path.to_owned())),
    }
}

/// Why a server could not start.
#[derive(Debug)]
#[non_exhaustive]
pub enum Error {
    /// The socket's path is longer than a Unix socket's can be.
    PathTooLong {
        /// The path.
        path: PathBuf,
        /// Its length in bytes.
        len: usize,
    },
    /// Something that is no socket is at the socket's path.
    NotASocket(PathBuf),
    /// Another process listens on the socket.
    InUse(PathBuf),
    /// The number of logical units is out of range.
    Units(usize),
    /// The number of request queues is out of range.
    RequestQueues(u16),
    /// The system refused.
    Io {
        /// The socket's path.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
}

impl Error {
    fn io(path: &Path, source: io::Error) -> Error {
        Error::Io {
            path: path.to_owned(),
            source,
        }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Error::PathTooLong { path, len } => write!(
                f,
                "the socket path {} has {len} bytes, and a Unix socket's may have at most {MAX_PATH}: \
                 choose a shorter directory",
                path.display()
            ),
            Error::NotASocket(path) => write!(
                f,
                "{} exists and is not a socket: remove it or choose another path",
                path.display()
            ),
            Error::InUse(path) => write!(
                f,
                "another process listens on {}: stop it or choose another path",
                path.display()
            ),
            Error::Units(count) => write!(
                f,
                "{count} logical units: from 1 to {MAX_UNITS} are allowed"
            ),
            Error::RequestQueues(count) => write!(
                f,
                "{count} request queues: from 1 to {MAX_REQUEST_QUEUES} are allowed"
            ),
            Error::Io { path, source } => write!(f, "the socket {}: {source}", path.display()),
        }
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Error::Io { source, .. } => Some(source),
            _ => None,
        }
    }
}
