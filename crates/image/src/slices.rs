//! A walk along scattered memory: a command's buffers, as one run of bytes.

use std::io;

use vm_memory::VolatileSlice;
use zbc::DataOut;

use crate::store::Store;

/// Length of all slices, in bytes.
pub(crate) fn total(slices: &[VolatileSlice<'_>]) -> u64 {
    slices.iter().map(|slice| slice.len() as u64).sum()
}

/// A place in a list of slices.
#[derive(Clone, Copy)]
pub(crate) struct Cursor<'a> {
    slices: &'a [VolatileSlice<'a>],
    /// Bytes of `slices[0]` that are behind.
    skip: usize,
}

impl<'a> Cursor<'a> {
    pub fn new(slices: &'a [VolatileSlice<'a>]) -> Self {
        Self { slices, skip: 0 }
    }

    /// Moves on by `count` bytes, or to the end.
    pub fn advance(&mut self, mut count: u64) {
        while let Some(first) = self.slices.first() {
            let left = (first.len() - self.skip) as u64;
            if count < left {
                self.skip += count as usize;
                return;
            }
            count -= left;
            self.slices = &self.slices[1..];
            self.skip = 0;
        }
    }

    /// The next bytes that lie in one piece, at most `limit`; `None` at the end.
    fn next(&mut self, limit: u64) -> Option<VolatileSlice<'a>> {
        while let Some(first) = self.slices.first() {
            let length = limit.min((first.len() - self.skip) as u64) as usize;
            if length > 0 {
                let piece = first.subslice(self.skip, length).expect("within the slice");
                self.advance(length as u64);
                return Some(piece);
            }
            if limit == 0 {
                return None;
            }
            self.advance(0);
        }
        None
    }

    /// Copies from here into the whole of `into`, as far as there are bytes; returns how many.
    pub fn read(&mut self, into: &mut [u8]) -> usize {
        let mut done = 0;
        while let Some(piece) = self.next((into.len() - done) as u64) {
            done += piece.copy_to(&mut into[done..]);
        }
        done
    }

    /// Copies `from` to here, as far as there is room; returns how many bytes.
    pub fn write(&mut self, from: &[u8]) -> usize {
        let mut done = 0;
        while let Some(piece) = self.next((from.len() - done) as u64) {
            piece.copy_from(&from[done..]);
            done += piece.len();
        }
        done
    }

    /// Puts `count` zeroes here, as far as there is room; returns how many.
    pub fn fill_with_zeroes(&mut self, count: u64) -> u64 {
        const ZEROES: [u8; 4096] = [0; 4096];
        let mut left = count;
        while let Some(piece) = self.next(left.min(ZEROES.len() as u64)) {
            piece.copy_from(&ZEROES);
            left -= piece.len() as u64;
        }
        count - left
    }

    /// The next `length` bytes, in as many pieces as they have.
    pub fn pieces(&self, length: u64) -> impl Iterator<Item = VolatileSlice<'a>> {
        let mut ahead = *self;
        let mut left = length;
        std::iter::from_fn(move || {
            let piece = ahead.next(left)?;
            left -= piece.len() as u64;
            Some(piece)
        })
    }

    /// Reads `length` bytes of the store from `offset` on to here.
    ///
    /// # Errors
    /// The end of the store, or of the slices, is one too.
    pub fn read_from(
        &mut self,
        store: &dyn Store,
        offset: u64,
        length: u64,
    ) -> Result<(), FailedAfter> {
        self.transfer(length, |done, here, left| {
            store.read_some(offset + done, here, left)
        })
    }

    /// Writes `length` bytes from here to the store from `offset` on.
    ///
    /// # Errors
    /// The end of the slices is one too.
    pub fn write_to(
        &mut self,
        store: &dyn Store,
        offset: u64,
        length: u64,
    ) -> Result<(), FailedAfter> {
        self.transfer(length, |done, here, left| {
            store.write_some(offset + done, here, left)
        })
    }

    fn transfer(
        &mut self,
        length: u64,
        some: impl Fn(u64, &Self, u64) -> io::Result<u64>,
    ) -> Result<(), FailedAfter> {
        let mut done = 0;
        while done < length {
            let moved = some(done, self, length - done).map_err(|_| FailedAfter(done))?;
            done += moved;
            self.advance(moved);
        }
        Ok(())
    }
}

/// A transfer failed after this many bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct FailedAfter(pub u64);

/// A command's data-out buffers, as the model reads them.
pub(crate) struct Out<'a>(pub &'a [VolatileSlice<'a>]);

impl DataOut for Out<'_> {
    fn len(&self) -> u64 {
        total(self.0)
    }

    fn read(&self, at: u64, into: &mut [u8]) {
        let mut cursor = Cursor::new(self.0);
        cursor.advance(at);
        cursor.read(into);
    }
}
