//! The command envelope: a protocol's command on its way between a transport and what carries it out.
//!
//! A transport hands [`Command`]s to a [`Unit`], a logical unit or namespace; layers are units around a unit, and see
//! every command, whatever it means. Knows no protocol: what one has of its own, it tells ([`Protocol`]).
#![forbid(unsafe_code)]

use std::sync::Arc;

use zoned::{Blocks, Data, Spent, Submitted};

/// The most bytes of a raw command: those of an NVMe submission queue entry.
pub const MAX_RAW: usize = 64;

/// How many initiators a unit tells apart.
pub const MAX_INITIATORS: usize = 64;

/// A command as its transport has it.
#[derive(Clone)]
pub struct Command<D> {
    raw: [u8; MAX_RAW],
    len: usize,
    /// The queue that it came by, counted from 0; `None` for one that came by none.
    pub queue: Option<u16>,
    /// Who sent it: the number of an I_T nexus, or of an NVMe host; below [`MAX_INITIATORS`].
    pub initiator: u8,
    /// Others are behind it in its queue; a transport may say so of large commands only.
    pub followed: bool,
    /// What the initiator sends.
    pub out: D,
    /// What the initiator receives into.
    pub into: D,
}

impl<D> Command<D> {
    /// A command of these bytes, at most [`MAX_RAW`]; more are cut off. It is of initiator 0.
    pub fn new(raw: &[u8], queue: Option<u16>, out: D, into: D) -> Command<D> {
        let mut command = Command {
            raw: [0; MAX_RAW],
            len: 0,
            queue,
            initiator: 0,
            followed: false,
            out,
            into,
        };
        command.set_raw(raw);
        command
    }

    /// The command itself: a CDB, or a submission queue entry.
    pub fn raw(&self) -> &[u8] {
        &self.raw[..self.len]
    }

    /// Makes it another command, with the same buffers: for transports that use one again and again.
    pub fn set_raw(&mut self, raw: &[u8]) {
        self.len = raw.len().min(MAX_RAW);
        self.raw[..self.len].copy_from_slice(&raw[..self.len]);
    }
}

/// How a command ended, and how many bytes it moved.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Outcome {
    /// The protocol's status code: 0 for success in all of them.
    pub status: u16,
    /// Sense data, where the protocol has such and the status calls for it.
    pub sense: Vec<u8>,
    /// What the answer itself carries: the LBA of an append.
    pub result: u64,
    /// Bytes put into [`Command::into`], from its start.
    pub written: u64,
    /// Bytes taken from [`Command::out`], from its start.
    pub consumed: u64,
    /// The buffers are smaller than the command's transfer: nothing was done.
    pub overrun: bool,
    /// What it took of a device's time: its last request, of several.
    pub spent: Option<Spent>,
}

impl Outcome {
    /// Whether the command was carried out.
    pub fn is_good(&self) -> bool {
        self.status == 0 && !self.overrun
    }
}

/// What a command is for, in the words that layers choose by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Group {
    /// Blocks go to the initiator.
    Read,
    /// It reads blocks, for nothing or to compare them.
    Verify,
    /// It writes blocks.
    Write,
    /// It makes data stable.
    Flush,
    /// It changes zones as a whole.
    Zone,
    /// It asks for zones.
    Report,
    /// It is about no blocks.
    Other,
}

/// What a raw command says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Description {
    /// The name as the standard spells it; `None` for a command that the unit does not know.
    pub name: Option<&'static str>,
    pub opcode: u8,
    /// How many of the bytes are the command; what follows them in its buffer means nothing.
    pub len: usize,
    pub group: Group,
    /// It is carried out whatever the unit has to say first (SPC-5, 5.14).
    pub unconditional: bool,
    /// The LBA field, as it is in the command; `None` for a command that has none, or names all zones.
    pub lba: Option<u64>,
    /// The number of blocks, as it is in the command; `None` for a command without.
    pub count: Option<u64>,
    /// The blocks that the command is about, as far as the disk has them; `None` for none.
    pub blocks: Option<Blocks>,
}

/// How a command fails before it is looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Failure {
    /// The unit takes no command now. An initiator tries again.
    Busy,
    Aborted,
    /// Something happened to the unit, and this command is where it says so: the protocol's code for it.
    Attention(u16),
}

/// What a unit's protocol has to say of raw commands, for layers that know none.
pub trait Protocol: Send + Sync {
    /// Its name: `SCSI`, `NVMe`.
    fn name(&self) -> &'static str;

    /// Every command that the unit knows, without its fields.
    fn commands(&self) -> Vec<Description>;

    /// What a raw command says. It decides nothing.
    fn describe(&self, raw: &[u8]) -> Description;

    /// Whether a command failed since too many zones are open, or active.
    fn lacks_zones(&self, outcome: &Outcome) -> bool;

    /// The outcome of a command that fails in this way.
    fn refuse(&self, failure: Failure) -> Outcome;
}

/// A logical unit or namespace: carries out commands of a protocol.
pub trait Unit<D: Data>: Send + Sync {
    /// Begins a command, and never waits.
    ///
    /// The buffers are the initiator's, who can change them at any moment, and they may overlap. Called from any
    /// number of threads at a time.
    fn execute(&self, command: &Command<D>) -> Submitted<Outcome>;

    /// The unit is reset, as by a task management function. No command that was sent before is in flight.
    fn reset(&self);

    /// The protocol that it speaks.
    fn protocol(&self) -> Arc<dyn Protocol>;
}
