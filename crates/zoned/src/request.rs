//! What a protocol asks of a zoned disk, and what comes of it.

use crate::Condition;

/// Logical blocks: `count` from `lba` on.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Blocks {
    pub lba: u64,
    pub count: u64,
}

impl Blocks {
    /// The LBA after the last one; the highest there is where that has no number.
    pub fn end(self) -> u64 {
        self.lba.saturating_add(self.count)
    }

    /// The LBAs that these and `others` have in common.
    #[must_use]
    pub fn common(self, others: Blocks) -> Blocks {
        let lba = self.lba.max(others.lba);
        let end = self.end().min(others.end());
        Blocks {
            lba,
            count: end.saturating_sub(lba),
        }
    }
}

/// Zones that an action is for, by number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Target {
    /// Every sequential zone in a condition that the action is about (ALL, *select all*).
    All,
    /// `count` sequential zones, at least one, from `first` on.
    Zones { first: u32, count: u32 },
}

/// What is done to zones as a whole (ZBC-2, 4.4.3; ZNS 1.1, 3.4.3).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    Open,
    Close,
    Finish,
    Reset,
    /// Read-only zones become offline ones (ZNS 1.1, 3.4.3.1.5).
    Offline,
    /// The data become the zone's descriptor extension, and an empty zone a closed one (ZNS 1.1, 3.4.3.1.6).
    SetExtension,
}

/// What becomes of a zone that fails.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Degraded {
    ReadOnly,
    Offline,
}

/// An operation on the medium.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Operation {
    /// The blocks are put into the data. `stable`: they are from stable storage, or made stable first.
    Read { blocks: Blocks, stable: bool },
    /// The blocks are read, and go nowhere.
    Verify { blocks: Blocks },
    /// The blocks are compared with the data.
    Compare { blocks: Blocks },
    /// The data become the blocks. `stable`: they are on stable storage before the answer.
    Write { blocks: Blocks, stable: bool },
    /// The data become `count` blocks at the write pointer of `zone`; without blocks nothing is done.
    Append { zone: u32, count: u64, stable: bool },
    /// The data, a block, become each of the blocks; no data: they become zeroes.
    Fill { blocks: Blocks, stable: bool },
    /// All that was completed before is made stable.
    Flush,
    /// The zones change as a whole.
    Manage { action: Action, target: Target },
    /// The zones from the one of LBA `from` on are about to be asked for, one by one ([`crate::ZonedDisk::zone`]).
    Report { from: u64 },
    /// The data, at most [`crate::MOST_SAVED`] bytes, are what a protocol keeps over power cycles under its number
    /// `kind`, in place of what it kept before; they are stable before the answer.
    Save { kind: u32 },
    /// Zones fail, for good: never back from offline. The condition is stable at once, the data no more than before.
    Degrade { target: Target, to: Degraded },
    /// The disk would have the zones reset, until they are, or power is lost.
    RecommendReset { target: Target },
}

/// By which command a request came to be, for layers that choose by it. The disk does not look at it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Origin {
    /// As the standard spells it; empty for no command.
    pub command: &'static str,
    pub opcode: u8,
    /// Others are behind it in its queue: while one thread carries it out, another one may go on with them.
    pub followed: bool,
}

impl Origin {
    /// One that came by no queue.
    pub fn of(command: &'static str, opcode: u8) -> Origin {
        Origin {
            command,
            opcode,
            followed: false,
        }
    }
}

/// An operation, and where it comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Request {
    pub operation: Operation,
    pub origin: Origin,
}

impl From<Operation> for Request {
    /// A request of no command.
    fn from(operation: Operation) -> Request {
        Request {
            operation,
            origin: Origin::default(),
        }
    }
}

/// What came of a request that was carried out.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Answer {
    /// The first LBA that an append wrote, if it wrote any.
    pub lba: Option<u64>,
}

/// Why a request was not carried out, or not to its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// Some of the blocks from `lba` on, or a zone that starts there, are behind the end of the disk.
    OutOfRange {
        lba: u64,
    },
    /// In the gap behind a zone's capacity there is nothing to be read or written (ZBC-2, 4.4.3.6).
    GapZone {
        zone: u32,
    },
    /// `lba` is not where a sequential zone starts: it is inside `zone`, or `zone` is conventional.
    NotZoneStart {
        lba: u64,
        zone: u32,
    },
    /// There are fewer than this many zones from the first on.
    TooManyZones {
        count: u32,
    },
    /// A read that may not go on into `zone` (ZBC-2, 4.4.3).
    ReadBoundary {
        zone: u32,
    },
    /// A restricted read at or above the write pointer (ZBC-2, 4.4.3).
    ReadUnwritten {
        zone: u32,
        write_pointer: u64,
    },
    /// A write does not begin at the write pointer, or not end on a write unit.
    Unaligned {
        zone: u32,
        write_pointer: u64,
    },
    /// A write goes on behind the end of the zone, or of the conventional zones.
    WriteBoundary {
        zone: u32,
    },
    Full {
        zone: u32,
    },
    ReadOnly {
        zone: u32,
    },
    Offline {
        zone: u32,
    },
    /// One more open zone is not possible.
    TooManyOpen {
        limit: u32,
    },
    /// One more active zone is not possible.
    TooManyActive {
        limit: u32,
    },
    /// The action is not for a zone in this condition (ZNS 1.1, 3.4.3).
    Transition {
        zone: u32,
        condition: Condition,
    },
    /// The medium does not do this at all.
    NotSupported,
    /// The medium cannot be read at `lba`.
    Unreadable {
        lba: u64,
    },
    /// The medium cannot be written at `lba`: also if the host's file system is full.
    Unwritable {
        lba: u64,
    },
    /// The device did not write at all, from `lba` on.
    WriteFault {
        lba: u64,
    },
    /// The data differ from the block at `lba`.
    Differs {
        lba: u64,
    },
    /// What was done could not be made stable.
    NotStable,
    /// What keeps the disk is gone.
    Lost,
}

/// What of a device's time a request took, in nanoseconds of the device's own clock.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Spent {
    /// From when it came to when the device began with it.
    pub queued: u64,
    /// From then to its end.
    pub service: u64,
    /// When it ended.
    pub ended: u64,
}

/// How a request ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Completion {
    pub result: Result<Answer, Refusal>,
    /// Bytes of the data that were used: read from, compared, or filled, from their start.
    pub moved: u64,
    /// What it took of a device's time; `None` on a disk that takes no such.
    pub spent: Option<Spent>,
}

impl Completion {
    /// Carried out, with `moved` bytes of data.
    pub fn done(moved: u64) -> Completion {
        Completion {
            result: Ok(Answer::default()),
            moved,
            spent: None,
        }
    }
}

impl From<Refusal> for Completion {
    /// Nothing was done.
    fn from(refusal: Refusal) -> Completion {
        Completion {
            result: Err(refusal),
            moved: 0,
            spent: None,
        }
    }
}
