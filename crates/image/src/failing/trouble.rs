//! A store that can be made to fail.

use std::io;
use std::sync::atomic::{AtomicI32, AtomicU32, Ordering};
use std::sync::{Arc, Mutex};

use memory::Scatter;

use crate::store::{FileStore, Punched, Store};

/// What of a store fails.
#[derive(Clone, Copy)]
pub(super) enum Part {
    Read,
    ReadAtOnce,
    Write,
    Stable,
    Allocate,
    Punch,
    Sync,
}

#[derive(Default)]
pub(super) struct Trouble {
    /// The error number with which each part fails; 0: it works.
    errno: [AtomicI32; 7],
    /// How often each was called.
    calls: [AtomicU32; 7],
    /// The error number with which writes of data fail until space is given back; 0: there is space.
    pub full: AtomicI32,
    /// While it is held, nothing becomes stable.
    pub slow: Mutex<()>,
}

impl Trouble {
    pub fn set(&self, part: Part, errno: i32) {
        self.errno[part as usize].store(errno, Ordering::Relaxed);
    }

    fn meet(&self, part: Part) -> io::Result<()> {
        self.calls[part as usize].fetch_add(1, Ordering::Relaxed);
        if let Part::Sync | Part::Stable = part {
            drop(self.slow.lock());
        }
        succeeds(&self.errno[part as usize])
    }

    pub fn calls(&self, part: Part) -> u32 {
        self.calls[part as usize].load(Ordering::Relaxed)
    }
}

fn succeeds(errno: &AtomicI32) -> io::Result<()> {
    match errno.load(Ordering::Relaxed) {
        0 => Ok(()),
        errno => Err(io::Error::from_raw_os_error(errno)),
    }
}

pub(super) struct Failing {
    pub store: FileStore,
    pub trouble: Arc<Trouble>,
}

impl Store for Failing {
    fn read_some(&self, offset: u64, into: &Scatter, at: u64, length: u64) -> io::Result<u64> {
        self.trouble.meet(Part::Read)?;
        self.store.read_some(offset, into, at, length)
    }

    fn read_at_once(&self, offset: u64, into: &Scatter, at: u64, length: u64) -> io::Result<u64> {
        self.trouble.meet(Part::ReadAtOnce)?;
        self.read_some(offset, into, at, length)
    }

    fn write_some(&self, offset: u64, from: &Scatter, at: u64, length: u64) -> io::Result<u64> {
        self.trouble.meet(Part::Write)?;
        succeeds(&self.trouble.full)?;
        self.store.write_some(offset, from, at, length)
    }

    fn read_at(&self, offset: u64, into: &mut [u8]) -> io::Result<()> {
        self.trouble.meet(Part::Read)?;
        self.store.read_at(offset, into)
    }

    fn write_at(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        self.trouble.meet(Part::Write)?;
        self.store.write_at(offset, data)
    }

    fn write_stable(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        self.trouble.meet(Part::Stable)?;
        self.store.write_stable(offset, data)
    }

    fn allocate(&self, offset: u64, length: u64) -> io::Result<()> {
        self.trouble.meet(Part::Allocate)?;
        self.store.allocate(offset, length)
    }

    fn punch(&self, offset: u64, length: u64) -> io::Result<Punched> {
        self.trouble.meet(Part::Punch)?;
        self.trouble.full.store(0, Ordering::Relaxed);
        self.store.punch(offset, length)
    }

    fn sync(&self) -> io::Result<()> {
        self.trouble.meet(Part::Sync)?;
        self.store.sync()
    }

    fn length(&self) -> io::Result<u64> {
        self.store.length()
    }

    fn grow(&self, length: u64) -> io::Result<()> {
        self.trouble.meet(Part::Write)?;
        self.store.grow(length)
    }
}
