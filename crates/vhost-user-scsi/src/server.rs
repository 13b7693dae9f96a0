//! A back end on a socket: its logical units, its queues.

use std::fmt;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::sync::Arc;

use command::Unit;
use memory::Scatter;
use scsi::{Target, MAX_UNITS};
use serving::{Ended, Server, Service, Stop};

use crate::connection;
use crate::device::Device;

/// Rings are numbered with 8 bits in messages, and two of them are not request queues.
const MAX_REQUEST_QUEUES: u16 = 254;

/// Serves logical units on `socket`, as [`Server::start`] does; `units[i]` is logical unit `i` of target 0.
///
/// # Errors
/// No logical units, or more than 16384; no request queues, or more than 254; what [`Server::start`] refuses.
pub fn listen(
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
    let device = Arc::new(Device::new(Target::new(units)));
    let client = Arc::clone(&device.client);
    let service = BackEnd {
        device,
        request_queues,
    };
    Server::start(socket, client, service).map_err(Error::Socket)
}

struct BackEnd {
    device: Arc<Device>,
    request_queues: u16,
}

impl Service for BackEnd {
    fn serve(&self, stream: UnixStream, stop: &Stop) -> Ended {
        connection::serve(stream, &self.device, self.request_queues, stop)
    }
}

/// Why a back end could not start.
#[derive(Debug)]
#[non_exhaustive]
pub enum Error {
    /// The number of logical units is out of range.
    Units(usize),
    /// The number of request queues is out of range.
    RequestQueues(u16),
    /// The socket cannot be had.
    Socket(serving::Error),
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Error::Units(count) => write!(
                f,
                "{count} logical units: from 1 to {MAX_UNITS} are allowed"
            ),
            Error::RequestQueues(count) => write!(
                f,
                "{count} request queues: from 1 to {MAX_REQUEST_QUEUES} are allowed"
            ),
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
