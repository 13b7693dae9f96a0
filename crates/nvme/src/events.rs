//! Asynchronous events (NVMe 1.4, 5.2; ZNS 1.1, 4.1.2): told by the commands that wait for one, once until the log page that
//! has the rest was read.

use std::sync::{Mutex, MutexGuard, PoisonError};

use command::Outcome;
use zoned::{pending, Completer, Pending};

use crate::Status;

/// How many commands may wait for an event, counted from zero: AERL.
pub(crate) const MOST_WAITING: u8 = 3;

/// Something that a host is told of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Notice {
    /// A zone's descriptor changed by itself.
    ZoneDescriptorChanged { namespace: u32 },
    /// There is a reservation notification.
    ReservationLogAvailable,
}

impl Notice {
    /// The bit of the asynchronous event configuration, and of OAES, for changed zone descriptors.
    pub const ZONE_DESCRIPTORS: u32 = 1 << 27;

    /// The log page that has the rest.
    pub const fn log(self) -> u8 {
        match self {
            Notice::ZoneDescriptorChanged { .. } => 0xBF,
            Notice::ReservationLogAvailable => 0x80,
        }
    }

    /// Dwords 0 and 1 of the completion: type, information and log page, and the namespace.
    fn result(self) -> u64 {
        const NOTICE: u64 = 0x02;
        const OF_IO_COMMAND_SET: u64 = 0x06;
        const ZONE_DESCRIPTOR_CHANGED: u64 = 0xEF;
        match self {
            Notice::ZoneDescriptorChanged { namespace } => {
                let dword = NOTICE | ZONE_DESCRIPTOR_CHANGED << 8 | u64::from(self.log()) << 16;
                dword | u64::from(namespace) << 32
            }
            Notice::ReservationLogAvailable => OF_IO_COMMAND_SET | u64::from(self.log()) << 16,
        }
    }
}

/// The events of a controller.
#[derive(Default)]
pub(crate) struct Events(Mutex<State>);

#[derive(Default)]
struct State {
    waiting: Vec<Completer<Outcome>>,
    /// Told to nobody yet.
    untold: Vec<Notice>,
    /// Told, and its log page not read since.
    masked: Vec<Notice>,
}

impl Events {
    /// A command that waits for the next event.
    pub fn wait(&self) -> Result<Pending<Outcome>, Status> {
        let mut state = self.state();
        if state.waiting.len() > usize::from(MOST_WAITING) {
            return Err(Status::EVENT_REQUEST_LIMIT_EXCEEDED);
        }
        let (completer, later) = pending();
        state.waiting.push(completer);
        tell(state);
        Ok(later)
    }

    /// Something happened that the host asked to be told of.
    pub fn happened(&self, notice: Notice) {
        let mut state = self.state();
        if !state.untold.contains(&notice) && !state.masked.contains(&notice) {
            state.untold.push(notice);
            tell(state);
        }
    }

    /// The log page of these events was read: they can happen again.
    pub fn read(&self, notice: Notice) {
        self.state().masked.retain(|masked| *masked != notice);
    }

    /// The controller is reset: nobody waits, and nothing is told.
    pub fn reset(&self) {
        *self.state() = State::default();
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Tells who waits; one that was aborted does not.
fn tell(mut state: MutexGuard<'_, State>) {
    let mut told = Vec::new();
    while !state.untold.is_empty() {
        let Some(at) = state.waiting.iter().position(Completer::begin) else {
            state.waiting.clear();
            break;
        };
        let completer = state.waiting.drain(..=at).next_back();
        let notice = state.untold.remove(0);
        state.masked.push(notice);
        told.push((completer, notice));
    }
    drop(state);
    for (completer, notice) in told {
        let outcome = Outcome {
            result: notice.result(),
            ..Outcome::default()
        };
        completer
            .into_iter()
            .for_each(|completer| completer.complete(outcome.clone()));
    }
}
