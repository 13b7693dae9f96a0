//! An image's zone state as a whole: made for a new image, and found again in an old one, crash or no crash.

use std::fs::File;
use std::io;
use std::path::Path;

use rustix::fs::{fallocate, FallocateFlags};
use rustix::io::Errno;

use crate::header::{corrupt, Header};
use crate::journal::{Journal, Unreadable};
use crate::layout::{Layout, COPY};
use crate::live::{self, Boot};
use crate::store::Store;
use crate::{table, Error};

/// Makes a new image's file as long as it has to be, with space for all zone state, and for no data.
pub(crate) fn allocate(file: &File, layout: &Layout) -> io::Result<()> {
    file.set_len(layout.file_length())?;
    let flags = FallocateFlags::KEEP_SIZE;
    for area in layout.state_areas() {
        match fallocate(file, flags, area.offset, area.size) {
            // Elsewhere the space is taken when it is needed.
            Ok(()) | Err(Errno::OPNOTSUPP | Errno::NOSYS) => {}
            Err(error) => return Err(error.into()),
        }
    }
    Ok(())
}

/// Writes a new image's state: the zone tables, and then the header, by which it is an image.
pub(crate) fn fill(store: &dyn Store, header: &Header) -> io::Result<Journal> {
    let words = table::fresh(&header.geometry);
    table::write(store, header.layout.table, &words)?;
    let journal = Journal::create(store, &header.layout, words, 0)?;
    write_header(store, header)?;
    Ok(journal)
}

/// Writes the header's copy, where there is room for it, and then the header.
pub(crate) fn write_header(store: &dyn Store, header: &Header) -> io::Result<()> {
    let page = header.encode();
    if header.layout.has_copy() {
        store.write_stable(COPY, &page)?;
    }
    store.write_stable(0, &page)
}

/// Sees to it that the live table is right, as of `boot`, and stamps it.
pub(crate) fn recover(
    store: &dyn Store,
    header: &Header,
    boot: Option<Boot>,
    path: &Path,
) -> Result<Journal, Error> {
    let failed = |e| Error::io("read", path, e);
    let layout = &header.layout;
    let stamp = layout.journal.offset;
    let mut journal = load(store, header, path)?;
    if live::is_trusted(store, stamp, boot).map_err(failed)? {
        let checked = table::look(store, layout.table, &header.geometry).map_err(failed)?;
        checked.map_err(|e| corrupt(path, &e.to_string()))?;
    } else {
        table::write(store, layout.table, journal.words()).map_err(failed)?;
    }
    live::stamp(store, stamp, boot).map_err(failed)?;
    // After a crash a torn record may be at the journal's end.
    journal
        .checkpoint(store)
        .map_err(|e| Error::io("open", path, e))?;
    Ok(journal)
}

/// Reads the stable state.
pub(crate) fn load(store: &dyn Store, header: &Header, path: &Path) -> Result<Journal, Error> {
    Journal::load(store, &header.layout, &header.geometry).map_err(|unreadable| match unreadable {
        Unreadable::Io(error) => Error::io("read", path, error),
        Unreadable::Damaged(what) => corrupt(path, &what),
    })
}

/// What the zones are: the live table's words if they can be trusted, or else the stable ones.
pub(crate) fn current_words(
    store: &dyn Store,
    header: &Header,
    boot: Option<Boot>,
    journal: Journal,
    path: &Path,
) -> Result<Vec<u64>, Error> {
    let failed = |e| Error::io("read", path, e);
    let Header {
        layout, geometry, ..
    } = header;
    if !live::is_trusted(store, layout.journal.offset, boot).map_err(failed)? {
        return Ok(journal.into_words());
    }
    drop(journal);
    let words = table::read(store, layout.table, geometry).map_err(failed)?;
    table::check(&words, geometry).map_err(|e| corrupt(path, &e.to_string()))?;
    Ok(words)
}
