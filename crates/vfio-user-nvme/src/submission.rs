//! A submission queue (NVMe 1.4, 4.1): a thread fetches commands from the client's memory and begins them.

use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};

use command::{Command, Outcome};
use memory::{Guest, Scatter};
use serving::Polling;
use vm_memory::{Address, GuestAddress, GuestMemoryBackend};
use zoned::Submitted;

use crate::completion::{Completion, CompletionQueue};
use crate::flights::Flights;
use crate::shadow::Shadow;
use crate::transfer;
use crate::wires::Wires;

/// The bytes of an entry.
const ENTRY: u64 = 64;

/// How many completions the client is told of at once, while there are more commands.
const TOGETHER: u32 = 8;

/// What carries out the commands of a queue.
pub(crate) trait Executor: Send + Sync + 'static {
    /// The bytes that the client sends with a command, or receives.
    fn transfer(&self, raw: &[u8; 64]) -> nvme::Transfer;

    /// Begins a command.
    fn execute(&self, command: &Command<Scatter>) -> Submitted<Outcome>;
}

/// A submission queue, and its thread.
pub(crate) struct SubmissionQueue {
    shared: Arc<Shared>,
    thread: Mutex<Option<JoinHandle<()>>>,
}

struct Shared {
    id: u16,
    entries: u32,
    address: GuestAddress,
    wires: Arc<Wires>,
    completions: Arc<CompletionQueue>,
    executor: Arc<dyn Executor>,
    flights: Arc<Flights>,
    /// Up to where the client has put entries, and up to where they were fetched.
    tail: AtomicU32,
    head: AtomicU32,
    shadow: Mutex<Option<Shadow>>,
    stop: AtomicBool,
}

impl SubmissionQueue {
    /// Starts a queue of so many entries, at least two, at an address of the client's memory; `None`: the host has no
    /// thread for it.
    pub fn start(
        id: u16,
        entries: u32,
        address: u64,
        wires: &Arc<Wires>,
        completions: &Arc<CompletionQueue>,
        executor: Arc<dyn Executor>,
    ) -> Option<SubmissionQueue> {
        let shared = Arc::new(Shared {
            id,
            entries,
            address: GuestAddress(address),
            wires: Arc::clone(wires),
            completions: Arc::clone(completions),
            executor,
            flights: Arc::default(),
            tail: AtomicU32::new(0),
            head: AtomicU32::new(0),
            shadow: Mutex::default(),
            stop: AtomicBool::new(false),
        });
        let worker = Arc::clone(&shared);
        let thread = thread::Builder::new().name(format!("zonevm-nvme-{id}"));
        let thread = thread.spawn(move || worker.run()).ok()?;
        completions.add_fetcher(thread.thread().clone());
        Some(SubmissionQueue {
            shared,
            thread: Mutex::new(Some(thread)),
        })
    }

    /// The completion queue that its commands end in.
    pub fn completions(&self) -> &Arc<CompletionQueue> {
        &self.shared.completions
    }

    /// The client has put entries up to `tail`: a doorbell. `false`: there is no such entry.
    pub fn ring(&self, tail: u32) -> bool {
        if tail >= self.shared.entries {
            return false;
        }
        self.shared.tail.store(tail, Ordering::Release);
        self.unpark();
        true
    }

    /// From now on the client has its doorbell in memory, too.
    pub fn set_shadow(&self, shadow: Shadow) {
        *self.shared.shadow() = Some(shadow);
        self.unpark();
    }

    /// Takes a command back. `true`: nothing of it was done; it is answered so.
    pub fn abort(&self, command: u16) -> bool {
        let taken = self.shared.flights.take_back(command);
        if taken {
            self.shared
                .answer(command, &nvme::Status::ABORT_REQUESTED.outcome());
            self.shared.completions.tell();
        }
        taken
    }

    /// Stops fetching, takes back what can be, and waits for the rest.
    pub fn stop(&self) {
        self.shared.stop.store(true, Ordering::Release);
        self.unpark();
        let thread = self
            .thread
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take();
        // Its panic would have been told where it happened.
        let _ = thread.map(JoinHandle::join);
        self.shared.flights.land_all();
    }

    fn unpark(&self) {
        let thread = self.thread.lock().unwrap_or_else(PoisonError::into_inner);
        thread.iter().for_each(|thread| thread.thread().unpark());
    }
}

