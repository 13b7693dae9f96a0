//! A running ring: takes chains off the available ring, has them carried out and puts them on the used ring.
//!
//! One thread a ring, one chain at a time, in order. So the available ring's position says all there is to say
//! about commands in flight: after a lost connection the front end starts again from there, and nothing like
//! vhost-user's in-flight buffer is needed.

use std::cell::RefCell;
use std::fs::File;
use std::sync::Arc;
use std::time::{Duration, Instant};

use virtio_queue::{Queue, QueueOwnedT, QueueT};
use vm_memory::{GuestAddress, GuestMemoryMmap, VolatileSlice};

use crate::chain::{Chain, Table};
use crate::device::{Device, Progress, Stop};
use crate::event::{clear, signal, wait, Woken};
use crate::memory::{Shared, LOST};
use crate::request;

/// What chains of a ring are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Role {
    /// Task management and notification requests.
    Control,
    /// Commands.
    Request,
}

/// What a ring's thread owns.
pub(crate) struct Worker {
    pub(crate) index: usize,
    pub(crate) role: Role,
    pub(crate) queue: Queue,
    pub(crate) memory: Arc<Shared>,
    pub(crate) device: Arc<Device>,
    pub(crate) progress: Arc<Progress>,
    pub(crate) stop: Arc<Stop>,
    pub(crate) call: Option<Arc<File>>,
}

/// Why a ring cannot go on, in words.
pub(crate) type Broken = String;

/// Completed chains of which the driver was not told yet.
///
/// To wake the driver costs several times what a small command costs, so it is told of a few at a time: when
/// the ring is empty, when they are [`Untold::MOST`], when the first has waited [`Untold::LONGEST`], and
/// before a command that may take long.
#[derive(Default)]
struct Untold {
    count: u32,
    since: Option<Instant>,
}

impl Untold {
    const MOST: u32 = 8;
    const LONGEST: Duration = Duration::from_micros(50);

    fn any(&self) -> bool {
        self.count > 0
    }

    /// Adds one; `true` if it is time to tell.
    fn add(&mut self) -> bool {
        self.count += 1;
        let since = *self.since.get_or_insert_with(Instant::now);
        self.count >= Self::MOST || since.elapsed() > Self::LONGEST
    }
}

/// What became of a chain.
enum Handled {
    /// It is to go on the used ring, with so many bytes written to it.
    Used(u32),
    /// It is never completed: its logical unit does not answer.
    Unanswered,
    /// Nothing: a stop came before.
    Stopped,
}

/// Buffers that live from command to command, so that none is allocated for each.
#[derive(Default)]
struct Scratch<'m> {
    chain: Chain<'m>,
    header: Vec<VolatileSlice<'m>>,
}

impl Worker {
    /// Serves the ring until it is asked to stop: whenever `kick` is signalled, and once at the start, since
    /// chains may have been made available before.
    pub(crate) fn serve(&mut self, kick: &File) -> Result<(), Broken> {
        // What was completed before may have had nothing to signal, or something else: QEMU sets the descriptor that
        // reaches the guest only after it has started the ring.
        if let Some(call) = &self.call {
            signal(call);
        }
        loop {
            self.drain()?;
            match wait(kick, &self.stop.event) {
                Ok(Woken::Ready) => clear(kick),
                Ok(Woken::Stopped) => return Ok(()),
                Err(error) => return Err(format!("its kick descriptor failed: {error}")),
            }
        }
    }

