//! Where an image's bytes are: in a file, or, for tests, in a model of one whose host may crash.
//!
//! What is written here is in the page cache; only what was made stable survives a crash of the host.

use std::fs::File;
use std::io;
use std::mem::MaybeUninit;
use std::os::fd::AsRawFd;
use std::os::unix::fs::FileExt;
use std::sync::atomic::{AtomicBool, Ordering};

use memory::Scatter;
use rustix::fs::{fallocate, fstatfs, FallocateFlags, FsWord};
use rustix::io::{pwritev2, retry_on_intr, Errno, ReadWriteFlags};

/// Most buffers for one system call; more take more calls. At most the kernel's UIO_MAXIOV, 1024.
const BATCH: usize = 64;

/// Whether a hole could be made.
pub(crate) enum Punched {
    Yes,
    NotSupported,
}

/// The bytes of an image.
pub(crate) trait Store: Send + Sync {
    /// Reads at most `length` bytes from `offset` on to byte `at` of `into`; at least one.
    fn read_some(&self, offset: u64, into: &Scatter, at: u64, length: u64) -> io::Result<u64>;
    /// The same without waiting for the host's disk: [`io::ErrorKind::WouldBlock`] where it would have to.
    fn read_at_once(&self, offset: u64, into: &Scatter, at: u64, length: u64) -> io::Result<u64> {
        self.read_some(offset, into, at, length)
    }
    /// Writes at most `length` bytes from byte `at` of `from`; at least one.
    fn write_some(&self, offset: u64, from: &Scatter, at: u64, length: u64) -> io::Result<u64>;
    /// Fills `into`.
    fn read_at(&self, offset: u64, into: &mut [u8]) -> io::Result<()>;
    /// Writes all of `data`.
    fn write_at(&self, offset: u64, data: &[u8]) -> io::Result<()>;
    /// Writes all of `data` and makes it, and nothing else, stable.
    fn write_stable(&self, offset: u64, data: &[u8]) -> io::Result<()>;
    /// Takes space for a stretch that is not written yet; [`Self::punch`] gives back any part of it.
    fn allocate(&self, offset: u64, length: u64) -> io::Result<()>;
    /// Makes a stretch read as zeroes, and gives its space back.
    fn punch(&self, offset: u64, length: u64) -> io::Result<Punched>;
    /// Makes stable all that was written before the call.
    fn sync(&self) -> io::Result<()>;
    /// How long it is now.
    fn length(&self) -> io::Result<u64>;
    /// Makes it at least so long.
    fn grow(&self, length: u64) -> io::Result<()>;
}

/// A file as a store.
pub(crate) struct FileStore {
    pub file: File,
    /// The file has no name and is gone after a crash: nothing in it has to be stable.
    temporary: bool,
    /// Each read may wait: the kernel or the file system has no other.
    always_waits: AtomicBool,
}

impl FileStore {
    pub fn new(file: File, temporary: bool) -> FileStore {
        FileStore {
            file,
            temporary,
            always_waits: AtomicBool::new(false),
        }
    }
}

impl Store for FileStore {
    fn read_some(&self, offset: u64, into: &Scatter, at: u64, length: u64) -> io::Result<u64> {
        transfer(&self.file, offset, into, at, length, libc::preadv64)
    }

    fn read_at_once(&self, offset: u64, into: &Scatter, at: u64, length: u64) -> io::Result<u64> {
        if !self.always_waits.load(Ordering::Relaxed) {
            let read = transfer(&self.file, offset, into, at, length, preadv_at_once);
            let code = read.as_ref().err().and_then(io::Error::raw_os_error);
            if !matches!(code, Some(libc::EOPNOTSUPP | libc::ENOSYS)) {
                return read;
            }
            self.always_waits.store(true, Ordering::Relaxed);
        }
        self.read_some(offset, into, at, length)
    }

    fn write_some(&self, offset: u64, from: &Scatter, at: u64, length: u64) -> io::Result<u64> {
        transfer(&self.file, offset, from, at, length, libc::pwritev64)
    }

    fn read_at(&self, offset: u64, into: &mut [u8]) -> io::Result<()> {
        self.file.read_exact_at(into, offset)
    }