impl Drop for SubmissionQueue {
    fn drop(&mut self) {
        self.stop();
    }
}

impl Shared {
    fn run(self: &Arc<Self>) {
        let mut polling = Polling::default();
        while !self.stop.load(Ordering::Acquire) {
            let memory = self.wires.memory();
            if self.fetch(&memory) {
                continue;
            }
            self.completions.tell();
            let is_stopped = || self.stop.load(Ordering::Acquire);
            if polling.look(|| self.has_more(&memory) || is_stopped()) {
                continue;
            }
            if !self.look_again(&memory) {
                thread::park();
                polling.woken();
            }
        }
    }

    /// Begins the commands there are; whether there were any.
    fn fetch(self: &Arc<Self>, memory: &Arc<Guest>) -> bool {
        let tail = self.newest_tail(memory);
        let mut head = self.head.load(Ordering::Relaxed);
        let mut begun = 0;
        while head != tail && !self.stop.load(Ordering::Acquire) && self.goes_on() {
            let at = self.address.unchecked_add(ENTRY * u64::from(head));
            let mut raw = [0; ENTRY as usize];
            // It is in one page, and so in one region.
            let entry = memory.map().get_slice(at, raw.len());
            if entry.map(|entry| entry.copy_to(&mut raw)).is_err() {
                self.wires
                    .fail("a submission queue is not in the client's memory");
                break;
            }
            head = (head + 1) % self.entries;
            self.head.store(head, Ordering::Release);
            self.begin(memory, &raw, head != tail);
            begun += 1;
            if begun % TOGETHER == 0 {
                self.completions.tell();
            }
        }
        begun > 0
    }

    fn begin(self: &Arc<Self>, memory: &Arc<Guest>, raw: &[u8; 64], followed: bool) {
        let id = u16::from_le_bytes([raw[2], raw[3]]);
        let moves = self.executor.transfer(raw);
        let len = moves.out.max(moves.into);
        if len > nvme::MAX_TRANSFER {
            return self.answer(id, &nvme::Status::INVALID_FIELD.outcome());
        }
        let data = match transfer::find(memory, raw, len) {
            Ok(data) => data,
            Err(status) => return self.answer(id, &status.outcome()),
        };
        let nothing = Scatter::of(Arc::clone(memory));
        let (out, into) = match moves.out {
            0 => (nothing, data),
            _ => (data, nothing),
        };
        let mut command = Command::new(raw, Some(self.id), out, into);
        command.followed = followed;
        match self.executor.execute(&command) {
            Submitted::Completed(outcome) => self.answer(id, &outcome),
            Submitted::Pending(pending) => {
                let number = self.flights.begin(id, pending.ticket());
                let shared = Arc::clone(self);
                pending.then(move |outcome| {
                    shared.answer(id, &outcome);
                    shared.completions.tell();
                    shared.flights.land(number);
                });
            }
        }
    }

    fn answer(&self, command: u16, outcome: &Outcome) {
        let head = self.head.load(Ordering::Acquire) as u16;
        let completion = Completion::new(outcome, head, self.id, command);
        self.completions.post(completion);
    }

    /// The tail, from the doorbell or from the client's memory.
    fn newest_tail(&self, memory: &Guest) -> u32 {
        let shadow = *self.shadow();
        self.checked(shadow.and_then(|shadow| shadow.read(memory)))
    }

    /// Asks the client to ring when it puts the next command; whether it just has put one.
    fn look_again(&self, memory: &Guest) -> bool {
        let Some(shadow) = *self.shadow() else {
            return false;
        };
        let head = self.head.load(Ordering::Relaxed);
        let tail = self.checked(shadow.ask(memory, head));
        tail != head && self.goes_on()
    }

    /// Whether there are commands to begin.
    fn has_more(&self, memory: &Guest) -> bool {
        self.newest_tail(memory) != self.head.load(Ordering::Relaxed) && self.goes_on()
    }

    fn goes_on(&self) -> bool {
        !self.completions.is_full() && !self.wires.has_failed()
    }

    /// What was read of a tail, if it can be one; else what the doorbell says.
    fn checked(&self, read: Option<u32>) -> u32 {
        read.filter(|&tail| tail < self.entries)
            .unwrap_or_else(|| self.tail.load(Ordering::Acquire))
    }

    fn shadow(&self) -> MutexGuard<'_, Option<Shadow>> {
        self.shadow.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
