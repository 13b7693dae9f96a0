//! What a device does with one chain of a request queue or of the control queue. Knows no ring.

use command::{Command, Outcome};
use memory::Scatter;
use scsi::{Address, Target};
use zoned::{Data, Pending, Submitted};

use crate::flights::{Room, Which};
use crate::wire::{response, task, Control, Request, Response, REQUEST_LEN, RESPONSE_LEN};

/// The most bytes that a quick command moves.
const LITTLE: u64 = 256 << 10;

/// From so many bytes on another thread may read what a command asks for.
const LARGE: u64 = 64 << 10;

/// A chain of a request queue, taken apart; used again and again.
pub(crate) struct Incoming {
    /// The command: its buffers are what the chain has behind its headers.
    pub(crate) command: Command<Scatter>,
    /// Where the answer goes.
    pub(crate) answer: Scatter,
    request: Request,
    /// The chain has a whole command.
    complete: bool,
    /// The chain has room for an answer.
    answerable: bool,
}

/// What became of a command.
pub(crate) enum Begun {
    /// It was answered: so many bytes of the chain were written.
    Answered(u32),
    /// It completes later.
    Pending {
        address: Address,
        tag: u64,
        pending: Pending<Outcome>,
    },
}

impl Incoming {
    /// For chains in the memory of `nothing`, which has no pieces.
    pub(crate) fn new(nothing: &Scatter, queue: u16) -> Incoming {
        Incoming {
            command: Command::new(&[], Some(queue), nothing.clone(), nothing.clone()),
            answer: nothing.clone(),
            request: Request::new([0; REQUEST_LEN]),
            complete: false,
            answerable: false,
        }
    }

    /// Takes the headers off the chain that was read into the command's buffers.
    pub(crate) fn take_apart(&mut self) {
        let Command { out, into, .. } = &mut self.command;
        self.answer.clear();
        let mut bytes = [0; REQUEST_LEN];
        out.read(0, &mut bytes);
        self.complete = out.drop_front(REQUEST_LEN as u64);
        self.request = Request::new(bytes);
        self.answerable = into.split_front(RESPONSE_LEN as u64, &mut self.answer);
        self.command.set_raw(self.request.cdb());
    }

    /// Whether the command ends soon: it reads or writes little, and need not reach stable storage.
    pub(crate) fn is_quick(&self) -> bool {
        scsi::is_plain_transfer(self.request.cdb())
            && self.command.out.len() + self.command.into.len() <= LITTLE
    }

    /// Whether it is worth a look if others are behind the command.
    pub(crate) fn is_large(&self) -> bool {
        self.command.into.len() >= LARGE
    }

    pub(crate) fn room(&self) -> Room {
        Room {
            out: self.command.out.len(),
            into: self.command.into.len(),
        }
    }

    /// Begins the command, and answers it if it completes at once.
    pub(crate) fn begin(&self, target: &Target<Scatter>) -> Begun {
        if !self.answerable {
            return Begun::Answered(0);
        }
        let answer = |outcome| Begun::Answered(respond(&self.answer, outcome, self.room()));
        if !self.complete {
            return answer(Err(Response::Failure));
        }
        let Some(address) = self.request.address() else {
            return answer(Err(Response::BadTarget));
        };
        match target.execute(address, &self.command) {
            Submitted::Completed(outcome) => answer(Ok(&outcome)),
            Submitted::Pending(pending) => Begun::Pending {
                address,
                tag: self.request.tag(),
                pending,
            },
        }
    }
}

/// Writes the answer to a command whose buffers have this room; returns how many bytes of its chain were written.
pub(crate) fn respond(answer: &Scatter, outcome: Result<&Outcome, Response>, room: Room) -> u32 {
    let (bytes, written) = match outcome {
        Ok(outcome) => {
            let written = outcome.written.min(room.into);
            let moved = written + outcome.consumed.min(room.out);
            let residual = (room.out + room.into).saturating_sub(moved);
            let code = if outcome.overrun {
                Response::Overrun
            } else {
                Response::Ok
            };
            let residual = u32::try_from(residual).unwrap_or(u32::MAX);
            (
                response(code, outcome.status as u8, &outcome.sense, residual),
                written,
            )
        }
        Err(code) => (response(code, 0, &[], 0), 0),
    };
    answer.write(0, &bytes);
    u32::try_from(RESPONSE_LEN as u64 + written).unwrap_or(u32::MAX)
}

