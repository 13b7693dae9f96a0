//! A command descriptor block, and the fields that commands have in it.

use zoned::Blocks;

/// A CDB that is exactly as long as its operation code wants it.
#[derive(Clone, Copy)]
pub(crate) struct Cdb<'a>(pub &'a [u8]);

impl Cdb<'_> {
    pub fn len(&self) -> usize {
        self.0.len()
    }

    pub fn byte(&self, at: usize) -> u8 {
        self.0[at]
    }

    pub fn bit(&self, at: usize, bit: u8) -> bool {
        self.0[at] >> bit & 1 == 1
    }

    pub fn be16(&self, at: usize) -> u16 {
        u16::from_be_bytes(self.field(at))
    }

    pub fn be24(&self, at: usize) -> u32 {
        u32::from(self.byte(at)) << 16 | u32::from(self.be16(at + 1))
    }

    pub fn be32(&self, at: usize) -> u32 {
        u32::from_be_bytes(self.field(at))
    }

    pub fn be64(&self, at: usize) -> u64 {
        u64::from_be_bytes(self.field(at))
    }

    fn field<const LEN: usize>(&self, at: usize) -> [u8; LEN] {
        let bytes = &self.0[at..at + LEN];
        std::array::from_fn(|byte| bytes[byte])
    }

    /// LBA and number of blocks, where the group of the operation code has them (SPC-5, 4.2.2).
    pub fn transfer(&self) -> Blocks {
        let (lba, count) = match self.len() {
            6 => {
                let count = match self.byte(4) {
                    0 => 256,
                    count => u64::from(count),
                };
                (u64::from(self.be32(0) & 0x1F_FFFF), count)
            }
            10 => (u64::from(self.be32(2)), u64::from(self.be16(7))),
            12 => (u64::from(self.be32(2)), u64::from(self.be32(6))),
            _ => (self.be64(2), u64::from(self.be32(10))),
        };
        Blocks { lba, count }
    }

    /// Where the number of blocks is.
    pub fn length_field(&self) -> u16 {
        match self.len() {
            6 => 4,
            10 => 7,
            12 => 6,
            _ => 10,
        }
    }

    /// FUA, which WRITE AND VERIFY does without the bit. The 6-byte commands have none, and LBA bits in its place.
    pub fn forces_unit_access(&self) -> bool {
        self.len() > 6 && (self.bit(1, 3) || matches!(self.byte(0), 0x2E | 0x8E | 0xAE))
    }
}

/// How long a CDB of this operation code is, where its group says so (SAM-5, 5.2).
pub(crate) fn length_of(opcode: u8) -> Option<usize> {
    match opcode >> 5 {
        0 => Some(6),
        1 | 2 => Some(10),
        4 => Some(16),
        5 => Some(12),
        _ => None,
    }
}
