//! The socket: who may have it, and one front end after another on it.

use std::fmt;
use std::io;
use std::os::fd::AsFd;
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};

use rustix::net::{AddressFamily, SocketAddrUnix, SocketFlags, SocketType};
use vhost::vhost_user::{BackendReqHandler, Error as ProtocolError};

use crate::device::{Device, Stop};
use crate::event::{wait, Woken};
use crate::session::Session;
use crate::target::{Target, MAX_LUNS};
use crate::Lun;

/// The longest path that a Unix socket can have, in bytes (unix(7): 108 with the final NUL).
const MAX_PATH: usize = 107;
/// Rings are numbered with 8 bits in messages, and two of them are no request queues.
const MAX_REQUEST_QUEUES: u16 = 254;

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
    /// The connection that is served at the moment, to be shut down by a stop.
    connection: Mutex<Option<UnixStream>>,
    /// How many front ends have come and gone.
    left: AtomicU64,
}

impl Server {
    /// Listens on `socket` (created with mode 0600, removed at the end) and serves in threads of its own
    /// until stopped. `luns[i]` is logical unit `i` of target 0.
    ///
    /// Front ends are served one after another, each from a clean state. A socket that nobody listens on any
    /// more is replaced.
    ///
    /// # Errors
    /// A path longer than 107 bytes, or where something else or another server's socket is; no logical
    /// units, or more than 16384; no request queues, or more than 254; what the system refuses.
    pub fn start(
        socket: &Path,
        luns: Vec<Arc<dyn Lun>>,
        request_queues: u16,
    ) -> Result<Server, Error> {
        if luns.is_empty() || luns.len() > MAX_LUNS {
            return Err(Error::Luns(luns.len()));
        }
        if !(1..=MAX_REQUEST_QUEUES).contains(&request_queues) {
            return Err(Error::RequestQueues(request_queues));
        }
        let failed = |source| Error::io(socket, source);
        let (listener, file) = listen(socket)?;
        let shared = Arc::new(Shared {
            device: Arc::new(Device::new(Target::new(luns))),
            request_queues,
            stop: Stop::new().map_err(failed)?,
            connection: Mutex::default(),
            left: AtomicU64::new(0),
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

    /// Ends the connection, waits for the commands under way, and removes the socket.
    pub fn stop(self) {
        drop(self);
    }

    /// Why the last session broke, or what the guest did wrong in it; `None` if nothing went wrong.
    pub fn last_error(&self) -> Option<String> {
        self.shared.device.error()
    }

    /// Whether a front end is connected.
    pub fn connected(&self) -> bool {
        self.shared.connection().is_some()
    }

    /// How many front ends have come and gone since the start.
    pub fn left(&self) -> u64 {
        self.shared.left.load(Ordering::Relaxed)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.shared.stop.request();
        if let Some(connection) = &*self.shared.connection() {
            // It fails if the peer has gone already, which is as good.
            let _ = connection.shutdown(std::net::Shutdown::Both);
        }
        if let Some(thread) = self.thread.take() {
            // A panic there was printed; there is nothing left to stop then.
            let _ = thread.join();
        }
    }
}

impl Shared {
    fn connection(&self) -> std::sync::MutexGuard<'_, Option<UnixStream>> {
        self.connection
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    fn accept(&self, listener: &UnixListener) {
        loop {
            let accepted = match wait(listener, &self.stop.event) {
                Ok(Woken::Stopped) => return,
                Ok(Woken::Ready) => listener.accept(),
                Err(error) => Err(error),
            };
            let served = accepted.and_then(|(stream, _)| self.serve(stream));
            if let Err(error) = served {
                let text = format!("a connection could not be set up: {error}");
                self.device.set_error(Some(text));
            }
        }
    }

    /// Serves one front end until it leaves, errs, or the server is stopped.
    fn serve(&self, stream: UnixStream) -> io::Result<()> {
        *self.connection() = Some(stream.try_clone()?);
        self.device.set_error(None);
        let session = Session::new(Arc::clone(&self.device), self.request_queues);
        let mut handler = BackendReqHandler::from_stream(stream, Arc::new(Mutex::new(session)));
        // A stop that came before the connection was registered could not shut it down.
        while !self.stop.requested() {
            match handler.handle_request() {
                Ok(()) => {}
                Err(ProtocolError::Disconnected | ProtocolError::SocketBroken(_)) => break,
                Err(_) if self.stop.requested() => break,
                Err(error) => {
                    self.device
                        .set_error(Some(format!("vhost-user message refused: {error}")));
                    break;
                }
            }
        }
        drop(handler);
        *self.connection() = None;
        self.left.fetch_add(1, Ordering::Relaxed);
        Ok(())
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
    Luns(usize),
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
            Error::Luns(count) => write!(
                f,
                "{count} logical units: from 1 to {MAX_LUNS} are allowed"
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