    fn write_at(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        self.file.write_all_at(data, offset)
    }

    fn write_stable(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        if self.temporary {
            return self.write_at(offset, data);
        }
        let mut done = 0;
        while done < data.len() {
            let rest = [io::IoSlice::new(&data[done..])];
            match pwritev2(
                &self.file,
                &rest,
                offset + done as u64,
                ReadWriteFlags::DSYNC,
            ) {
                Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
                Ok(count) => done += count,
                Err(Errno::INTR) => {}
                // A kernel or file system without the flag.
                Err(Errno::OPNOTSUPP | Errno::NOSYS) => {
                    self.write_at(offset, data)?;
                    return self.file.sync_data();
                }
                Err(error) => return Err(error.into()),
            }
        }
        Ok(())
    }

    fn allocate(&self, offset: u64, length: u64) -> io::Result<()> {
        if !gives_parts_back(&self.file) {
            return Err(Errno::OPNOTSUPP.into());
        }
        let flags = FallocateFlags::KEEP_SIZE;
        Ok(retry_on_intr(|| {
            fallocate(&self.file, flags, offset, length)
        })?)
    }

    fn punch(&self, offset: u64, length: u64) -> io::Result<Punched> {
        let flags = FallocateFlags::PUNCH_HOLE | FallocateFlags::KEEP_SIZE;
        match retry_on_intr(|| fallocate(&self.file, flags, offset, length)) {
            Ok(()) => Ok(Punched::Yes),
            Err(Errno::OPNOTSUPP | Errno::NOSYS) => Ok(Punched::NotSupported),
            Err(error) => Err(error.into()),
        }
    }

    fn sync(&self) -> io::Result<()> {
        if self.temporary {
            return Ok(());
        }
        self.file.sync_data()
    }

    fn length(&self) -> io::Result<u64> {
        Ok(self.file.metadata()?.len())
    }

    fn grow(&self, length: u64) -> io::Result<()> {
        if self.length()? < length {
            self.file.set_len(length)?;
        }
        Ok(())
    }
}

/// Whether a hole in what was allocated at once is free space. On btrfs it is not: an extent is there as long as any part
/// of it is used.
pub(crate) fn gives_parts_back(file: &File) -> bool {
    fstatfs(file).is_ok_and(|system| system.f_type != libc::BTRFS_SUPER_MAGIC as FsWord)
}

type Vectored = unsafe extern "C" fn(
    libc::c_int,
    *const libc::iovec,
    libc::c_int,
    libc::off64_t,
) -> libc::ssize_t;

unsafe extern "C" fn preadv_at_once(
    file: libc::c_int,
    pieces: *const libc::iovec,
    count: libc::c_int,
    offset: libc::off64_t,
) -> libc::ssize_t {
    // SAFETY: the caller's.
    unsafe { libc::preadv64v2(file, pieces, count, offset, libc::RWF_NOWAIT) }
}

/// One system call of `call`: [`libc::preadv64`], [`libc::pwritev64`] or [`preadv_at_once`].
fn transfer(
    file: &File,
    offset: u64,
    data: &Scatter,
    at: u64,
    length: u64,
    call: Vectored,
) -> io::Result<u64> {
    let mut pieces = [const { MaybeUninit::<libc::iovec>::uninit() }; BATCH];
    let mut count = 0;
    for (piece, place) in data.pieces(at, length).zip(&mut pieces) {
        // The guard is only a pointer without vm-memory's Xen support, which we do not use.
        place.write(libc::iovec {
            iov_base: piece.ptr_guard_mut().as_ptr().cast(),
            iov_len: piece.len(),
        });
        count += 1;
    }
    let offset = libc::off64_t::try_from(offset).map_err(|_| io::ErrorKind::InvalidInput)?;
    loop {
        // SAFETY: the first `count` pieces were written, and are parts of slices that live as long as `data`, and that allow
        // access by others (here the kernel) at any time. All of these calls take these arguments.
        let moved = unsafe { call(file.as_raw_fd(), pieces.as_ptr().cast(), count, offset) };
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
