//! One command on its way through a namespace: what it sees, and what its function makes of it.

use zoned::{Data, Geometry, Operation};

use crate::report::Report;
use crate::reserved::Reserved;
use crate::submission::Submission;
use crate::Status;

/// What a command function may see.
#[derive(Clone, Copy)]
pub(crate) struct Context<'a> {
    pub geometry: &'a Geometry,
    /// Writes need not be stable when they are answered.
    pub has_write_cache: bool,
    /// What came with the command.
    pub out: &'a dyn Parameters,
    pub entry: Submission<'a>,
    /// Who sent the command.
    pub initiator: u8,
    pub reserved: &'a Reserved,
}

/// The data that came with a command, read as parameters.
pub(crate) trait Parameters {
    fn copy(&self, into: &mut [u8]) -> usize;
}

impl<D: Data> Parameters for D {
    fn copy(&self, into: &mut [u8]) -> usize {
        self.read(0, into)
    }
}

/// What a command function answers when nothing is wrong.
pub(crate) enum Reply {
    /// Success: there is nothing to be done.
    Good,
    /// What the disk makes of this, and of the command's data.
    Medium(Operation, Buffer),
    /// What the disk makes of these, each once the one before was carried out.
    Series(Vec<Operation>),
    /// A report of zones.
    Report(Report),
    /// Success, with as much of this as the host has room for.
    Data(Vec<u8>),
    /// Success, once the disk keeps what of the reservations persists.
    Reservations,
}

/// Which of a command's buffers an operation uses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Buffer {
    None,
    Out,
    In,
}

/// A reply, or why the command failed.
pub(crate) type Answer = Result<Reply, Status>;
