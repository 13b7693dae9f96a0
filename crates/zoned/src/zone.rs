//! A zone as a report tells it.

/// Zone conditions, with their codes in REPORT ZONES (ZBC-2, 5.10), which are those of ZNS's zone states.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum Condition {
    /// A conventional zone, or a gap zone.
    NotWritePointer = 0x0,
    Empty = 0x1,
    ImplicitlyOpen = 0x2,
    ExplicitlyOpen = 0x3,
    Closed = 0x4,
    ReadOnly = 0xD,
    Full = 0xE,
    Offline = 0xF,
}

impl Condition {
    /// Whether it is open, explicitly or implicitly.
    pub fn is_open(self) -> bool {
        matches!(self, Self::ImplicitlyOpen | Self::ExplicitlyOpen)
    }

    /// Whether it takes one of the active zones: open or closed.
    pub fn is_active(self) -> bool {
        self.is_open() || self == Self::Closed
    }
}

/// A zone. LBAs and blocks are logical ones.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Zone {
    /// First LBA.
    pub start: u64,
    /// Blocks that can be written: the zone capacity.
    pub len: u64,
    /// Conventional zones have no write pointer.
    pub conventional: bool,
    /// NON_SEQ (ZBC-2, 4.4.3.4): a sequential write preferred zone that was written elsewhere than at its write
    /// pointer since its last reset.
    pub non_sequential: bool,
    /// RWP RECOMMENDED (ZBC-2, 5.10): the disk would have it reset.
    pub reset_recommended: bool,
    /// The zone descriptor extension is valid (ZNS 1.1, 3.4.2.2.3).
    pub extension_valid: bool,
    pub condition: Condition,
    /// The LBA of the next write; `None` where it means nothing (conventional, full, read-only, offline).
    pub write_pointer: Option<u64>,
}
