//! The NVMe controller as a PCI device: its registers, doorbells and queues, over a controller that knows none.

use std::collections::BTreeMap;
use std::fs::File;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::thread;

use command::{Command, Outcome};
use memory::{Guest, Scatter};
use nvme::{Admin, Controller, Limits, QueueCommand, Status, Transfer};
use serving::Client;
use zoned::Submitted;

use crate::alarms::Alarms;
use crate::completion::CompletionQueue;
use crate::device::Device;
use crate::interrupt::{Coalescing, Interrupt, Together, Wanted};
use crate::registers::{AdminQueue, Asked, Registers, DOORBELLS};
use crate::shadow::{Doorbells, DOORBELL};
use crate::submission::{Executor, SubmissionQueue};
use crate::wires::Wires;

/// An NVMe controller that a session presents.
pub struct NvmeDevice(Arc<Inner>);

struct Inner {
    controller: Arc<Controller<Scatter>>,
    limits: Limits,
    wires: Arc<Wires>,
    alarms: Arc<Alarms>,
    registers: Mutex<Registers>,
    queues: Mutex<Queues>,
    /// Resets and shutdowns, one after the other.
    turn: Mutex<()>,
}

#[derive(Default)]
struct Queues {
    submission: BTreeMap<u16, Arc<SubmissionQueue>>,
    completion: BTreeMap<u16, Arc<CompletionQueue>>,
    /// Those in the client's memory.
    doorbells: Option<Doorbells>,
}

/// The admin queue's number, and its completion queue's.
const ADMIN: u16 = 0;

impl NvmeDevice {
    /// A controller with queues and vectors as it was made for. `client` is told why it cannot go on, if so.
    pub fn new(controller: Controller<Scatter>, limits: Limits, client: Arc<Client>) -> NvmeDevice {
        NvmeDevice(Arc::new(Inner {
            controller: Arc::new(controller),
            limits,
            wires: Arc::new(Wires::new(client, limits.vectors)),
            alarms: Arc::default(),
            registers: Mutex::default(),
            queues: Mutex::default(),
            turn: Mutex::default(),
        }))
    }
}

impl Device for NvmeDevice {
    fn bytes(&self) -> u64 {
        let doorbells = 2 * DOORBELL * (u64::from(self.0.limits.queues) + 1);
        (DOORBELLS + doorbells).next_power_of_two()
    }

    fn vectors(&self) -> u16 {
        self.0.limits.vectors
    }

    fn read(&self, offset: u64, into: &mut [u8]) {
        let mut registers = self.0.registers();
        if self.0.wires.has_failed() {
            registers.fail();
        }
        // Doorbells cannot be read.
        registers.read(offset, into);
    }

    fn write(&self, offset: u64, from: &[u8]) {
        if offset >= DOORBELLS {
            return self.0.ring(offset - DOORBELLS, from);
        }
        let asked = self.0.registers().write(offset, from);
        match asked {
            Asked::Nothing => {}
            Asked::Enable(queue) => self.0.enable(queue),
            Asked::Disable => self.0.later(Inner::disable_if_asked),
            Asked::ShutDown => self.0.later(Inner::shut_down),
        }
    }

    fn set_memory(&self, memory: Arc<Guest>) {
        self.0.wires.set_memory(memory);
    }

    fn set_interrupt(&self, vector: u16, event: Option<Arc<File>>) {
        self.0.wires.set_interrupt(vector, event);
    }

    fn reset(&self) {
        self.0.disable();
        *self.0.registers() = Registers::default();
    }
}

impl Drop for NvmeDevice {
    fn drop(&mut self) {
        self.0.disable();
    }
}

