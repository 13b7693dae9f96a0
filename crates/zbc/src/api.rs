//! The vocabulary shared with the crates that use the model.

use std::sync::atomic::AtomicU64;

/// The size of a physical block, and so the write granularity of sequential zones, in bytes.
pub const PHYSICAL_BLOCK: u32 = 4096;

/// What a disk's medium looks like; fixed for the disk's life.
///
/// All lengths in logical blocks (LBAs) unless said otherwise.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Geometry {
    /// Logical block size in bytes: 512 or 4096.
    pub block_size: u32,
    /// Capacity, a multiple of the physical block.
    pub blocks: u64,
    /// Zone size: a power of two. The last zone may be smaller.
    pub zone_blocks: u64,
    /// Blocks of a sequential zone, less than the zone size: a gap zone follows up to the next multiple of the
    /// zone size. A multiple of the physical block. `None`: there are no gap zones.
    pub zone_capacity: Option<u64>,
    /// Conventional zones, which come first; fewer than all zones.
    pub conventional_zones: u32,
    /// Most zones that may be open at a time; `None`: no limit. Of a host-aware disk the optimal number, which it
    /// tells and does not insist on.
    pub max_open: Option<u32>,
    /// URSWRZ (ZBC-2, 6.5.2): reads of sequential zones are unrestricted. If not, they stay within a zone, and
    /// below its write pointer.
    pub urswrz: bool,
    /// Host-aware (ZBC-2, 4.3): the sequential zones are sequential write preferred ones, which may be written
    /// anywhere. If not, the disk is host-managed, and they are sequential write required ones.
    pub host_aware: bool,
}

/// How the disk names itself in INQUIRY data.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Identity {
    /// T10 vendor, at most 8 ASCII characters.
    pub vendor: String,
    /// Product, at most 16 ASCII characters.
    pub product: String,
    /// Revision, at most 4 ASCII characters.
    pub revision: String,
    /// Unit serial number, 1 to 32 ASCII characters.
    pub serial: String,
    /// NAA world wide name, the full 64 bits (first nibble 3 or 5).
    pub wwn: u64,
}

/// Where the zone words live: one aligned 64-bit word a zone, which the model changes with atomic stores.
///
/// The image maps them from its file, so that they outlive the process; tests use a `Vec`.
pub trait ZoneTable: Send + Sync {
    /// One word for each zone of the geometry.
    fn words(&self) -> &[AtomicU64];
    /// The word of `zone` was stored.
    fn changed(&self, zone: u32) {
        let _ = zone;
    }
}

impl ZoneTable for Vec<AtomicU64> {
    fn words(&self) -> &[AtomicU64] {
        self
    }
}

/// The bytes the initiator sent with the command (the data-out buffer).
pub trait DataOut {
    /// Length in bytes.
    fn len(&self) -> u64;
    /// Whether there is not a byte.
    fn is_empty(&self) -> bool {
        self.len() == 0
    }
    /// Copies from byte `at` of the buffer into the whole of `into`; `at + into.len()` is at most `len()`.
    fn read(&self, at: u64, into: &mut [u8]);
}

impl DataOut for [u8] {
    fn len(&self) -> u64 {
        <[u8]>::len(self) as u64
    }
    fn read(&self, at: u64, into: &mut [u8]) {
        let at = at as usize;
        into.copy_from_slice(&self[at..at + into.len()]);
    }
}

impl<T: DataOut + ?Sized> DataOut for &T {
    fn len(&self) -> u64 {
        (**self).len()
    }
    fn read(&self, at: u64, into: &mut [u8]) {
        (**self).read(at, into);
    }
}

/// SCSI status codes (SAM-5, 5.3.1) that the model uses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Status {
    /// GOOD.
    Good = 0x00,
    /// CHECK CONDITION: sense data says why.
    CheckCondition = 0x02,
    /// BUSY: the logical unit cannot take the command now. Only layers around the model say it.
    Busy = 0x08,
    /// TASK ABORTED.
    TaskAborted = 0x40,
}

/// How a command ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Completion {
    /// SCSI status.
    pub status: Status,
    /// Sense data as the wire has it (fixed or descriptor format); empty with GOOD.
    pub sense: Vec<u8>,
}

