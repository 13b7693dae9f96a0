//! Ways in for the fuzz targets: one ring of a guest, or one session with a front end, handled in the calling thread.

use std::fs::File;
use std::io::IoSlice;
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::net::UnixStream;
use std::sync::{Arc, Mutex};

use command::{Command, Outcome, Protocol, Unit};
use memory::Scatter;
use rustix::event::{eventfd, EventfdFlags};
use rustix::fs::{memfd_create, MemfdFlags};
use rustix::net::{sendmsg, SendAncillaryBuffer, SendAncillaryMessage, SendFlags};
use scsi::Target;
use vhost::vhost_user::message::VhostUserMemoryRegion;
use vhost::vhost_user::BackendReqHandler;
use vm_memory::GuestMemoryMmap;
use zoned::Submitted;

use crate::device::Device;
use crate::regions::Memory;
use crate::request::Incoming;
use crate::ring::{Addresses, Ring};
use crate::session::Session;
use crate::worker::Role;
use serving::Stop;

/// A guest's memory. The front end's addresses are the guest's.
pub struct Guest(Memory);

/// A ring's settings.
pub struct Setup {
    /// The control queue instead of a request queue.
    pub control: bool,
    /// VIRTIO_F_EVENT_IDX is negotiated.
    pub event_idx: bool,
    /// Descriptors.
    pub size: u16,
    /// Position in the available ring.
    pub base: u16,
    /// Address of the descriptor table.
    pub descriptors: u64,
    /// Address of the available ring.
    pub available: u64,
    /// Address of the used ring.
    pub used: u64,
}

impl Guest {
    /// Memory of these regions: start and length.
    pub fn new(regions: &[(u64, u64)]) -> Guest {
        let mut memory = Memory::default();
        for &(start, len) in regions {
            let file = File::from(memfd_create("guest", MemfdFlags::CLOEXEC).expect("a memfd"));
            file.set_len(len).expect("memory");
            let region = VhostUserMemoryRegion::new(start, len, start, 0);
            memory.add(&region, file).expect("regions apart");
        }
        Guest(memory)
    }

    /// The memory, to be filled.
    pub fn memory(&self) -> &GuestMemoryMmap {
        self.0.guest().map()
    }

    /// Handles what is on the ring, for a device with two of `unit`, up to `most` commands.
    ///
    /// # Errors
    /// Why the ring is refused or broken.
    pub fn drain(
        &self,
        setup: &Setup,
        unit: &Arc<dyn Unit<Scatter>>,
        most: u32,
    ) -> Result<(), String> {
        let mut ring = Ring::new(2, None);
        ring.size = setup.size;
        ring.base = setup.base;
        ring.event_idx = setup.event_idx;
        let addresses = Addresses {
            descriptors: setup.descriptors,
            available: setup.available,
            used: setup.used,
        };
        let role = if setup.control {
            Role::Control
        } else {
            Role::Request
        };
        let stop = Arc::new(Stop::new().expect("an eventfd"));
        let limit: Arc<dyn Unit<Scatter>> = Arc::new(Limit {
            unit: Arc::clone(unit),
            left: most.into(),
            stop: Arc::clone(&stop),
        });
        let device = Arc::new(Device::new(Target::new(vec![Arc::clone(&limit), limit])));
        let mut worker = ring
            .worker(role, addresses, &self.0, None, &device)
            .map_err(|error| error.to_string())?;
        worker.stop = stop;
        let mut incoming = Incoming::new(&Scatter::of(Arc::clone(self.0.guest())), 0);
        let drained = worker.drain(&mut incoming).and_then(|()| worker.land());
        drained.map_err(|broken| broken.to_string())
    }
}

/// Requests a stop after so many commands: a guest can have the device write ever new chains into its ring.
struct Limit {
    unit: Arc<dyn Unit<Scatter>>,
    left: std::sync::atomic::AtomicU32,
    stop: Arc<Stop>,
}

impl Unit<Scatter> for Limit {
    fn execute(&self, command: &Command<Scatter>) -> Submitted<Outcome> {
        let left = self.left.fetch_sub(1, std::sync::atomic::Ordering::Relaxed);
        if left <= 1 {
            self.stop.request();
        }
        self.unit.execute(command)
    }

    fn reset(&self) {
        self.unit.reset();
    }

    fn protocol(&self) -> Arc<dyn Protocol> {
        self.unit.protocol()
    }
}

/// A message of a front end, right or wrong.
pub struct Message<'a> {
    /// Header and payload.
    pub bytes: &'a [u8],
    /// Descriptors of memory that come with it; the last one is an event instead with `event`.
    pub descriptors: u8,
    /// See `descriptors`.
    pub event: bool,
}

/// The memory that a front end shares, in bytes.
pub const SHARED: u64 = 0x8000;

/// Has a session with one of `unit` take messages until it refuses one or they are over.
pub fn session(unit: Arc<dyn Unit<Scatter>>, messages: &[Message<'_>]) {
    let (ours, theirs) = UnixStream::pair().expect("a socket pair");
    let memory = File::from(memfd_create("guest", MemfdFlags::CLOEXEC).expect("a memfd"));
    memory.set_len(SHARED).expect("memory");
    let event = eventfd(0, EventfdFlags::NONBLOCK).expect("an eventfd");
    for message in messages {
        let mut files: Vec<BorrowedFd<'_>> = vec![memory.as_fd(); message.descriptors.into()];
        if let (true, Some(last)) = (message.event, files.last_mut()) {
            *last = event.as_fd();
        }
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(32))];
        let mut ancillary = SendAncillaryBuffer::new(&mut space);
        if !files.is_empty() {
            ancillary.push(SendAncillaryMessage::ScmRights(&files));
        }
        let sent = sendmsg(
            &ours,
            &[IoSlice::new(message.bytes)],
            &mut ancillary,
            SendFlags::DONTWAIT,
        );
        if sent.is_err() {
            break;
        }
    }
    ours.shutdown(std::net::Shutdown::Write).expect("a socket");
    let device = Arc::new(Device::new(Target::new(vec![unit])));
    let session = Session::new(device, 2);
    let mut handler = BackendReqHandler::from_stream(theirs, Arc::new(Mutex::new(session)));
    while handler.handle_request().is_ok() {}
}
