//! What queues have in common: the client's memory, its interrupts, and a way to say that the controller cannot go on.

use std::fs::File;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};

use memory::Guest;
use serving::{make_room, signal, Client};

/// What leads to the client.
pub(crate) struct Wires {
    memory: RwLock<Arc<Guest>>,
    /// By vector.
    interrupts: Mutex<Vec<Option<Arc<File>>>>,
    failed: AtomicBool,
    client: Arc<Client>,
}

impl Wires {
    /// Those to a client with no memory yet, whose device has so many interrupt vectors.
    pub fn new(client: Arc<Client>, vectors: u16) -> Wires {
        Wires {
            memory: RwLock::default(),
            interrupts: Mutex::new(vec![None; vectors.into()]),
            failed: AtomicBool::new(false),
            client,
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

    /// Signals an interrupt.
    pub fn interrupt(&self, vector: u16) {
        let event = locked(&self.interrupts)
            .get(usize::from(vector))
            .cloned()
            .flatten();
        if let Some(event) = event {
            signal(&*event);
        }
    }

    /// Empties events that are at their limits: whoever signals one cannot go on until then.
    pub fn make_room(&self) {
        let interrupts = locked(&self.interrupts).clone();
        interrupts
            .iter()
            .flatten()
            .for_each(|event| make_room(&**event));
    }

    /// The controller cannot go on, for this reason, until it is reset.
    pub fn fail(&self, reason: &'static str) {
        if !self.failed.swap(true, Ordering::AcqRel) {
            self.client.set_error(Some(reason.to_owned()));
        }
    }

    /// Whether it cannot go on.
    pub fn has_failed(&self) -> bool {
        self.failed.load(Ordering::Acquire)
    }

    /// It can go on again.
    pub fn mend(&self) {
        self.failed.store(false, Ordering::Release);
    }
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
