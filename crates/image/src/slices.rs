//! A walk along scattered memory: a command's buffers, as one run of bytes.

use std::fs::File;
use std::io;
use std::os::fd::AsRawFd;

use vm_memory::VolatileSlice;
use zbc::DataOut;

/// Most buffers for one system call; more take more calls. At most the kernel's UIO_MAXIOV, 1024.
const BATCH: usize = 64;

/// Length of all slices, in bytes.
pub(crate) fn total(slices: &[VolatileSlice<'_>]) -> u64 {
    slices.iter().map(|slice| slice.len() as u64).sum()
}

/// A place in a list of slices.
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

    /// Reads `length` bytes of the file from `offset` on to here.
    ///
    /// # Errors
    /// The end of the file, or of the slices, is one too.
    pub fn read_file(&mut self, file: &File, offset: u64, length: u64) -> Result<(), FailedAfter> {
        self.transfer(file, offset, length, Direction::FromFile)
    }

    /// Writes `length` bytes from here to the file from `offset` on.
    ///
    /// # Errors
    /// The end of the slices is one too.
    pub fn write_file(&mut self, file: &File, offset: u64, length: u64) -> Result<(), FailedAfter> {
        self.transfer(file, offset, length, Direction::ToFile)
    }

    fn transfer(
        &mut self,
        file: &File,
        offset: u64,
        length: u64,
        direction: Direction,
    ) -> Result<(), FailedAfter> {
        let mut done = 0;
        while done < length {
            let moved = self
                .batch(file, offset + done, length - done, direction)
                .map_err(|_| FailedAfter(done))?;
            done += moved;
            self.advance(moved);
        }
        Ok(())
    }

    /// One system call, from here, without moving on; returns how many bytes it moved, at least one.
    fn batch(
        &self,
        file: &File,
        offset: u64,
        length: u64,
        direction: Direction,
    ) -> io::Result<u64> {
        const NONE: libc::iovec = libc::iovec {
            iov_base: std::ptr::null_mut(),
            iov_len: 0,
        };
        let mut pieces = [NONE; BATCH];
        let mut count = 0;
        let mut left = length;
        let mut ahead = Cursor { ..*self };
        while count < BATCH {
            let Some(piece) = ahead.next(left) else {
                break;
            };
            // The guard is only a pointer without vm-memory's Xen support, which we do not use.
            pieces[count] = libc::iovec {
                iov_base: piece.ptr_guard_mut().as_ptr().cast(),
                iov_len: piece.len(),
            };
            left -= piece.len() as u64;
            count += 1;
        }
        let offset = libc::off64_t::try_from(offset).map_err(|_| io::ErrorKind::InvalidInput)?;
        loop {
            let (fd, pieces, count) = (file.as_raw_fd(), pieces.as_ptr(), count as libc::c_int);
            // SAFETY: the first `count` pieces are parts of slices that live as long as `self`, and
            // that allow access by others (here the kernel) at any time.
            let moved = unsafe {
                match direction {
                    Direction::FromFile => libc::preadv64(fd, pieces, count, offset),
                    Direction::ToFile => libc::pwritev64(fd, pieces, count, offset),
                }
            };
            match moved {
                0 => return Err(io::ErrorKind::UnexpectedEof.into()),
                1.. => return Ok(moved as u64),
                _ => {
                    let error = io::Error::last_os_error();
                    if error.kind() != io::ErrorKind::Interrupted {
                        return Err(error);
                    }
                }
            }
        }
    }
}

#[derive(Clone, Copy)]
enum Direction {
    FromFile,
    ToFile,
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
