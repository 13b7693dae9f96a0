//! An image's medium as a raw file: what a guest would read from it.

use std::os::unix::fs::MetadataExt;
use std::path::Path;

use rustix::fs::OFlags;
use zoned::{powered_off, written_bytes, Condition};

use crate::copying::{copy, Progress, Stretch};
use crate::file::{open_regular, Draft, NEW};
use crate::header::{Access, Header};
use crate::live::Boot;
use crate::lock::lock_shared;
use crate::state::{current_words, load};
use crate::store::FileStore;
use crate::{slots, Error};

/// Writes the medium of the image at `path` to `raw`, sparse, which appears when it is complete.
///
/// What is above a write pointer, and all of an offline zone, is zeroes. The file's mode is the image's, less what the
/// umask takes.
///
/// # Errors
/// `Exists` if there is anything at `raw`; `InUse`; `NotAnImage`, `Version`, `Corrupt`, `Truncated`,
/// `NotFound`, `Permission`, `NoSpace`, `TooLarge`, `Io`.
pub fn export(path: &Path, raw: &Path, progress: Progress<'_>) -> Result<(), Error> {
    let source = open_regular(path, OFlags::RDONLY)?;
    lock_shared(&source, path)?;
    let header = Header::read(&source, path, Access::Read)?;
    let failed = |e| Error::io("create", raw, e);
    if raw.symlink_metadata().is_ok() {
        return Err(failed(std::io::Error::from_raw_os_error(libc::EEXIST)));
    }
    let store = FileStore::new(source.try_clone().map_err(failed)?, false);
    let journal = load(&store, &header, path)?;
    let words = current_words(&store, &header, Boot::current(), journal, path)?;
    let stretches = || stretches(&header, &words);
    let mode = source.metadata().map_err(failed)?.mode() & NEW;
    let draft = Draft::new(raw, mode).map_err(failed)?;
    let target = draft.file();
    target.set_len(header.geometry.bytes()).map_err(failed)?;
    copy(&source, target, stretches, progress).map_err(failed)?;
    target.sync_all().map_err(failed)?;
    draft.publish().map_err(failed)
}

/// What of the image's file is data that a guest can read.
fn stretches<'a>(header: &'a Header, words: &'a [u64]) -> impl Iterator<Item = Stretch> + 'a {
    let geometry = &header.geometry;
    let block = u64::from(geometry.block_size);
    (0..).zip(words).filter_map(move |(number, &word)| {
        let span = slots::span(&header.layout, geometry, number, word)?;
        let zone = zoned::decode(geometry, number, powered_off(word));
        let length = match zone.condition {
            Condition::Offline => 0,
            _ if zone.conventional => zone.len * block,
            _ => written_bytes(geometry, word),
        };
        (length > 0).then_some(Stretch {
            from: span.start,
            to: zone.start * block,
            length,
        })
    })
}
