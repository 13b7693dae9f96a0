//! `Server`.

use std::io::ErrorKind;
use std::path::PathBuf;
use std::sync::{Mutex, MutexGuard, PoisonError};

use pyo3::prelude::*;

use crate::disk::Disk;
use crate::error::raise;

#[pyclass(frozen, module = "zonevm._core")]
pub struct Server {
    state: Mutex<State>,
}

enum State {
    Serving(serving::Server),
    Stopped {
        last_error: Option<String>,
        clients_gone: u64,
        clients_refused: u64,
    },
}

impl Server {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[pymethods]
impl Server {
    #[new]
    #[pyo3(signature = (socket_path, disks, queues=1))]
    fn new(
        py: Python<'_>,
        socket_path: PathBuf,
        disks: Vec<Py<Disk>>,
        queues: u16,
    ) -> PyResult<Self> {
        let namespaces = disks
            .iter()
            .map(|disk| disk.get().attached(py))
            .collect::<PyResult<Vec<_>>>()?;
        let scsi = namespaces.iter().filter(|found| found.is_none()).count();
        if scsi > 0 && scsi < disks.len() {
            let message = "SCSI disks and NVMe namespaces are not served on one socket";
            return Err(raise(
                py,
                "invalid",
                message,
                "serve each at a socket of its own",
            ));
        }
        let server = if scsi > 0 {
            let units = disks
                .iter()
                .map(|disk| disk.get().unit(py))
                .collect::<PyResult<Vec<_>>>()?;
            py.detach(|| vhost_user_scsi::listen(&socket_path, units, queues))
                .map_err(|error| match error {
                    vhost_user_scsi::Error::Socket(error) => failed(py, &error),
                    other => raise(py, "invalid", &other.to_string(), ""),
                })?
        } else {
            let namespaces = namespaces.into_iter().flatten().collect();
            py.detach(|| vfio_user_nvme::listen(&socket_path, namespaces, queues))
                .map_err(|error| match error {
                    vfio_user_nvme::Error::Socket(error) => failed(py, &error),
                    other => raise(py, "invalid", &other.to_string(), ""),
                })?
        };
        Ok(Self {
            state: Mutex::new(State::Serving(server)),
        })
    }

    #[getter]
    fn last_error(&self, py: Python<'_>) -> Option<String> {
        py.detach(|| match &*self.state() {
            State::Serving(server) => server.last_error(),
            State::Stopped { last_error, .. } => last_error.clone(),
        })
    }

    #[getter]
    fn clients_gone(&self, py: Python<'_>) -> u64 {
        py.detach(|| match &*self.state() {
            State::Serving(server) => server.gone(),
            State::Stopped { clients_gone, .. } => *clients_gone,
        })
    }

    #[getter]
    fn clients_refused(&self, py: Python<'_>) -> u64 {
        py.detach(|| match &*self.state() {
            State::Serving(server) => server.refused(),
            State::Stopped {
                clients_refused, ..
            } => *clients_refused,
        })
    }

    #[getter]
    fn connected(&self, py: Python<'_>) -> bool {
        py.detach(|| matches!(&*self.state(), State::Serving(server) if server.connected()))
    }

    fn stop(&self, py: Python<'_>) {
        py.detach(|| {
            let mut state = self.state();
            if let State::Serving(server) = &*state {
                let last_error = server.last_error();
                let clients_gone = server.gone();
                let clients_refused = server.refused();
                // Dropping the server waits for the commands in flight.
                *state = State::Stopped {
                    last_error,
                    clients_gone,
                    clients_refused,
                };
            }
        });
    }

    fn __enter__(slf: Py<Self>) -> Py<Self> {
        slf
    }

    fn __exit__(
        &self,
        py: Python<'_>,
        _exc_type: &Bound<'_, PyAny>,
        _exc: &Bound<'_, PyAny>,
        _traceback: &Bound<'_, PyAny>,
    ) {
        self.stop(py);
    }
}

fn failed(py: Python<'_>, error: &serving::Error) -> PyErr {
    use serving::Error;
    let kind = match error {
        Error::InUse(_) => "in-use",
        Error::NotASocket(_) => "exists",
        Error::PathTooLong { .. } => "invalid",
        Error::Io { source, .. } if source.kind() == ErrorKind::NotFound => "not-found",
        Error::Io { source, .. } if source.kind() == ErrorKind::PermissionDenied => "permission",
        _ => "io",
    };
    raise(py, kind, &error.to_string(), "")
}
