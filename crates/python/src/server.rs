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
    Serving(vhost_user_scsi::Server),
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
        let units = disks
            .iter()
            .map(|disk| disk.get().unit(py))
            .collect::<PyResult<Vec<_>>>()?;
        let server = py
            .detach(|| vhost_user_scsi::Server::start(&socket_path, units, queues))
            .map_err(|e| failed(py, &e))?;
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

fn failed(py: Python<'_>, error: &vhost_user_scsi::Error) -> PyErr {
    use vhost_user_scsi::Error;
    let kind = match error {
        Error::InUse(_) => "in-use",
        Error::NotASocket(_) => "exists",
        Error::PathTooLong { .. } | Error::Units(_) | Error::RequestQueues(_) => "invalid",
        Error::Io { source, .. } if source.kind() == ErrorKind::NotFound => "not-found",
        Error::Io { source, .. } if source.kind() == ErrorKind::PermissionDenied => "permission",
        _ => "io",
    };
    raise(py, kind, &error.to_string(), "")
}