/// A request of the control queue.
pub(crate) struct Management {
    control: Option<Control>,
    code: Response,
}

impl Management {
    /// Reads a request, and what is wrong with it.
    pub(crate) fn read(target: &Target<Scatter>, out: &Scatter) -> Management {
        let mut bytes = [0; Control::MAX_LEN];
        let len = out.read(0, &mut bytes);
        let control = Control::parse(&bytes[..len]);
        let code = match control {
            Some(Control::Task {
                address, function, ..
            }) => unit(target, address).map_or_else(
                |code| code,
                |_| match function {
                    task::ABORT_TASK
                    | task::ABORT_TASK_SET
                    | task::CLEAR_TASK_SET
                    | task::QUERY_TASK
                    | task::QUERY_TASK_SET
                    | task::LOGICAL_UNIT_RESET
                    | task::I_T_NEXUS_RESET => Response::Ok,
                    // CLEAR ACA: commands with NACA are not supported, so there is never one.
                    _ => Response::FunctionRejected,
                },
            ),
            Some(Control::Notification { address }) => {
                unit(target, address).map_or_else(|code| code, |_| Response::Ok)
            }
            None => Response::Failure,
        };
        Management { control, code }
    }

    /// The commands that have to be over before it is answered, and how those are answered that it takes back.
    pub(crate) fn ends(&self) -> Option<(Which, Response)> {
        let Some(Control::Task {
            function,
            address: Some(address),
            tag,
        }) = self.control
        else {
            return None;
        };
        match (self.code, function) {
            (Response::Ok, task::ABORT_TASK) => {
                Some((Which::Task(address, tag), Response::Aborted))
            }
            (Response::Ok, task::ABORT_TASK_SET | task::CLEAR_TASK_SET) => {
                Some((Which::Unit(address), Response::Aborted))
            }
            (Response::Ok, task::LOGICAL_UNIT_RESET) => {
                Some((Which::Unit(address), Response::Reset))
            }
            (Response::Ok, task::I_T_NEXUS_RESET) => Some((Which::All, Response::Reset)),
            _ => None,
        }
    }

    /// The commands that it asks for.
    pub(crate) fn asks(&self) -> Option<Which> {
        match self.control? {
            Control::Task {
                function: task::QUERY_TASK,
                address,
                tag,
            } => Some(Which::Task(address?, tag)),
            Control::Task {
                function: task::QUERY_TASK_SET,
                address,
                ..
            } => Some(Which::Unit(address?)),
            _ => None,
        }
    }

    /// Does what it asks for once the commands that it ends are over, and answers it; `found`: a command that it asks
    /// for is in flight. Returns how many bytes of the chain were written.
    pub(crate) fn answer(&self, target: &Target<Scatter>, found: bool, into: &Scatter) -> u32 {
        let code = match self.ends() {
            Some((Which::Unit(Address::Unit(number)), Response::Reset)) => {
                target.units()[usize::from(number)].reset();
                self.code
            }
            Some((Which::All, _)) => {
                target.units().iter().for_each(|unit| unit.reset());
                self.code
            }
            _ if found => Response::FunctionSucceeded,
            _ => self.code,
        };
        let written = match self.control {
            // No event is ever sent: the answer is an empty mask of events (5.6.6.2).
            Some(Control::Notification { .. }) => into.write(0, &[0, 0, 0, 0, code as u8]),
            _ => into.write(0, &[code as u8]),
        };
        written as u32
    }
}

/// That a request is for a logical unit that there is.
fn unit(target: &Target<Scatter>, address: Option<Address>) -> Result<(), Response> {
    match address {
        Some(Address::Unit(number)) if usize::from(number) < target.units().len() => Ok(()),
        Some(_) => Err(Response::IncorrectLun),
        None => Err(Response::BadTarget),
    }
}
