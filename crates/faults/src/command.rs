//! One command on its way to the disk: its CDB and buffers, and what the CDB says. Knows no rule.

use std::ops::Range;

use image::{Disk, Outcome};
use vhost_user_scsi::Pause;
use vm_memory::VolatileSlice;
use zbc::Completion;

#[derive(Clone, Copy)]
pub(crate) struct Command<'a> {
    pub disk: &'a Disk,
    pub cdb: &'a [u8],
    pub out: &'a [VolatileSlice<'a>],
    pub into: &'a [VolatileSlice<'a>],
    pub pause: Pause<'a>,
}

impl Command<'_> {
    pub fn opcode(&self) -> u8 {
        self.cdb.first().copied().unwrap_or_default()
    }

    /// The command's name as the standards have it; `None` for one that the disk does not know.
    pub fn name(&self) -> Option<&'static str> {
        zbc::command_name(self.cdb)
    }

    /// The LBAs that it is about: see [`zbc::addressed`].
    pub fn blocks(&self) -> Option<Range<u64>> {
        zbc::addressed(self.disk.geometry(), self.cdb)
    }

    /// Ends the command with this completion, with nothing done.
    pub fn end(&self, completion: Completion) -> Option<Outcome> {
        Some(Outcome::without_data(completion))
    }

    /// Ends the command with CHECK CONDITION: see [`Disk::check_condition`].
    pub fn check(&self, key: u8, code: u16, lba: Option<u64>) -> Option<Outcome> {
        self.end(self.disk.check_condition(key, code, lba))
    }

    /// Its CDB with another number of blocks, fewer than it has; for a READ or WRITE of any size.
    pub fn of_blocks(&self, blocks: u64) -> Vec<u8> {
        // Where a CDB has the number, by the group of its operation code (SPC-5, 4.2.2).
        let field = match self.opcode() >> 5 {
            0 => 4..5,
            1 | 2 => 7..9,
            5 => 6..10,
            _ => 10..14,
        };
        let mut cdb = self.cdb.to_vec();
        let bytes = blocks.to_be_bytes();
        cdb[field.clone()].copy_from_slice(&bytes[bytes.len() - field.len()..]);
        cdb
    }
}