    /// Handles chains until there is none left, or a stop is requested.
    pub(crate) fn drain(&mut self) -> Result<(), Broken> {
        let shared = Arc::clone(&self.memory);
        let memory = shared.map();
        let mut scratch = Scratch::default();
        let mut untold = Untold::default();
        loop {
            self.queue.disable_notification(memory).map_err(broken)?;
            while !self.stop.requested() {
                let Some(head) = self.pop(memory)? else {
                    break;
                };
                let valid = self.load(memory, head, &mut scratch.chain);
                if untold.any() && !(valid && self.is_quick(&scratch.chain)) {
                    self.notify(memory, &mut untold)?;
                }
                let handled = if valid {
                    self.handle(memory, &mut scratch, &mut untold)
                } else {
                    Handled::Used(0)
                };
                if shared.lost() {
                    return Err(LOST.into());
                }
                match handled {
                    Handled::Used(written) => {
                        let used = self.queue.add_used(memory, head, written);
                        used.map_err(broken)?;
                    }
                    Handled::Unanswered => {}
                    Handled::Stopped => {
                        self.queue.go_to_previous_position();
                        break;
                    }
                }
                self.progress.set_completed(self.queue.next_avail());
                if matches!(handled, Handled::Used(_)) && untold.add() {
                    self.notify(memory, &mut untold)?;
                }
            }
            if untold.any() {
                self.notify(memory, &mut untold)?;
            }
            let stopped = self.stop.requested();
            let more = !stopped && self.queue.enable_notification(memory).map_err(broken)?;
            if shared.lost() {
                return Err(LOST.into());
            }
            if !more {
                return Ok(());
            }
        }
    }

    fn pop(&mut self, memory: &GuestMemoryMmap) -> Result<Option<u16>, Broken> {
        let mut available = self.queue.iter(memory).map_err(broken)?;
        Ok(available.next().map(|chain| chain.head_index()))
    }

    /// Reads the chain that starts at `head`; `false`, and a report, if it is invalid.
    fn load<'m>(&self, memory: &'m GuestMemoryMmap, head: u16, chain: &mut Chain<'m>) -> bool {
        let table = Table {
            address: GuestAddress(self.queue.desc_table()),
            len: self.queue.size(),
        };
        let loaded = chain.load(memory, table, head);
        if let Err(reason) = loaded {
            self.report(&format!("descriptor chain {head} is invalid: {reason}"));
        }
        loaded.is_ok()
    }

    fn is_quick(&self, chain: &Chain<'_>) -> bool {
        self.role == Role::Request && request::is_quick(chain)
    }

    /// Carries out the chain.
    fn handle(
        &mut self,
        memory: &GuestMemoryMmap,
        scratch: &mut Scratch<'_>,
        untold: &mut Untold,
    ) -> Handled {
        let device = &self.device;
        let target = &device.target;
        match self.role {
            Role::Request => {
                let (stop, call) = (&self.stop, self.call.as_deref());
                let telling = RefCell::new((&mut self.queue, untold));
                let pause = |time| {
                    let (queue, untold) = &mut *telling.borrow_mut();
                    if untold.any() {
                        // A ring that is broken shows so again at its next step.
                        let _ = notify(queue, call, memory, untold);
                    }
                    stop.sleep(time);
                };
                request::command(target, &mut scratch.chain, &mut scratch.header, &pause)
                    .map_or(Handled::Unanswered, Handled::Used)
            }
            Role::Control if device.settle(&self.stop) => {
                Handled::Used(request::control(target, &scratch.chain))
            }
            Role::Control => Handled::Stopped,
        }
    }

    fn notify(&mut self, memory: &GuestMemoryMmap, untold: &mut Untold) -> Result<(), Broken> {
        notify(&mut self.queue, self.call.as_deref(), memory, untold)
    }

    pub(crate) fn report(&self, what: &str) {
        self.device
            .set_error(Some(format!("ring {}: {what}", self.index)));
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        self.progress.end();
    }
}

/// Tells the driver of completed chains, if it wants to know.
fn notify(
    queue: &mut Queue,
    call: Option<&File>,
    memory: &GuestMemoryMmap,
    untold: &mut Untold,
) -> Result<(), Broken> {
    *untold = Untold::default();
    if queue.needs_notification(memory).map_err(broken)? {
        if let Some(call) = call {
            signal(call);
        }
    }
    Ok(())
}

fn broken(error: virtio_queue::Error) -> Broken {
    error.to_string()
}
