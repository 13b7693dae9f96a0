//! A plain loop: one system call after another on a file. What no disk that is served can be faster than, but by doing
//! several things at once.

use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::Path;

use rustix::fs::{fallocate, FallocateFlags};

use super::{Action, Command, Driver, Side, BLOCK, THERE, ZONE_BLOCKS};

const MOST_BYTES: usize = 1 << 17;

pub struct Plain {
    file: File,
    buffer: Vec<u8>,
    done: Vec<u16>,
}

impl Plain {
    /// On a new file.
    pub fn side(path: &Path) -> Side {
        let file = new_file(path);
        Side {
            name: "plain loop".into(),
            driver: Box::new(Plain {
                file: file.try_clone().expect("a file"),
                buffer: vec![0x5a; MOST_BYTES],
                done: Vec::new(),
            }),
            file,
        }
    }
}

impl Driver for Plain {
    fn send(&mut self, slot: u16, command: Command) {
        let bytes = &mut self.buffer[..command.blocks as usize * BLOCK as usize];
        let at = command.block * BLOCK;
        match command.action {
            Action::Read => self.file.read_exact_at(bytes, at),
            Action::Write => self.file.write_all_at(bytes, at),
            Action::Flush => self.file.sync_data(),
        }
        .expect("the plain loop's file");
        self.done.push(slot);
    }

    fn done(&mut self) -> Option<u16> {
        self.done.pop()
    }

    fn sleep(&mut self) {}

    fn empty(&mut self, zone: u64) {
        punch_zone(&self.file, zone);
    }
}

/// An empty file of all zones' length.
pub fn new_file(path: &Path) -> File {
    let mut options = File::options();
    options.read(true).write(true).create(true).truncate(true);
    let file = options.open(path).expect("a file");
    file.set_len(super::ZONES * ZONE_BLOCKS * BLOCK)
        .expect("a file");
    file
}

/// Writes what is read, for a disk that only reads.
pub fn fill(file: &File) {
    let data = vec![0x5a; (THERE * BLOCK) as usize];
    let at = super::loads::WRITTEN * BLOCK;
    file.write_all_at(&data, at).expect("a file");
}

/// Gives the space of a zone back.
pub fn punch_zone(file: &File, zone: u64) {
    let bytes = ZONE_BLOCKS * BLOCK;
    let flags = FallocateFlags::PUNCH_HOLE | FallocateFlags::KEEP_SIZE;
    fallocate(file, flags, zone * bytes, bytes).expect("a hole");
}