impl Inner {
    fn registers(&self) -> MutexGuard<'_, Registers> {
        locked(&self.registers)
    }

    fn queues(&self) -> MutexGuard<'_, Queues> {
        locked(&self.queues)
    }

    /// Has a thread do what may wait for commands.
    fn later(self: &Arc<Self>, what: fn(&Inner)) {
        let inner = Arc::clone(self);
        let thread = thread::Builder::new().name("zonevm-nvme-reset".into());
        if thread.spawn(move || what(&inner)).is_err() {
            self.wires.fail("the host has no thread for a reset");
        }
    }

    fn enable(self: &Arc<Self>, queue: AdminQueue) {
        let completions = Arc::new(CompletionQueue::new(
            Arc::clone(&self.wires),
            queue.completion_entries,
            queue.completion,
            Some(Interrupt::new(Arc::clone(&self.wires), 0, None)),
        ));
        let submissions = SubmissionQueue::start(
            ADMIN,
            queue.submission_entries,
            queue.submission,
            &self.wires,
            &completions,
            Arc::new(Administrator(Arc::downgrade(self))),
        );
        let Some(submissions) = submissions else {
            return self
                .wires
                .fail("the host has no thread for the admin queue");
        };
        let mut queues = self.queues();
        queues.completion.insert(ADMIN, completions);
        queues.submission.insert(ADMIN, Arc::new(submissions));
        drop(queues);
        self.registers().enabled();
    }

    /// A controller reset, unless a reset of the device came before.
    fn disable_if_asked(&self) {
        let turn = locked(&self.turn);
        if self.registers().is_disabling() {
            self.disable_in_turn(&turn);
        }
    }

    /// A controller reset.
    fn disable(&self) {
        self.disable_in_turn(&locked(&self.turn));
    }

    fn disable_in_turn(&self, _: &MutexGuard<'_, ()>) {
        self.wires.make_room();
        // First what makes queues.
        let admin = self.queues().submission.remove(&ADMIN);
        admin.iter().for_each(|queue| queue.stop());
        let queues = std::mem::take(&mut *self.queues());
        queues.submission.values().for_each(|queue| queue.stop());
        drop(queues);
        self.controller.reset();
        self.wires.mend();
        self.registers().disabled();
    }

    /// Makes all stable; commands that are in flight are the client's business.
    fn shut_down(&self) {
        const FLUSH_ALL: [u8; 8] = [0, 0, 0, 0, 0xFF, 0xFF, 0xFF, 0xFF];
        let _turn = locked(&self.turn);
        let mut raw = [0; 64];
        raw[..8].copy_from_slice(&FLUSH_ALL);
        let flush = Command::new(&raw, None, Scatter::default(), Scatter::default());
        self.controller.execute(&flush).wait();
        self.registers().shut_down();
    }

    /// A doorbell, by its place behind [`DOORBELLS`].
    fn ring(&self, place: u64, from: &[u8]) {
        let Ok(value) = from.try_into().map(u32::from_le_bytes) else {
            return;
        };
        let (number, is_completion) = (place / DOORBELL / 2, place / DOORBELL % 2 == 1);
        let Ok(number) = u16::try_from(number) else {
            return;
        };
        let queues = self.queues();
        // What cannot be is ignored: the specification has an event for it, which is optional.
        if is_completion {
            let queue = queues.completion.get(&number).cloned();
            drop(queues);
            queue.map(|queue| queue.taken(value));
        } else if let Some(queue) = queues.submission.get(&number) {
            queue.ring(value);
        }
    }

    fn administer(self: &Arc<Self>, command: &Command<Scatter>) -> Submitted<Outcome> {
        match self.controller.administer(command) {
            Admin::Answer(submitted) => submitted,
            Admin::Queue(queue) => Submitted::Completed(match self.change(queue) {
                Ok(result) => Outcome {
                    result,
                    ..Outcome::default()
                },
                Err(status) => status.outcome(),
            }),
        }
    }

    /// Creates and deletes queues, and takes commands back; dword 0 of the completion.
    fn change(self: &Arc<Self>, command: QueueCommand) -> Result<u64, Status> {
        match command {
            QueueCommand::CreateCompletion {
                id,
                entries,
                address,
                vector,
            } => {
                let mut queues = self.queues();
                if queues.completion.contains_key(&id) {
                    return Err(Status::INVALID_QUEUE_IDENTIFIER);
                }
                let wires = || Arc::clone(&self.wires);
                let interrupt = vector.map(|vector| {
                    let coalescing = Coalescing {
                        wanted: Arc::clone(&self.controller) as Arc<dyn Wanted>,
                        alarms: Arc::downgrade(&self.alarms),
                    };
                    Interrupt::new(wires(), vector, Some(coalescing))
                });
                let queue = CompletionQueue::new(wires(), entries, address, interrupt);
                if let Some(doorbells) = queues.doorbells {
                    queue.set_shadow(doorbells.head(id));
                }
                queues.completion.insert(id, Arc::new(queue));
            }
            QueueCommand::CreateSubmission {
                id,
                entries,
                address,
                completion,
            } => {
                let mut queues = self.queues();
                if queues.submission.contains_key(&id) {
                    return Err(Status::INVALID_QUEUE_IDENTIFIER);
                }
                let completions = queues.completion.get(&completion);
                let completions = completions.ok_or(Status::COMPLETION_QUEUE_INVALID)?;
                let executor = Arc::new(Io(Arc::clone(&self.controller)));
                let queue = SubmissionQueue::start(
                    id,
                    entries,
                    address,
                    &self.wires,
                    completions,
                    executor,
                );
                let queue = Arc::new(queue.ok_or(Status::INTERNAL_ERROR)?);
                if let Some(doorbells) = queues.doorbells {
                    queue.set_shadow(doorbells.tail(id));
                }
                queues.submission.insert(id, queue);
            }
            QueueCommand::DeleteSubmission { id } => {
                let removed = self.queues().submission.remove(&id);
                let queue = removed.ok_or(Status::INVALID_QUEUE_IDENTIFIER)?;
                queue.stop();
            }
            QueueCommand::DeleteCompletion { id } => {
                let mut queues = self.queues();
                let queue = queues.completion.get(&id);
                let queue = queue.ok_or(Status::INVALID_QUEUE_IDENTIFIER)?;
                let used = |one: &Arc<SubmissionQueue>| Arc::ptr_eq(one.completions(), queue);
                if queues.submission.values().any(used) {
                    return Err(Status::INVALID_QUEUE_DELETION);
                }
                queues.completion.remove(&id);
            }
            QueueCommand::Abort { queue, command } => {
                let found = self.queues().submission.get(&queue).cloned();
                let aborted = found.is_some_and(|queue| queue.abort(command));
                return Ok((!aborted).into());
            }
            QueueCommand::Doorbells {
                shadow: values,
                events,
            } => {
                let mut queues = self.queues();
                let doorbells = Doorbells { values, events };
                queues.doorbells = Some(doorbells);
                // Not of the admin queue: Linux rings for that one.
                for (&id, queue) in queues.submission.iter().filter(|(&id, _)| id != ADMIN) {
                    queue.set_shadow(doorbells.tail(id));
                }
                for (&id, queue) in queues.completion.iter().filter(|(&id, _)| id != ADMIN) {
                    queue.set_shadow(doorbells.head(id));
                }
            }
        }
        Ok(0)
    }
}

impl Wanted for Controller<Scatter> {
    fn together(&self, vector: u16) -> Together {
        self.coalescing(vector)
    }
}

/// Carries out admin commands.
struct Administrator(Weak<Inner>);

impl Executor for Administrator {
    fn transfer(&self, raw: &[u8; 64]) -> Transfer {
        let inner = self.0.upgrade();
        inner.map_or_else(Transfer::default, |inner| {
            inner.controller.admin_transfer(raw)
        })
    }

    fn execute(&self, command: &Command<Scatter>) -> Submitted<Outcome> {
        match self.0.upgrade() {
            Some(inner) => inner.administer(command),
            None => Submitted::Completed(Status::INTERNAL_ERROR.outcome()),
        }
    }
}

/// Carries out I/O commands.
struct Io(Arc<Controller<Scatter>>);

impl Executor for Io {
    fn transfer(&self, raw: &[u8; 64]) -> Transfer {
        self.0.transfer(raw)
    }

    fn execute(&self, command: &Command<Scatter>) -> Submitted<Outcome> {
        self.0.execute(command)
    }
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests;
