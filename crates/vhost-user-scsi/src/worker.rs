//! A running ring: takes chains off the available ring, has them carried out, and puts them on the used ring, each when
//! it is completed.
//!
//! One thread a ring. A command that completes at once is on the used ring before the next one is begun. Others are in
//! flight ([`Flights`]), and whatever they wait for holds nothing else up.
//!
//! A ring stops when none is in flight any more: what was begun completes, and what only waits for time to pass is
//! begun. So the position in the available ring says all there is to say to a front end that stops the ring properly.
//! What is never answered is forgotten, unless the front end keeps what is in flight ([`Inflight`]): then it is begun once
//! more when the ring starts again, as all is that a crash of the back end left.

use std::collections::VecDeque;
use std::fmt;
use std::fs::File;
use std::sync::Arc;
use std::time::{Duration, Instant};

use memory::{Guest, Scatter};

use crate::chain;
use crate::device::{Device, Progress};
use crate::flights::{Flight, Flights};
use crate::inflight::Inflight;
use crate::queue::{Fault, Parts, Queue};
use crate::request::{Begun, Incoming, Management};
use serving::Stop;
use serving::{clear, signal, wait, Polling, Woken};

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
    pub(crate) memory: Arc<Guest>,
    pub(crate) device: Arc<Device>,
    pub(crate) progress: Arc<Progress>,
    pub(crate) flights: Arc<Flights>,
    pub(crate) stop: Arc<Stop>,
    pub(crate) call: Option<Arc<File>>,
    /// Where the front end keeps what is in flight, if it does.
    pub(crate) inflight: Option<Inflight>,
    /// What a back end before this one left in flight: heads of chains, to be carried out first.
    pub(crate) left: VecDeque<u16>,
    pub(crate) polling: Polling,
}

/// Why a ring cannot go on.
#[derive(Debug)]
pub(crate) enum Broken {
    /// What the guest wrote into it makes no sense.
    Queue(Fault),
    /// Guest memory is not there any more.
    Lost,
    Kick(std::io::Error),
    Panicked,
}

impl fmt::Display for Broken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Broken::Queue(fault) => fault.fmt(f),
            Broken::Lost => f.write_str("guest memory was made shorter while it was in use"),
            Broken::Kick(error) => write!(f, "its kick descriptor failed: {error}"),
            Broken::Panicked => f.write_str("its thread panicked"),
        }
    }
}

impl From<Fault> for Broken {
    fn from(fault: Fault) -> Broken {
        Broken::Queue(fault)
    }
}

/// Completed chains of which the driver was not told yet.
///
/// To wake the driver costs several times what a small command costs, so it is told of a few at a time: when
/// the ring is empty, when they are [`Untold::MOST`], when the first has waited [`Untold::LONGEST`], and
/// before a command that may take long.
#[derive(Default)]
struct Untold {
    count: u32,
    /// When they are told at the latest.
    until: Option<Instant>,
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
        let now = Instant::now();
        let until = *self.until.get_or_insert_with(|| now + Self::LONGEST);
        self.count >= Self::MOST || now > until
    }
}

/// What became of a chain.
enum Handled {
    /// It is to go on the used ring, with so many bytes written to it.
    Used(u32),
    /// It is in flight.
    Pending,
    /// Nothing: a stop came before.
    Stopped,
}

impl Worker {
    /// Serves the ring until it is asked to stop: whenever `kick` is signalled or a command completes, and once at the
    /// start, since chains may have been made available before. `queue` is what commands are told of the ring's number.
    pub(crate) fn serve(&mut self, kick: &File, queue: u16) -> Result<(), Broken> {
        // What was completed before may have had nothing to signal, or something else: QEMU sets the descriptor that
        // reaches the guest only after it has started the ring.
        if let Some(call) = &self.call {
            signal(call);
        }
        let mut incoming = Incoming::new(&Scatter::of(Arc::clone(&self.memory)), queue);
        loop {
            self.drain(&mut incoming)?;
            let woken = wait(kick, self.flights.called_by(), &self.stop.event);
            self.polling.woken();
            match woken {
                Ok(Woken::Ready) => clear(kick),
                Ok(Woken::Called) => self.flights.event().clear(),
                Ok(Woken::Stopped) => return self.land(),
                Err(error) => return Err(Broken::Kick(error)),
            }
        }
    }

    /// Handles chains until there is none left, or a stop is requested.
    pub(crate) fn drain(&mut self, incoming: &mut Incoming) -> Result<(), Broken> {
        let shared = Arc::clone(&self.memory);
        let parts = self.queue.parts(&shared)?;
        let mut untold = Untold::default();
        loop {
            self.queue.need_not_be_told(&parts);
            while !self.stop.requested() {
                if self.flights.any_done() {
                    self.put_done(&parts, &mut untold)?;
                }
                let Some((head, popped)) = self.next(&parts)? else {
                    break;
                };
                let handled = self.handle(&shared, &parts, head, incoming, &mut untold)?;
                if shared.lost() {
                    return Err(Broken::Lost);
                }
                match handled {
                    Handled::Used(written) => self.add_used(&parts, head, written)?,
                    Handled::Pending => {}
                    Handled::Stopped => {
                        if popped {
                            self.queue.put_back();
                            self.inflight
                                .iter()
                                .for_each(|inflight| inflight.cancel(head));
                        } else {
                            self.left.push_front(head);
                        }
                        break;
                    }
                }
                self.progress.set_begun(self.queue.next_available());
                if matches!(handled, Handled::Used(_)) && untold.add() {
                    self.notify(&parts, &mut untold)?;
                }
            }
            if untold.any() {
                self.notify(&parts, &mut untold)?;
            }
            if !self.stop.requested() && self.look(&parts) {
                continue;
            }
            let stopped = self.stop.requested();
            let more = !stopped && self.queue.wants_to_be_told(&parts);
            if shared.lost() {
                return Err(Broken::Lost);
            }
            if stopped || !(more || self.flights.any_done()) {
                return Ok(());
            }
        }
    }

