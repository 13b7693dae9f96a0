//! A controller on a socket: its namespaces, its queues.

use std::fmt;
use std::os::fd::AsFd;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::sync::Arc;

use memory::Scatter;
use nvme::{Attached, Controller, Limits};
use rustix::io::ioctl_fionread;
use serving::{wait, Client, Ended, Server, Service, Stop, Woken};

use crate::device::Device;
use crate::nvme_device::NvmeDevice;
use crate::session;

/// So many that each can be named by its number, and told in one list of Identify (NVMe 1.4, 5.15.2.3).
const MAX_NAMESPACES: usize = 1024;
/// A vector each and one for the admin queue have to fit into an MSI-X table (PCI Local Bus 3.0, 6.8.2.3).
const MAX_QUEUES: u16 = 64;

/// Serves a controller on `socket`, as [`Server::start`] does: `namespaces[i]` has the identifier `i + 1`, and there can be
/// `queues` I/O queue pairs.
///
/// # Errors
/// No namespaces, or more than 1024; no queues, or more than 64; what [`Server::start`] refuses.
pub fn listen(
    socket: &Path,
    namespaces: Vec<Attached<Scatter>>,
    queues: u16,
) -> Result<Server, Error> {
    if namespaces.is_empty() || namespaces.len() > MAX_NAMESPACES {
        return Err(Error::Namespaces(namespaces.len()));
    }
    if !(1..=MAX_QUEUES).contains(&queues) {
        return Err(Error::Queues(queues));
    }
    let limits = Limits {
        queues,
        vectors: queues + 1,
    };
    let client = Arc::<Client>::default();
    let controller = Controller::new(namespaces, limits);
    let device = NvmeDevice::new(controller, limits, Arc::clone(&client));
    Server::start(socket, client, Presented(Arc::new(device))).map_err(Error::Socket)
}

struct Presented(Arc<dyn Device>);

impl Service for Presented {
    fn serve(&self, stream: UnixStream, stop: &Stop) -> Ended {
        let first = wait(&stream, None, &stop.event);
        let any = first.is_ok_and(|woken| woken == Woken::Ready)
            && ioctl_fionread(&stream).is_ok_and(|bytes| bytes > 0);
        let served = session::serve(&stream, &self.0, stop.event.as_fd());
        Ended {
            any,
            broken: served.err(),
        }
    }
}

/// Why a controller could not start.
#[derive(Debug)]
#[non_exhaustive]
pub enum Error {
    /// The number of namespaces is out of range.
    Namespaces(usize),
    /// The number of I/O queue pairs is out of range.
    Queues(u16),
    /// The socket cannot be had.
    Socket(serving::Error),
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Error::Namespaces(count) => write!(
                f,
                "{count} namespaces: from 1 to {MAX_NAMESPACES} are allowed"
            ),
            Error::Queues(count) => {
                write!(f, "{count} queues: from 1 to {MAX_QUEUES} are allowed")
            }
            Error::Socket(error) => error.fmt(f),
        }
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Error::Socket(error) => Some(error),
            _ => None,
        }
    }
}
