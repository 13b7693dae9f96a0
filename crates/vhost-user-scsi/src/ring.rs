//! A ring as the front end sets it up, and its thread, which runs while the ring has all it needs.
//!
//! A setting is only ever changed while the ring's thread is stopped, so the thread owns what it works with and
//! no setting is shared.

use std::collections::VecDeque;
use std::fs::File;
use std::io;
use std::panic::{catch_unwind, AssertUnwindSafe};
use std::sync::Arc;
use std::thread::{self, JoinHandle};
use std::time::Duration;

use vhost::vhost_user::{Error, Result};

use crate::chain::MAX_DESCRIPTORS;
use crate::device::{Device, Progress};
use crate::flights::Flights;
use crate::inflight::{Inflight, Region};
use crate::queue::{Places, Queue};
use crate::regions::Memory;
use crate::worker::{Broken, Role, Worker};
use serving::Stop;
use serving::{make_room, signal, Polling};

/// The control and event rings come before the request queues (VIRTIO 1.2, 5.6.2).
const FIRST_REQUEST_RING: usize = 2;

/// One ring's settings, and its thread if it runs.
pub(crate) struct Ring {
    index: usize,
    /// `None` for the event queue: no event is ever sent, so its buffers stay where they are.
    role: Option<Role>,
    pub(crate) size: u16,
    pub(crate) addresses: Option<Addresses>,
    /// Position in the available ring from which to go on.
    pub(crate) base: u16,
    pub(crate) event_idx: bool,
    pub(crate) enabled: bool,
    pub(crate) kick: Option<File>,
    pub(crate) call: Option<Arc<File>>,
    pub(crate) err: Option<Arc<File>>,
    running: Option<Running>,
}

/// Where a ring's three parts are, in the front end's address space.
#[derive(Clone, Copy)]
pub(crate) struct Addresses {
    pub(crate) descriptors: u64,
    pub(crate) available: u64,
    pub(crate) used: u64,
}

struct Running {
    thread: JoinHandle<()>,
    stop: Arc<Stop>,
    progress: Arc<Progress>,
}

impl Ring {
    pub(crate) fn new(index: usize, role: Option<Role>) -> Ring {
        Ring {
            index,
            role,
            size: MAX_DESCRIPTORS,
            addresses: None,
            base: 0,
            event_idx: false,
            enabled: false,
            kick: None,
            call: None,
            err: None,
            running: None,
        }
    }

    /// Starts the ring's thread if it does not run and the ring has all it needs.
    pub(crate) fn start(
        &mut self,
        memory: &Memory,
        inflight: Option<&Region>,
        device: &Arc<Device>,
    ) -> Result<()> {
        let (Some(role), Some(kick), Some(addresses)) = (self.role, &self.kick, self.addresses)
        else {
            return Ok(());
        };
        if !self.enabled || self.running.is_some() {
            return Ok(());
        }
        let inflight = inflight.and_then(|region| region.ring(self.index, self.size));
        let worker = self
            .worker(role, addresses, memory, inflight, device)
            .map_err(Error::ReqHandlerError)?;
        let (stop, progress) = (Arc::clone(&worker.stop), Arc::clone(&worker.progress));
        if role == Role::Request {
            device.track(Arc::clone(&progress));
        }
        let kick = kick.try_clone().map_err(Error::ReqHandlerError)?;
        let err = self.err.clone();
        let thread = thread::Builder::new()
            .name(format!("zonevm-ring-{}", self.index))
            .spawn(move || run(worker, &kick, err.as_deref()))
            .map_err(Error::ReqHandlerError)?;
        self.running = Some(Running {
            thread,
            stop,
            progress,
        });
        Ok(())
    }

    /// What the ring's thread works with.
    pub(crate) fn worker(
        &self,
        role: Role,
        addresses: Addresses,
        memory: &Memory,
        mut inflight: Option<Inflight>,
        device: &Arc<Device>,
    ) -> io::Result<Worker> {
        let mut queue = self
            .queue(addresses, memory)
            .map_err(|reason| io::Error::other(format!("ring {}: {reason}", self.index)))?;
        let used = queue.next_used();
        let left: VecDeque<u16> = inflight
            .as_mut()
            .map_or_else(Vec::new, |inflight| inflight.left(used))
            .into();
        let mut base = self.base;
        if !left.is_empty() {
            // All that was taken off the available ring is used, or in flight.
            base = used.wrapping_add(left.len() as u16);
            queue.set_next_available(base);
        }
        let flights = Arc::new(Flights::new()?);
        let progress = Progress::new(
            Arc::clone(memory.guest()),
            Arc::clone(&flights),
            queue.offered_at(),
            base,
        );
        Ok(Worker {
            index: self.index,
            role,
            queue,
            memory: Arc::clone(memory.guest()),
            device: Arc::clone(device),
            progress: Arc::new(progress),
            flights,
            stop: Arc::new(Stop::new()?),
            call: self.call.clone(),
            inflight,
            left,
            polling: Polling::default(),
        })
    }

    /// Asks the ring's thread to stop, without waiting for it.
    pub(crate) fn request_stop(&self) {
        if let Some(running) = &self.running {
            running.stop.request();
        }
    }

    /// Stops the ring's thread, after the commands that it has in flight.
    pub(crate) fn stop(&mut self) {
        if let Some(running) = self.running.take() {
            running.stop.request();
            let mut pause = Duration::from_micros(20);
            while !running.progress.is_over() {
                thread::sleep(pause);
                pause = (pause * 2).min(Duration::from_millis(10));
                // It may wait at one that the front end has filled.
                [&self.call, &self.err]
                    .into_iter()
                    .flatten()
                    .for_each(make_room);
            }
            running
                .thread
                .join()
                .expect("the thread catches its panics");
            self.base = running.progress.begun();
        }
    }

    fn queue(&self, addresses: Addresses, memory: &Memory) -> std::result::Result<Queue, String> {
        let translate = |user| {
            memory
                .translate(user)
                .ok_or_else(|| format!("front-end address {user:#x} is in no memory region"))
        };
        let places = Places {
            descriptors: translate(addresses.descriptors)?,
            available: translate(addresses.available)?,
            used: translate(addresses.used)?,
        };
        let guest = memory.guest();
        let queue = Queue::new(guest, self.size, places, self.event_idx, self.base);
        let queue = queue.map_err(|fault| fault.to_string())?;
        if guest.lost() {
            return Err(Broken::Lost.to_string());
        }
        Ok(queue)
    }
}

fn run(mut worker: Worker, kick: &File, err: Option<&File>) {
    let queue = worker.index.saturating_sub(FIRST_REQUEST_RING) as u16;
    let served = catch_unwind(AssertUnwindSafe(|| worker.serve(kick, queue)));
    let lost = worker.memory.lost();
    let broken = match served {
        _ if lost => Broken::Lost,
        Ok(Ok(())) => return,
        Ok(Err(broken)) => broken,
        Err(_) => Broken::Panicked,
    };
    worker.report(&broken);
    if let Some(err) = err {
        signal(err);
    }
    if lost {
        worker.device.client.hang_up();
    }
}
