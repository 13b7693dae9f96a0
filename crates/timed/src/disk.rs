//! The disk around a disk, whose completions wait for their time.

use std::sync::Arc;

use timing::{Done, Profile};
use zoned::{
    pending, Completer, Completion, Data, Geometry, Listener, Operation, Pending, Request, Spent,
    Statistics, Submitted, Zone, ZonedDisk,
};

use crate::work::{medium, work};
use crate::Pace;

/// A zoned disk that takes the time of a real device.
pub struct TimedDisk<D: Data> {
    disk: Arc<dyn ZonedDisk<D>>,
    pace: Arc<Pace>,
}

impl<D: Data> TimedDisk<D> {
    /// `disk`, as slow as the device of a profile.
    ///
    /// # Errors
    /// If no thread can be started.
    pub fn new(disk: Arc<dyn ZonedDisk<D>>, profile: &Profile) -> std::io::Result<TimedDisk<D>> {
        let pace = Pace::start(profile, medium(disk.geometry()))?;
        Ok(TimedDisk {
            disk,
            pace: Arc::new(pace),
        })
    }

    /// Its clock.
    pub fn pace(&self) -> Arc<Pace> {
        Arc::clone(&self.pace)
    }
}

/// What is carried out now of an operation, and whether a flush has to follow in the end, which is its time to be stable.
fn parted(operation: Operation) -> (Option<Operation>, bool) {
    match operation {
        Operation::Flush => (None, true),
        Operation::Write { blocks, stable } => (
            Some(Operation::Write {
                blocks,
                stable: false,
            }),
            stable,
        ),
        Operation::Append {
            zone,
            count,
            stable,
        } => (
            Some(Operation::Append {
                zone,
                count,
                stable: false,
            }),
            stable,
        ),
        Operation::Fill { blocks, stable } => (
            Some(Operation::Fill {
                blocks,
                stable: false,
            }),
            stable,
        ),
        other => (Some(other), false),
    }
}

impl<D: Data> ZonedDisk<D> for TimedDisk<D> {
    fn geometry(&self) -> &Geometry {
        self.disk.geometry()
    }

    fn submit(&self, request: Request, data: &D) -> Submitted<Completion> {
        let Request { operation, origin } = request;
        if self.pace.is_off() {
            return Submitted::Pending(Pending::never());
        }
        let Some(work) = work(&operation, &*self.disk) else {
            return self.disk.submit(request, data);
        };
        let (now, flushes) = parted(operation);
        let carried_out = match now {
            Some(operation) => self.disk.submit(Request { operation, origin }, data),
            None => Submitted::Completed(Completion::done(0)),
        };
        if let Submitted::Completed(Completion { result: Err(_), .. }) = carried_out {
            return carried_out;
        }
        let (completer, pending) = pending();
        // It was carried out, or will be whatever becomes of it: it cannot be taken back.
        completer.begin();
        let flush = flushes.then(|| {
            (
                Arc::clone(&self.disk),
                Request {
                    operation: Operation::Flush,
                    origin,
                },
            )
        });
        let then = move |done: Done| finish(carried_out, flush, completer, spent(&done));
        self.pace.submit(work, then);
        Submitted::Pending(pending)
    }

    fn zone(&self, number: u32) -> Zone {
        self.disk.zone(number)
    }

    fn take_statistics(&self) -> Statistics {
        self.disk.take_statistics()
    }

    fn extension(&self, number: u32) -> Vec<u8> {
        self.disk.extension(number)
    }

    fn saved(&self, kind: u32) -> Vec<u8> {
        self.disk.saved(kind)
    }

    fn listen(&self, listener: Listener) {
        self.disk.listen(listener);
    }
}

/// What a command that ended took.
fn spent(done: &Done) -> Spent {
    Spent {
        queued: done.begun.saturating_sub(done.arrived),
        service: done.ended - done.begun,
        ended: done.ended,
    }
}

/// Completes a request whose time has come, when it was carried out and, where it has to be, is stable.
fn finish<D: Data>(
    carried_out: Submitted<Completion>,
    flush: Option<(Arc<dyn ZonedDisk<D>>, Request)>,
    completer: Completer<Completion>,
    spent: Spent,
) {
    let carried_out = carried_out.map(move |completion| Completion {
        spent: Some(spent),
        ..completion
    });
    let Some((disk, request)) = flush else {
        return carried_out.then(move |completion| completer.complete(completion));
    };
    carried_out.then(move |completion| {
        if completion.result.is_err() {
            return completer.complete(completion);
        }
        let flushed = disk.submit(request, &D::default());
        flushed.then(move |flushed| match flushed.result {
            Ok(_) => completer.complete(completion),
            Err(_) => completer.complete(flushed),
        });
    });
}
