//! Making and finding the files that hold images.

use std::fs::File;
use std::io;
use std::os::fd::{AsRawFd, OwnedFd};
use std::path::{Path, PathBuf};

use rustix::fs::{
    ioctl_getflags, ioctl_setflags, linkat, open, AtFlags, IFlags, Mode, OFlags, CWD,
};
use rustix::io::fcntl_dupfd_cloexec;

use crate::error::not_an_image;
use crate::Error;

/// The mode of a file that is new, before the umask.
pub(crate) const NEW: u32 = 0o666;
/// The mode of a file that gets another's once it is there.
pub(crate) const PRIVATE: u32 = 0o600;

/// A file that is being made: it gets its name when it is complete, and leaves nothing behind before.
pub(crate) struct Draft<'a> {
    file: File,
    path: &'a Path,
    /// The name is there already, since the file system has no files without one.
    named: bool,
}

impl<'a> Draft<'a> {
    /// `mode` is that of the file, less what the umask takes.
    pub fn new(path: &'a Path, mode: u32) -> io::Result<Self> {
        let mode = Mode::from_raw_mode(mode);
        let unnamed = unnamed(directory(path), OFlags::empty(), mode)?;
        let named = unnamed.is_none();
        let file = match unnamed {
            Some(file) => file,
            None => exclusive(path, mode)?,
        };
        without_copy_on_write(&file);
        Ok(Self { file, path, named })
    }

    pub fn file(&self) -> &File {
        &self.file
    }

    /// Gives the file its name, unless something has that name already.
    pub fn publish(mut self) -> io::Result<()> {
        if self.named {
            self.named = false;
            return Ok(());
        }
        let itself = format!("/proc/self/fd/{}", self.file.as_raw_fd());
        Ok(linkat(
            CWD,
            itself,
            CWD,
            self.path,
            AtFlags::SYMLINK_FOLLOW,
        )?)
    }
}

impl Drop for Draft<'_> {
    fn drop(&mut self) {
        if self.named {
            // Nobody is left to tell: the error that stopped the making is on its way up.
            let _ = std::fs::remove_file(self.path);
        }
    }
}

/// A file in `dir` that has no name and vanishes with its last user.
///
/// # Errors
/// Of the file system.
pub fn temporary(dir: &Path) -> io::Result<File> {
    let mode = Mode::from_raw_mode(PRIVATE);
    let file = match unnamed(dir, OFlags::EXCL, mode)? {
        Some(file) => file,
        None => {
            let path = unused_name(dir);
            let file = exclusive(&path, mode)?;
            std::fs::remove_file(&path)?;
            file
        }
    };
    without_copy_on_write(&file);
    Ok(file)
}

/// Puts a new file in the place of what is at `path`, once `make` has filled it; `failed` words errors.
///
/// It is private until `make` gives it another mode.
pub(crate) fn replace(
    path: &Path,
    failed: impl Fn(io::Error) -> Error,
    make: impl FnOnce(&File) -> Result<(), Error>,
) -> Result<(), Error> {
    // Through a symbolic link: what it names is replaced, and not the link.
    let path = &path.canonicalize().unwrap_or_else(|_| path.to_owned());
    let partial = unused_name(directory(path));
    let draft = Draft::new(&partial, PRIVATE).map_err(&failed)?;
    make(draft.file())?;
    draft.publish().map_err(&failed)?;
    std::fs::rename(&partial, path).map_err(|e| {
        // The error of the renaming is what matters.
        let _ = std::fs::remove_file(&partial);
        failed(e)
    })
}

/// Opens a regular file; whatever else has that name is not touched.
pub(crate) fn open_regular(path: &Path, access: OFlags) -> Result<File, Error> {
    // NONBLOCK: a FIFO of that name must not make us wait.
    let flags = access | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC;
    let file = match open(path, flags, Mode::empty()) {
        Ok(fd) => above_standard(fd).map_err(|e| Error::io("open", path, e))?,
        Err(rustix::io::Errno::ISDIR | rustix::io::Errno::NXIO) => return Err(not_an_image(path)),
        Err(e) => return Err(Error::io("open", path, e.into())),
    };
    let metadata = file.metadata().map_err(|e| Error::io("look at", path, e))?;
    if !metadata.is_file() {
        return Err(not_an_image(path));
    }
    Ok(file)
}

/// A file without a name; `None` where the file system has no such thing.
fn unnamed(dir: &Path, more: OFlags, mode: Mode) -> io::Result<Option<File>> {
    let flags = OFlags::TMPFILE | OFlags::RDWR | OFlags::CLOEXEC | more;
    match open(dir, flags, mode) {
        Ok(fd) => above_standard(fd).map(Some),
        Err(rustix::io::Errno::OPNOTSUPP | rustix::io::Errno::ISDIR) => Ok(None),
        Err(e) => Err(e.into()),
    }
}

fn exclusive(path: &Path, mode: Mode) -> io::Result<File> {
    let flags = OFlags::CREATE | OFlags::EXCL | OFlags::RDWR | OFlags::CLOEXEC;
    above_standard(open(path, flags, mode)?)
}

/// The file behind a descriptor above 2: at 0, 1 or 2, which the process may have closed, it would get what is
/// printed.
fn above_standard(fd: OwnedFd) -> io::Result<File> {
    let fd = match fd.as_raw_fd() {
        0..=2 => fcntl_dupfd_cloexec(&fd, 3)?,
        _ => fd,
    };
    Ok(fd.into())
}

/// The directory of a file that need not be there.
fn directory(path: &Path) -> &Path {
    match path.parent() {
        Some(dir) if dir != Path::new("") => dir,
        _ => Path::new("."),
    }
}

/// A name in `dir` that nothing has.
fn unused_name(dir: &Path) -> PathBuf {
    let random = u64::from_ne_bytes(crate::random::bytes());
    dir.join(format!(".zonevm-{random:016x}"))
}

/// Asks btrfs to overwrite blocks in place: zone words and a guest's writes are small and random.
fn without_copy_on_write(file: &File) {
    if let Ok(flags) = ioctl_getflags(file) {
        // Other file systems have no such flag, and need none.
        let _ = ioctl_setflags(file, flags | IFlags::NOCOW);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn named(path: &Path) -> Draft<'_> {
        Draft {
            file: exclusive(path, Mode::from_raw_mode(NEW)).unwrap(),
            path,
            named: true,
        }
    }

    #[test]
    fn without_unnamed_files_a_draft_is_removed_unless_it_is_published() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("draft");
        drop(named(&path));
        assert!(!path.exists());
        named(&path).publish().unwrap();
        assert!(path.exists());
        let error = exclusive(&path, Mode::from_raw_mode(NEW)).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::AlreadyExists);
    }

    #[test]
    fn a_draft_does_not_replace_what_came_first() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("draft");
        let draft = Draft::new(&path, NEW).unwrap();
        if draft.named {
            return;
        }
        std::fs::write(&path, "first").unwrap();
        let error = draft.publish().unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::AlreadyExists);
        assert_eq!(std::fs::read(&path).unwrap(), b"first");
    }
}
