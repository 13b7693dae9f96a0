//! The layer that records: a submission before the disk sees it, its completion before whoever waits for it does.
//!
//! Submissions are in the record in the order in which the disk gets them, so that what acts on a zone is there in the order
//! in which it acts. What only reads is not recorded, but for what makes stable what it reads.

use std::cell::RefCell;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

use zoned::{
    Action, Completion, Data, Geometry, Identity, Listener, Operation, Request, Statistics,
    Submitted, Ticket, Zone, ZonedDisk,
};

use crate::entry::{Completed, Entry, Medium, Outcome, Submission};
use crate::error::Error;
use crate::log::Log;
use crate::payload::pack;

/// A zoned disk whose requests are recorded from [`Recorder::start`] on.
pub struct Recorder<D> {
    disk: Arc<dyn ZonedDisk<D>>,
    tape: OnceLock<Tape>,
}

/// Where a disk's requests are recorded.
struct Tape {
    log: Arc<Log>,
    number: u16,
    order: Order,
}

impl<D: Data> Recorder<D> {
    /// `disk`, of which nothing is recorded yet.
    pub fn new(disk: Arc<dyn ZonedDisk<D>>) -> Recorder<D> {
        let tape = OnceLock::new();
        Recorder { disk, tape }
    }

    /// Whether it is recorded.
    pub fn is_started(&self) -> bool {
        self.tape.get().is_some()
    }

    /// Records from now on, as disk `number` of `log`; nothing was written to it so far. `lying`: what the disk says of
    /// stable data means nothing.
    ///
    /// # Errors
    /// `Invalid` for a host-aware disk, and for one that is recorded already.
    pub fn start(
        &self,
        log: Arc<Log>,
        number: u16,
        identity: Identity,
        lying: bool,
    ) -> Result<(), Error> {
        let geometry = self.disk.geometry().clone();
        if geometry.writes_anywhere() {
            let message = "a host-aware disk cannot be recorded";
            return Err(Error::invalid(message, "take a host-managed one"));
        }
        let tape = Tape {
            log: Arc::clone(&log),
            number,
            order: Order::default(),
        };
        if self.tape.set(tape).is_err() {
            return Err(Error::invalid("the disk is recorded already", ""));
        }
        let medium = Medium {
            number,
            lying,
            geometry,
            identity,
        };
        log.append(&Entry::Disk(medium), &[]);
        Ok(())
    }
}

impl Tape {
    fn submit<D: Data>(
        &self,
        disk: &dyn ZonedDisk<D>,
        request: Request,
        data: &D,
    ) -> Submitted<Completion> {
        // A guest may change its memory at any moment: what is recorded is what is written.
        let mut bytes = vec![0; data_of(disk.geometry(), request.operation, data) as usize];
        let read = data.read(0, &mut bytes);
        bytes.truncate(read);
        let kept = pack(&bytes);
        let entry = Entry::Submitted(Submission {
            disk: self.number,
            operation: request.operation,
            command: request.origin.command.to_owned(),
            opcode: request.origin.opcode,
        });
        let turn = self.order.enter();
        let of = self.log.append(&entry, &kept);
        let submitted = match bytes.is_empty() {
            true => disk.submit(request, data),
            false => disk.submit(request, &D::of(bytes)),
        };
        drop(turn);
        match submitted {
            Submitted::Completed(completion) => {
                record_end(&self.log, of, &completion);
                Submitted::Completed(completion)
            }
            Submitted::Pending(pending) => {
                let later = Later {
                    log: Arc::clone(&self.log),
                    of,
                    ticket: pending.ticket(),
                };
                Submitted::Pending(pending.map(move |completion| {
                    record_end(&later.log, of, &completion);
                    completion
                }))
            }
        }
    }
}

/// Whether a power cut could take what it changes, or it makes something stable.
fn is_recorded(operation: Operation) -> bool {
    match operation {
        Operation::Read { stable, .. } => stable,
        Operation::Verify { .. } | Operation::Compare { .. } => false,
        Operation::Report { .. } | Operation::RecommendReset { .. } => false,
        _ => true,
    }
}

/// How many bytes of the data an operation keeps.
fn data_of(geometry: &Geometry, operation: Operation, data: &impl Data) -> u64 {
    let most = match operation {
        Operation::Write { blocks, .. } => geometry
            .bytes()
            .min(blocks.count * u64::from(geometry.block_size)),
        Operation::Append { count, .. } => {
            geometry.bytes().min(count * u64::from(geometry.block_size))
        }
        Operation::Fill { .. } => geometry.to_bytes(1),
        Operation::Manage {
            action: Action::SetExtension,
            ..
        } => geometry.extension_bytes.into(),
        Operation::Save { .. } => u64::MAX,
        _ => 0,
    };
    data.len().min(most)
}

fn record_end(log: &Log, of: u64, completion: &Completion) {
    let (outcome, lba, refusal) = match completion.result {
        Ok(answer) => (Outcome::Done, answer.lba, String::new()),
        Err(refusal) => (Outcome::of(refusal), None, format!("{refusal:?}")),
    };
    let completed = Completed {
        of,
        outcome,
        lba,
        refusal,
    };
    log.append(&Entry::Completed(completed), &[]);
}

/// A submission that completes later, or never.
struct Later {
    log: Arc<Log>,
    of: u64,
    ticket: Ticket,
}

impl Drop for Later {
    /// One that was taken back is recorded as that. One that nobody waits for any more is in flight for good.
    fn drop(&mut self) {
        if self.ticket.is_over() {
            let completed = Completed {
                of: self.of,
                outcome: Outcome::Withdrawn,
                lba: None,
                refusal: String::new(),
            };
            self.log.append(&Entry::Completed(completed), &[]);
        }
    }
}

/// Whose turn it is to submit. A thread that has it may submit again: what completes meanwhile may lead to more requests.
#[derive(Default)]
struct Order(Mutex<()>);

thread_local! {
    /// The orders, by their addresses, in which this thread has the turn.
    static TURNS: RefCell<Vec<usize>> = const { RefCell::new(Vec::new()) };
}

struct Turn<'a> {
    _held: MutexGuard<'a, ()>,
}

impl Order {
    /// Waits for the turn; `None`: this thread has it already.
    fn enter(&self) -> Option<Turn<'_>> {
        let own = std::ptr::from_ref(self).addr();
        if TURNS.with_borrow(|turns| turns.contains(&own)) {
            return None;
        }
        let _held = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        TURNS.with_borrow_mut(|turns| turns.push(own));
        Some(Turn { _held })
    }
}

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        // Turns end in the reverse order.
        TURNS.with_borrow_mut(|turns| turns.pop());
    }
}

impl<D: Data> ZonedDisk<D> for Recorder<D> {
    fn geometry(&self) -> &Geometry {
        self.disk.geometry()
    }

    fn submit(&self, request: Request, data: &D) -> Submitted<Completion> {
        match self.tape.get() {
            Some(tape) if is_recorded(request.operation) => tape.submit(&*self.disk, request, data),
            _ => self.disk.submit(request, data),
        }
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
