//! One command on its way through the logical unit: what it sees, and what its function makes of it.

use command::Description;
use zoned::{Data, Geometry, Identity, Operation, Statistics};

use crate::cdb::Cdb;
use crate::counters::Counters;
use crate::erasing::Erase;
use crate::management::Report;
use crate::self_test::Test;
use crate::sense::Sense;
use crate::unit::UnitState;

/// What a command function may see.
#[derive(Clone, Copy)]
pub(crate) struct Context<'a> {
    pub geometry: &'a Geometry,
    pub identity: &'a Identity,
    pub state: &'a UnitState,
    /// What happened to the disk's zones since this was asked last.
    pub take_statistics: &'a dyn Fn() -> Statistics,
    /// Who sent the command.
    pub initiator: u8,
    /// What the initiator sent with the command.
    pub out: &'a dyn Parameters,
    /// Length of the data-in buffer.
    pub in_len: u64,
    pub cdb: Cdb<'a>,
}

/// The data-out buffer, read as parameters.
pub(crate) trait Parameters {
    fn length(&self) -> u64;
    fn copy(&self, into: &mut [u8]);
}

impl<D: Data> Parameters for D {
    fn length(&self) -> u64 {
        self.len()
    }

    fn copy(&self, into: &mut [u8]) {
        self.read(0, into);
    }
}

impl Context<'_> {
    /// The counters, in which all is that happened.
    pub fn counters(&self) -> &Counters {
        let counters = &self.state.counters;
        counters.take_in((self.take_statistics)());
        counters
    }

    /// The first `len` bytes of the data-out buffer, or that it is too small.
    pub fn parameters(&self, len: usize) -> Result<Vec<u8>, Reply> {
        if self.out.length() < len as u64 {
            return Err(Reply::Overrun);
        }
        let mut list = vec![0; len];
        self.out.copy(&mut list);
        Ok(list)
    }

    /// All other initiators are to be told.
    pub fn tell_others(&self, what: Sense) {
        self.state.attentions.tell_others(self.initiator, what);
    }
}

/// What a command function answers when nothing is wrong.
pub(crate) enum Reply {
    /// GOOD, with this data.
    Data(Vec<u8>),
    /// What the disk makes of this, and of the command's buffers.
    Medium(Operation, Buffer),
    /// What the disk makes of these, each once the one before was carried out.
    Series(Vec<Step>),
    /// GOOD, once the disk keeps what persists of reservations.
    Reservations,
    /// How a self-test ended, or, of one in the background, that it was begun.
    SelfTest(Test),
    /// How erasing ended, or, if it is to be answered at once, that it was begun.
    Erase(Erase, bool),
    /// A report of zones.
    Report(Report),
    /// Another initiator has reserved the unit, or the key is not the initiator's.
    Conflict,
    /// The initiator's buffer is too small.
    Overrun,
}

/// Which of a command's buffers an operation uses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Buffer {
    None,
    Out,
    In,
}

/// One of several operations of a command.
pub(crate) enum Step {
    Medium(Operation, Buffer),
    /// The disk is to keep these bytes, under this number.
    Save(u32, Vec<u8>),
}

impl Reply {
    /// GOOD, without data.
    pub const GOOD: Answer = Ok(Reply::Data(Vec::new()));

    /// GOOD, with as much of `data` as the allocation length admits.
    pub fn cut(data: Vec<u8>, allocation_length: impl Into<u64>) -> Answer {
        Ok(Reply::Data(cut(data, allocation_length)))
    }
}

/// As much of `data` as the allocation length admits.
pub(crate) fn cut(mut data: Vec<u8>, allocation_length: impl Into<u64>) -> Vec<u8> {
    data.truncate(usize::try_from(allocation_length.into()).unwrap_or(usize::MAX));
    data
}

/// A reply, or why the command failed.
pub(crate) type Answer = Result<Reply, Sense>;

/// What is described of a command that is not known.
pub(crate) fn unknown(cdb: &[u8]) -> Description {
    let opcode = cdb.first().copied().unwrap_or_default();
    let len = crate::cdb::length_of(opcode).unwrap_or(cdb.len());
    Description {
        name: None,
        opcode,
        len: len.min(cdb.len()),
        group: command::Group::Other,
        unconditional: false,
        lba: None,
        count: None,
        blocks: None,
    }
}