    /// Looks for a while for more to do; whether there is. The driver need not kick meanwhile.
    fn look(&mut self, parts: &Parts<'_>) -> bool {
        let (queue, stop, flights) = (&self.queue, &self.stop, &self.flights);
        self.polling
            .look(|| queue.is_offered(parts) || flights.any_done() || stop.requested())
    }

    /// Waits until nothing is in flight any more.
    pub(crate) fn land(&mut self) -> Result<(), Broken> {
        let shared = Arc::clone(&self.memory);
        let parts = self.queue.parts(&shared)?;
        let mut untold = Untold::default();
        let mut pause = Duration::from_micros(20);
        while self.flights.hurry() {
            self.flights.event().wait(pause);
            pause = (pause * 2).min(Duration::from_millis(10));
            self.flights.event().clear();
            self.put_done(&parts, &mut untold)?;
        }
        self.put_done(&parts, &mut untold)?;
        if untold.any() {
            self.notify(&parts, &mut untold)?;
        }
        match shared.lost() {
            true => Err(Broken::Lost),
            false => Ok(()),
        }
    }

    /// Puts chains on the used ring that were completed later.
    fn put_done(&mut self, parts: &Parts<'_>, untold: &mut Untold) -> Result<(), Broken> {
        for (head, written) in self.flights.take_done() {
            self.add_used(parts, head, written)?;
            untold.add();
        }
        self.flights.landed();
        Ok(())
    }

    /// The next chain, and whether it was taken off the available ring.
    fn next(&mut self, parts: &Parts<'_>) -> Result<Option<(u16, bool)>, Broken> {
        if let Some(head) = self.left.pop_front() {
            return Ok(Some((head, false)));
        }
        Ok(self.queue.take(parts)?.map(|head| (head, true)))
    }

    fn add_used(&mut self, parts: &Parts<'_>, head: u16, written: u32) -> Result<(), Broken> {
        if let Some(inflight) = &self.inflight {
            inflight.end(head);
        }
        self.queue.put_used(parts, head, written)?;
        if let Some(inflight) = &self.inflight {
            inflight.ended(head, self.queue.next_used());
            if inflight.lost() {
                return Err(Broken::Lost);
            }
        }
        Ok(())
    }

    /// Reads the chain that starts at `head`, and carries it out. One that is invalid is reported, and used.
    fn handle(
        &mut self,
        memory: &Guest,
        parts: &Parts<'_>,
        head: u16,
        incoming: &mut Incoming,
        untold: &mut Untold,
    ) -> Result<Handled, Broken> {
        if let Some(inflight) = &mut self.inflight {
            inflight.begin(head);
        }
        let command = &mut incoming.command;
        let loaded = chain::load(
            memory,
            parts.descriptors,
            head,
            &mut command.out,
            &mut command.into,
        );
        if let Err(reason) = loaded {
            self.report(&format!("descriptor chain {head} is invalid: {reason}"));
            return Ok(Handled::Used(0));
        }
        match self.role {
            Role::Request => {
                incoming.take_apart();
                incoming.command.followed = incoming.is_large() && self.queue.is_offered(parts);
                if untold.any() && !incoming.is_quick() {
                    self.notify(parts, untold)?;
                }
                Ok(self.begin(head, incoming))
            }
            Role::Control => {
                if untold.any() {
                    self.notify(parts, untold)?;
                }
                Ok(self.manage(&command.out, &command.into))
            }
        }
    }

    fn begin(&self, head: u16, incoming: &Incoming) -> Handled {
        match incoming.begin(&self.device.target) {
            Begun::Answered(written) => Handled::Used(written),
            Begun::Pending {
                address,
                tag,
                pending,
            } => {
                let ticket = pending.ticket();
                let flight = Flight {
                    address,
                    tag,
                    ticket: ticket.clone(),
                    answer: incoming.answer.clone(),
                    room: incoming.room(),
                };
                self.flights.begin(head, flight);
                let flights = Arc::clone(&self.flights);
                pending.then(move |outcome| flights.complete(head, &ticket, &outcome));
                Handled::Pending
            }
        }
    }

    fn manage(&self, out: &Scatter, into: &Scatter) -> Handled {
        let target = &self.device.target;
        let management = Management::read(target, out);
        if !self.device.settle(&self.stop, management.ends()) {
            return Handled::Stopped;
        }
        let found = management
            .asks()
            .is_some_and(|which| self.device.flies(which));
        Handled::Used(management.answer(target, found, into))
    }

    /// Tells the driver of completed chains, if it wants to know.
    fn notify(&mut self, parts: &Parts<'_>, untold: &mut Untold) -> Result<(), Broken> {
        *untold = Untold::default();
        if self.queue.tells(parts) {
            if let Some(call) = &self.call {
                signal(call);
            }
        }
        Ok(())
    }

    pub(crate) fn report(&self, what: &dyn fmt::Display) {
        self.device
            .client
            .set_error(Some(format!("ring {}: {what}", self.index)));
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        self.progress.end();
    }
}
