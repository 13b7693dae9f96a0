//! The socket in the file system: who may have its place, and when it goes.

use std::fmt;
use std::io;
use std::os::fd::AsFd;
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};

use rustix::net::{AddressFamily, SocketAddrUnix, SocketFlags, SocketType};

/// The longest path that a Unix socket can have, in bytes (unix(7): 108 with the final NUL).
const MAX_PATH: usize = 107;

/// The file: removed with this, if it is still ours.
pub(crate) struct SocketFile {
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

/// Listens on a socket of mode 0600.
pub(crate) fn listen(path: &Path) -> Result<(UnixListener, SocketFile), Error> {
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
    /// The system refused.
    Io {
        /// The socket's path.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
}

impl Error {
    pub(crate) fn io(path: &Path, source: io::Error) -> Error {
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
