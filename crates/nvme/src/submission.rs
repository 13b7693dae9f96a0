//! A submission queue entry, and the fields that commands have in it (NVMe 1.4, 4.2).

use zoned::Blocks;

/// The bytes of a submission queue entry.
pub(crate) const LEN: usize = 64;

/// A submission queue entry.
#[derive(Clone, Copy)]
pub(crate) struct Submission<'a>(pub &'a [u8; LEN]);

impl Submission<'_> {
    pub fn opcode(&self) -> u8 {
        self.0[0]
    }

    /// The namespace, by its number.
    pub fn namespace(&self) -> u32 {
        self.dword(1)
    }

    /// An address in the host's memory: entry 1 or 2 of a PRP.
    pub fn address(&self, number: usize) -> u64 {
        let at = 4 + 2 * number;
        u64::from(self.dword(at + 1)) << 32 | u64::from(self.dword(at))
    }

    /// It is a part of a fused operation.
    pub fn is_fused(&self) -> bool {
        self.0[1] & 0b11 != 0
    }

    /// Command dword `number`.
    pub fn dword(&self, number: usize) -> u32 {
        let at = 4 * number;
        u32::from_le_bytes([self.0[at], self.0[at + 1], self.0[at + 2], self.0[at + 3]])
    }

    /// The first LBA, or that of a zone.
    pub fn lba(&self) -> u64 {
        u64::from(self.dword(11)) << 32 | u64::from(self.dword(10))
    }

    /// The logical blocks; their number is counted from zero in the entry.
    pub fn blocks(&self) -> Blocks {
        Blocks {
            lba: self.lba(),
            count: u64::from(self.dword(12) & 0xFFFF) + 1,
        }
    }

    pub fn forces_unit_access(&self) -> bool {
        self.dword(12) >> 30 & 1 == 1
    }

    /// Bits `low` to `high` of a dword.
    pub fn bits(&self, dword: usize, high: u32, low: u32) -> u32 {
        let mask = u32::MAX >> (31 - (high - low));
        self.dword(dword) >> low & mask
    }
}
