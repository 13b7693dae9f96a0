//! A completion queue (NVMe 1.4, 4.6): entries go to the client's memory, from any thread, and its interrupt tells of them.

use std::collections::VecDeque;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::Thread;

use command::Outcome;
use memory::Guest;
use vm_memory::{Address, Bytes, GuestAddress, GuestMemoryBackend};

use crate::interrupt::Interrupt;
use crate::shadow::Shadow;
use crate::wires::Wires;

/// The bytes of an entry.
const ENTRY: u64 = 16;

/// How a command ended, for the client.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Completion {
    pub result: u64,
    /// Up to where the submission queue was fetched.
    pub head: u16,
    pub queue: u16,
    pub command: u16,
    /// Without the phase tag.
    pub status: u16,
}

impl Completion {
    pub fn new(outcome: &Outcome, head: u16, queue: u16, command: u16) -> Completion {
        Completion {
            result: outcome.result,
            head,
            queue,
            command,
            status: outcome.status,
        }
    }
}

/// A completion queue.
pub(crate) struct CompletionQueue {
    wires: Arc<Wires>,
    entries: u32,
    address: GuestAddress,
    /// `None`: the client looks by itself.
    interrupt: Option<Arc<Interrupt>>,
    ring: Mutex<Ring>,
}

struct Ring {
    tail: u32,
    phase: bool,
    /// Up to where the client has taken entries.
    head: u32,
    /// What there is no room for.
    waiting: VecDeque<Completion>,
    /// Where the client has its doorbell in memory, too.
    shadow: Option<Shadow>,
    /// Who fetches commands whose completions come here, and stops while there is no room.
    fetchers: Vec<Thread>,
}

impl CompletionQueue {
    /// A queue of so many entries, at least two, at an address of the client's memory.
    pub fn new(
        wires: Arc<Wires>,
        entries: u32,
        address: u64,
        interrupt: Option<Arc<Interrupt>>,
    ) -> CompletionQueue {
        CompletionQueue {
            wires,
            entries,
            address: GuestAddress(address),
            interrupt,
            ring: Mutex::new(Ring {
                tail: 0,
                phase: true,
                head: 0,
                waiting: VecDeque::new(),
                shadow: None,
                fetchers: Vec::new(),
            }),
        }
    }

    /// `fetcher` is unparked when there is room again.
    pub fn add_fetcher(&self, fetcher: Thread) {
        self.ring().fetchers.push(fetcher);
    }

    /// From now on the client has its doorbell in memory, too.
    pub fn set_shadow(&self, shadow: Shadow) {
        self.ring().shadow = Some(shadow);
    }

    /// Whether no more commands are to be fetched for now.
    pub fn is_full(&self) -> bool {
        !self.ring().waiting.is_empty()
    }

    /// Posts an entry. The client is told by [`Self::tell`].
    pub fn post(&self, completion: Completion) {
        let mut ring = self.ring();
        ring.waiting.push_back(completion);
        self.move_on(&mut ring);
    }

    /// Tells the client if there is something to tell.
    pub fn tell(&self) {
        self.interrupt.iter().for_each(|one| one.tell());
    }

    /// The client has taken entries up to `head`: a doorbell. `false`: there is no such entry.
    pub fn taken(&self, head: u32) -> bool {
        if head >= self.entries {
            return false;
        }
        let mut ring = self.ring();
        ring.head = head;
        let had_waiting = !ring.waiting.is_empty();
        self.move_on(&mut ring);
        if had_waiting && ring.waiting.is_empty() {
            ring.fetchers.iter().for_each(Thread::unpark);
        }
        drop(ring);
        if had_waiting {
            self.tell();
        }
        true
    }

    /// Puts what waits where there is room.
    fn move_on(&self, ring: &mut Ring) {
        let memory = self.wires.memory();
        while !ring.waiting.is_empty() && self.has_room(ring, &memory) {
            let Some(completion) = ring.waiting.pop_front() else {
                return;
            };
            let at = self.address.unchecked_add(ENTRY * u64::from(ring.tail));
            let mut bytes = [0; 12];
            bytes[..8].copy_from_slice(&completion.result.to_le_bytes());
            bytes[8..10].copy_from_slice(&completion.head.to_le_bytes());
            bytes[10..].copy_from_slice(&completion.queue.to_le_bytes());
            let status = completion.status << 1 | u16::from(ring.phase);
            let last = u32::from(status) << 16 | u32::from(completion.command);
            // The phase tag, with the rest of the last dword, comes after all else.
            let entry = memory.map().get_slice(at, ENTRY as usize);
            let written = entry.and_then(|entry| {
                entry.write_slice(&bytes, 0)?;
                Ok(entry.store(last.to_le(), 12, Ordering::Release)?)
            });
            if written.is_err() {
                self.wires
                    .fail("a completion queue is not in the client's memory");
                return;
            }
            ring.tail = (ring.tail + 1) % self.entries;
            ring.phase ^= ring.tail == 0;
            self.interrupt.iter().for_each(|one| one.posted());
        }
    }

    /// Whether there is room for an entry. If not, the client rings when there is.
    fn has_room(&self, ring: &mut Ring, memory: &Guest) -> bool {
        let next = (ring.tail + 1) % self.entries;
        if next == ring.head {
            if let Some(shadow) = ring.shadow {
                let heads = [shadow.read(memory), shadow.ask(memory, ring.head)];
                let known = heads.into_iter().flatten();
                let newest = known.filter(|&head| head < self.entries).last();
                ring.head = newest.unwrap_or(ring.head);
            }
        }
        next != ring.head
    }

    fn ring(&self) -> MutexGuard<'_, Ring> {
        self.ring.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
