//! What queues have in common: the client's memory, its interrupts, and a way to say that the controller cannot go on.

use std::fs::File;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};

use memory::Guest;
use rustix::event::{poll, PollFd, PollFlags, Timespec};

/// What leads to the client.
pub(crate) struct Wires {
    memory: RwLock<Arc<Guest>>,
    /// By vector.
    interrupts: Mutex<Vec<Option<Arc<File>>>>,
    failed: AtomicBool,
    reason: Mutex<Option<&'static str>>,
}

impl Wires {
    /// Those to a client with no memory yet.
    pub fn new(vectors: u16) -> Wires {
        Wires {
            memory: RwLock::default(),
            interrupts: Mutex::new(vec![None; vectors.into()]),
            failed: AtomicBool::new(false),
            reason: Mutex::default(),
        }
    }

    /// The client's memory.
    pub fn memory(&self) -> Arc<Guest> {
        let memory = self.memory.read().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(&memory)
    }

    pub fn set_memory(&self, memory: Arc<Guest>) {
        *self.memory.write().unwrap_or_else(PoisonError::into_inner) = memory;
    }

    pub fn set_interrupt(&self, vector: u16, event: Option<Arc<File>>) {
        if let Some(place) = locked(&self.interrupts).get_mut(usize::from(vector)) {
            *place = event;
        }
    }

    /// Signals an interrupt. An event at its limit, where a write would wait, is signalled already.
    pub fn interrupt(&self, vector: u16) {
        let event = locked(&self.interrupts)
            .get(usize::from(vector))
            .cloned()
            .flatten();
        let Some(event) = event else { return };
        let mut fds = [PollFd::new(&event, PollFlags::OUT)];
        let now = Timespec::default();
        if poll(&mut fds, Some(&now)).is_ok() && fds[0].revents().contains(PollFlags::OUT) {
            let _ = rustix::io::write(&*event, &1u64.to_ne_bytes());
        }
    }

    /// The controller cannot go on, for this reason, until it is reset.
    pub fn fail(&self, reason: &'static str) {
        locked(&self.reason).get_or_insert(reason);
        self.failed.store(true, Ordering::Release);
    }

    /// Whether it cannot go on.
    pub fn has_failed(&self) -> bool {
        self.failed.load(Ordering::Acquire)
    }

    /// It can go on again.
    pub fn mend(&self) {
        self.failed.store(false, Ordering::Release);
        locked(&self.reason).take();
    }

    /// Why it cannot go on.
    pub fn reason(&self) -> Option<&'static str> {
        *locked(&self.reason)
    }
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
