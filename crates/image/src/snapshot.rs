//! Copies of images: at once where the file system shares blocks between files, else with holes as holes.
//!
//! A copy is an image of its own, with a UUID of its own. To a guest it is the same disk, by serial number and
//! WWN, unless it is asked for a new identity: a guest that has both needs two.

use std::fs::File;
use std::io;
use std::path::Path;

use rustix::fs::{ioctl_ficlone, OFlags};

use crate::attributes::{follow, keep, Owner};
use crate::copying::{copy, Progress, Stretch};
use crate::file::{open_regular, replace, Draft, PRIVATE};
use crate::header::{Access, Header};
use crate::live::Boot;
use crate::lock::{lock, lock_shared};
use crate::state::{allocate, current_words, load, write_header};
use crate::store::{FileStore, Store};
use crate::{random, slots, table, Error, ErrorKind};

/// Copies the image at `path` to `copy`, which appears when it is complete, with its owner and mode; says whether it has
/// that owner.
///
/// # Errors
/// `Exists` if there is anything at `copy`; `InUse`; `NotAnImage`, `Version`, `Corrupt`, `Truncated` for the
/// image, which is not copied damaged; `NotFound`, `Permission`, `NoSpace`, `TooLarge`, `Io`.
pub fn snapshot(
    path: &Path,
    copy: &Path,
    new_identity: bool,
    progress: Progress<'_>,
) -> Result<Owner, Error> {
    let failed = |e| Error::io("create", copy, e);
    if copy.symlink_metadata().is_ok() {
        return Err(failed(io::Error::from_raw_os_error(libc::EEXIST)));
    }
    let source = open_regular(path, OFlags::RDONLY)?;
    let draft = Draft::new(copy, PRIVATE).map_err(failed)?;
    let owner = follow(&source, draft.file()).map_err(failed)?;
    duplicate(&source, path, draft.file(), copy, new_identity, progress)?;
    draft.publish().map_err(failed)?;
    Ok(owner)
}

/// Makes the image at `path`, if there is one, what `snapshot` is: replaces it when the copy is complete.
///
/// Its owner, mode and extended attributes stay; a new one has owner and mode of `snapshot`. Says whether it has that owner.
///
/// # Errors
/// As for [`snapshot`]; `InUse` for either; `NotAnImage` when something else is at `path`.
pub fn restore(snapshot: &Path, path: &Path, progress: Progress<'_>) -> Result<Owner, Error> {
    let failed = |e| Error::io("replace", path, e);
    // Held until the other file has the name.
    let old = match open_regular(path, OFlags::RDWR) {
        Ok(file) => {
            lock(&file, path)?;
            // A damaged image may be replaced, and nothing that is none.
            match Header::read(&file, path, Access::Read) {
                Err(error) if error.kind() == ErrorKind::NotAnImage => return Err(error),
                _ => Some(file),
            }
        }
        Err(error) if error.kind() == ErrorKind::NotFound => None,
        Err(error) => return Err(error),
    };
    let source = open_regular(snapshot, OFlags::RDONLY)?;
    let mut owner = Owner::Kept;
    replace(path, failed, |target| {
        match &old {
            Some(old) => keep(old, target, path)?,
            None => owner = follow(&source, target).map_err(failed)?,
        }
        duplicate(&source, snapshot, target, path, false, progress)
    })?;
    Ok(owner)
}

fn duplicate(
    source: &File,
    path: &Path,
    target: &File,
    name: &Path,
    new_identity: bool,
    progress: Progress<'_>,
) -> Result<(), Error> {
    lock_shared(source, path)?;
    let mut header = Header::read(source, path, Access::Write)?;
    let failed = |e| Error::io("copy to", name, e);
    let from = FileStore::new(source.try_clone().map_err(failed)?, false);
    let journal = load(&from, &header, path)?;
    let words = current_words(&from, &header, Boot::current(), journal, path)?;
    if ioctl_ficlone(target, source).is_err() {
        allocate(target, &header.layout).map_err(failed)?;
        let length = slots::length(&header, &words);
        target.set_len(length).map_err(failed)?;
        let whole = Stretch {
            from: 0,
            to: 0,
            length,
        };
        copy(source, target, || [whole].into_iter(), progress).map_err(failed)?;
    }
    header.uuid = random::uuid();
    if new_identity {
        let drawn = random::identity();
        (header.identity.serial, header.identity.wwn) = (drawn.serial, drawn.wwn);
    }
    let store = FileStore::new(target.try_clone().map_err(failed)?, false);
    // Not shared any more: it is about to be mapped, and a full file system would end who writes to it.
    table::write(&store, header.layout.table, &words).map_err(failed)?;
    write_header(&store, &header).map_err(failed)?;
    store.sync().map_err(failed)
}
