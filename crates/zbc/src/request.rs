//! One command on its way through the model: its CDB and buffers, and what a command function makes of it.

use crate::api::{DataOut, Op};
use crate::sense::Sense;
use crate::zones::Hold;

/// A command as the initiator sent it.
pub(crate) struct Request<'a> {
    /// Exactly as long as the operation code wants it.
    pub cdb: &'a [u8],
    pub out: &'a dyn DataOut,
    /// Length of the data-in buffer.
    pub in_len: u64,
}

impl Request<'_> {
    pub fn byte(&self, at: usize) -> u8 {
        self.cdb[at]
    }

    pub fn bit(&self, at: usize, bit: u8) -> bool {
        self.cdb[at] >> bit & 1 == 1
    }

    pub fn be16(&self, at: usize) -> u16 {
        u16::from_be_bytes([self.cdb[at], self.cdb[at + 1]])
    }

    pub fn be32(&self, at: usize) -> u32 {
        u32::from(self.be16(at)) << 16 | u32::from(self.be16(at + 2))
    }

    pub fn be64(&self, at: usize) -> u64 {
        u64::from(self.be32(at)) << 32 | u64::from(self.be32(at + 4))
    }

    /// LBA and number of blocks, where the group of the operation code has them (SPC-5, 4.2.2).
    pub fn transfer(&self) -> (u64, u64) {
        match self.cdb.len() {
            6 => {
                let blocks = match self.byte(4) {
                    0 => 256,
                    blocks => u64::from(blocks),
                };
                (u64::from(self.be32(0) & 0x1F_FFFF), blocks)
            }
            10 => (u64::from(self.be32(2)), u64::from(self.be16(7))),
            12 => (u64::from(self.be32(2)), u64::from(self.be32(6))),
            _ => (self.be64(2), u64::from(self.be32(10))),
        }
    }

    /// The first `len` bytes of the data-out buffer, or that it is too small.
    pub fn parameters(&self, len: usize) -> Result<Vec<u8>, Reply> {
        if self.out.len() < len as u64 {
            return Err(Reply::Overrun { needed: len as u64 });
        }
        let mut list = vec![0; len];
        self.out.read(0, &mut list);
        Ok(list)
    }
}

/// What a command function answers when nothing is wrong.
pub(crate) enum Reply {
    /// GOOD, with this data.
    Data(Vec<u8>),
    /// I/O first.
    Io(Op, Hold),
    /// The initiator's buffer is too small.
    Overrun { needed: u64 },
}

impl Reply {
    /// GOOD, without data.
    pub const GOOD: Answer = Ok(Reply::Data(Vec::new()));

    /// GOOD, with as much of `data` as the allocation length admits.
    pub fn cut(mut data: Vec<u8>, allocation_length: impl Into<u64>) -> Answer {
        data.truncate(usize::try_from(allocation_length.into()).unwrap_or(usize::MAX));
        Ok(Reply::Data(data))
    }
}

/// A reply, or why the command failed.
pub(crate) type Answer = Result<Reply, Sense>;
