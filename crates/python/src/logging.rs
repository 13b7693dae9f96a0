//! Records of the crates' logs, handed to Python's logging: logger `zonevm.` and the crate's name.
//!
//! Whoever logs may hold what a thread waits for that holds the interpreter, so a thread of its own hands them over, and
//! to log never waits.

use std::sync::mpsc::{channel, Receiver, Sender};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};

use log::{Level, LevelFilter, Log, Metadata, Record};
use pyo3::prelude::*;

struct Bridge;

/// Level as Python numbers it, the crate, and the message.
type Line = (u8, String, String);

/// The thread that hands lines over.
enum Handing {
    /// There was no line yet.
    NotBegun,
    Begun(Sender<Line>, JoinHandle<()>),
    /// The interpreter ends, or the host has no thread for it.
    Over,
}

static HANDING: Mutex<Handing> = Mutex::new(Handing::NotBegun);

/// From now on records of warnings and errors go to Python, until its interpreter ends. Once a process.
///
/// # Errors
/// If Python has no `atexit`.
pub fn start(py: Python<'_>) -> PyResult<()> {
    // It fails for a second import only.
    if log::set_logger(&Bridge).is_ok() {
        log::set_max_level(LevelFilter::Warn);
    }
    let stop = wrap_pyfunction!(stop, py)?;
    py.import("atexit")?.call_method1("register", (stop,))?;
    Ok(())
}

/// A thread that waits for the interpreter while it ends would end the process.
#[pyfunction]
fn stop(py: Python<'_>) {
    let before = std::mem::replace(&mut *handing(), Handing::Over);
    if let Handing::Begun(lines, thread) = before {
        drop(lines);
        // A panic there was printed.
        let _ = py.detach(|| thread.join());
    }
}

impl Log for Bridge {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.level() <= Level::Warn
    }

    fn log(&self, record: &Record<'_>) {
        if !self.enabled(record.metadata()) {
            return;
        }
        let level = if record.level() == Level::Error {
            40
        } else {
            30
        };
        let crate_name = record.target().split("::").next().unwrap_or_default();
        let line = (level, crate_name.to_owned(), record.args().to_string());
        let mut handing = handing();
        if let Handing::NotBegun = *handing {
            let (lines, received) = channel();
            let thread = thread::Builder::new().name("zonevm-log".into());
            *handing = match thread.spawn(|| hand_over(received)) {
                Ok(thread) => Handing::Begun(lines, thread),
                Err(_) => Handing::Over,
            };
        }
        if let Handing::Begun(lines, _) = &*handing {
            // The thread does not end before.
            let _ = lines.send(line);
        }
    }

    fn flush(&self) {}
}

fn hand_over(lines: Receiver<Line>) {
    for (level, name, message) in lines {
        Python::try_attach(|py| {
            let told = tell(py, level, &name, &message);
            // What a handler raises is nobody's here.
            told.inspect_err(|error| error.print(py)).is_ok()
        });
    }
}

fn tell(py: Python<'_>, level: u8, name: &str, message: &str) -> PyResult<()> {
    let logging = py.import("logging")?;
    let logger = logging.call_method1("getLogger", (format!("zonevm.{name}"),))?;
    logger.call_method1("log", (level, "%s", message))?;
    Ok(())
}

fn handing() -> MutexGuard<'static, Handing> {
    HANDING.lock().unwrap_or_else(PoisonError::into_inner)
}