/// What the caller has to do with a command.
pub enum Step<P> {
    /// Finished: hand `data` (already cut to the allocation length) and the completion to the initiator.
    Done {
        /// Data-in bytes.
        data: Vec<u8>,
        /// Status and sense.
        completion: Completion,
    },
    /// Carry out the plan's [`Op`] and hand the plan back to the device to finish.
    Io(P),
    /// The initiator's buffer is smaller than the command's transfer, `needed` bytes: nothing was done.
    Overrun {
        /// Bytes the CDB asks to transfer.
        needed: u64,
    },
}

/// A stretch of a read, in order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Extent {
    /// `len` bytes from byte `offset` of the medium.
    Data {
        /// Byte offset on the medium (LBA times block size).
        offset: u64,
        /// Bytes.
        len: u64,
    },
    /// `len` bytes of zeroes: at or above a write pointer. The medium is not touched.
    Zeroes {
        /// Byte offset on the medium: where a miscompare is, if there is one.
        offset: u64,
        /// Bytes.
        len: u64,
    },
}

/// I/O on the medium. Byte offsets are LBA times block size.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Op {
    /// Fill the data-in buffer from these stretches, in order.
    Read {
        /// Stretches, in order.
        extents: Vec<Extent>,
        /// FUA: the data must come from (or first reach) stable storage.
        fua: bool,
    },
    /// Write `len` bytes from the data-out buffer at `offset`.
    Write {
        /// Byte offset.
        offset: u64,
        /// Bytes.
        len: u64,
        /// Bytes just before `offset` that were skipped: they have to read as zeroes from now on.
        skipped: u64,
        /// FUA, or the write cache is off: stable before the answer.
        durable: bool,
    },
    /// Write `block` again and again over `len` bytes at `offset`.
    WriteSame {
        /// Byte offset.
        offset: u64,
        /// Bytes.
        len: u64,
        /// As of a write.
        skipped: u64,
        /// One logical block; empty means zeroes.
        block: Vec<u8>,
        /// Stable before the answer.
        durable: bool,
    },
    /// Compare the stretches with the data-out buffer (VERIFY with BYTCHK), or only read them.
    Verify {
        /// Stretches, in order.
        extents: Vec<Extent>,
        /// BYTCHK = 1: compare, and fail with MISCOMPARE at the first difference.
        compare: bool,
    },
    /// Make everything acknowledged so far stable.
    Flush,
    /// Zones were reset: make that stable, then give their space back. Nothing of them is read any more.
    ///
    /// The order matters: what is written to a zone from now on takes the place of what it held before, which
    /// a crash must not bring back.
    Discard {
        /// The zones.
        zones: Vec<u32>,
        /// Byte ranges (start, length).
        ranges: Vec<(u64, u64)>,
    },
}

/// Why carrying out an [`Op`] failed. `offset` is the medium's byte offset of the failure, where known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// The medium could not be read: MEDIUM ERROR, UNRECOVERED READ ERROR (3/11/00).
    Read {
        /// Byte offset.
        offset: u64,
    },
    /// The medium could not be written: MEDIUM ERROR, WRITE ERROR (3/0C/00). A full file system of the host is this too.
    Write {
        /// Byte offset.
        offset: u64,
    },
    /// Data differ (VERIFY): MISCOMPARE (E/1D/00).
    Miscompare {
        /// Byte offset of the first difference.
        offset: u64,
    },
    /// Making data stable failed: MEDIUM ERROR, WRITE ERROR (3/0C/00), no LBA.
    Flush,
}

/// Zone conditions, with their codes in REPORT ZONES (ZBC-2, 5.10).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum Condition {
    /// NOT WRITE POINTER: a conventional zone, or a gap zone.
    NotWritePointer = 0x0,
    /// EMPTY.
    Empty = 0x1,
    /// IMPLICITLY OPENED.
    ImplicitlyOpen = 0x2,
    /// EXPLICITLY OPENED.
    ExplicitlyOpen = 0x3,
    /// CLOSED.
    Closed = 0x4,
    /// READ ONLY.
    ReadOnly = 0xD,
    /// FULL.
    Full = 0xE,
    /// OFFLINE.
    Offline = 0xF,
}

/// One zone, as REPORT ZONES tells it. LBAs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Zone {
    /// First LBA.
    pub start: u64,
    /// Blocks.
    pub len: u64,
    /// Conventional zones have no write pointer.
    pub conventional: bool,
    /// NON_SEQ: a sequential write preferred zone that was written elsewhere than at its write pointer since its
    /// last reset.
    pub non_sequential: bool,
    /// Condition.
    pub condition: Condition,
    /// The LBA of the next write; `None` where it means nothing (conventional, full, read-only, offline).
    pub write_pointer: Option<u64>,
}
