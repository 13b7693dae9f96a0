//! A trace: rows gathered in memory, a bounded number of them, and written out as chunks.

use std::fs::File;
use std::io::{self, Write};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use crate::chunk::{encode, Row};
use crate::now;

/// Rows are gathered in as many places, so that queues seldom wait for each other.
const SHARDS: usize = 16;
/// Rows of a full chunk.
const ROWS: usize = 8192;
/// How long a row stays in memory at most.
const INTERVAL: Duration = Duration::from_millis(250);

/// A file that commands are traced to, from [`Trace::start`] to [`Trace::close`].
///
/// A quarter of a second at most is in memory only: that much a `kill -9` takes from it. When the file cannot
/// be written any more the trace ends there, and the disks go on.
pub struct Trace {
    shared: Arc<Shared>,
    thread: Mutex<Option<JoinHandle<()>>>,
}

struct Shared {
    shards: [Mutex<Vec<Row>>; SHARDS],
    file: Mutex<Out>,
    /// No row is taken any more.
    over: AtomicBool,
    /// Whether to end the thread that writes out what waits.
    stop: Mutex<bool>,
    stopping: Condvar,
    /// The clock: nanoseconds since 1970 at an instant.
    epoch: (u64, Instant),
}

struct Out {
    file: File,
    buffer: Vec<u8>,
    error: Option<io::Error>,
}

impl Trace {
    /// Starts to trace to `file`, at its end.
    ///
    /// # Errors
    /// If no thread can be started.
    pub fn start(file: File) -> io::Result<Trace> {
        let shared = Arc::new(Shared {
            shards: Default::default(),
            file: Mutex::new(Out {
                file,
                buffer: Vec::new(),
                error: None,
            }),
            over: AtomicBool::new(false),
            stop: Mutex::new(false),
            stopping: Condvar::new(),
            epoch: (now(), Instant::now()),
        });
        let writer = Arc::clone(&shared);
        let thread = thread::Builder::new()
            .name("zonevm-trace".into())
            .spawn(move || writer.write_now_and_then())?;
        Ok(Trace {
            shared,
            thread: Mutex::new(Some(thread)),
        })
    }

    /// Writes out what waits, and takes no more.
    ///
    /// # Errors
    /// Why the trace is not whole, if it is not: the first error that writing met.
    pub fn close(&self) -> io::Result<()> {
        self.shared.over.store(true, Ordering::Relaxed);
        *locked(&self.shared.stop) = true;
        self.shared.stopping.notify_all();
        if let Some(thread) = locked(&self.thread).take() {
            // It panics for no reason that we know, and what it wrote is in the file.
            let _ = thread.join();
        }
        self.shared.write_out();
        locked(&self.shared.file).error.take().map_or(Ok(()), Err)
    }

    /// Nanoseconds since 1970, which never go back within a trace.
    pub(crate) fn time(&self, at: Instant) -> u64 {
        let (epoch, start) = self.shared.epoch;
        epoch + at.saturating_duration_since(start).as_nanos() as u64
    }

    pub(crate) fn add(&self, row: Row) {
        let shared = &self.shared;
        if shared.over.load(Ordering::Relaxed) {
            return;
        }
        let mut rows =
            locked(&shared.shards[usize::from(row.disk.wrapping_add(row.queue)) % SHARDS]);
        rows.push(row);
        if rows.len() >= ROWS {
            let full = std::mem::take(&mut *rows);
            drop(rows);
            shared.write(&full);
        }
    }
}

impl Drop for Trace {
    fn drop(&mut self) {
        // Who wants to know of an error calls it before.
        let _ = self.close();
    }
}

impl Shared {
    fn write_now_and_then(&self) {
        let mut stop = locked(&self.stop);
        while !*stop {
            let waited = self.stopping.wait_timeout(stop, INTERVAL);
            stop = waited.unwrap_or_else(PoisonError::into_inner).0;
            drop(stop);
            self.write_out();
            stop = locked(&self.stop);
        }
    }

    fn write_out(&self) {
        for shard in &self.shards {
            let rows = std::mem::take(&mut *locked(shard));
            if !rows.is_empty() {
                self.write(&rows);
            }
        }
    }

    fn write(&self, rows: &[Row]) {
        let mut out = locked(&self.file);
        if out.error.is_some() {
            return;
        }
        let Out { file, buffer, .. } = &mut *out;
        buffer.clear();
        encode(rows, buffer);
        if let Err(error) = file.write_all(buffer) {
            self.over.store(true, Ordering::Relaxed);
            out.error = Some(error);
        }
    }
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
