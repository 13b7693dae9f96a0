//! An image's zone state as a whole: made for a new image, and found again in an old one, crash or no crash.

use std::fs::File;
use std::io;
use std::path::Path;

use rustix::fs::{fallocate, FallocateFlags};
use rustix::io::Errno;
use zoned::{placed, written};

use crate::error::{corrupt, truncated};
use crate::header::{Header, LINEAR};
use crate::journal::{Journal, Unreadable};
use crate::layout::{Layout, COPY};
use crate::live::{self, Boot, Stamp};
use crate::store::Store;
use crate::{ahead, slots, table, Error};

/// Makes a new image's file as long as it has to be, with space for all zone state, and for no data.
pub(crate) fn allocate(file: &File, layout: &Layout) -> io::Result<()> {
    file.set_len(layout.least_length())?;
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

/// Sees to it that the live table is right, as of `boot`, and stamps it. An image of version 1 becomes one of today's.
pub(crate) fn recover(
    store: &dyn Store,
    header: &mut Header,
    boot: Option<Boot>,
    path: &Path,
) -> Result<Journal, Error> {
    let failed = |e| Error::io("read", path, e);
    let opened = |e| Error::io("open", path, e);
    let stamp = header.layout.journal.offset;
    let mut journal = load(store, header, path)?;
    if live::is_trusted(store, stamp, boot).map_err(failed)? {
        let words = live_words(store, header, path)?;
        ahead::reclaim(store, header, &words);
        if header.version == LINEAR {
            table::write(store, header.layout.table, &words).map_err(opened)?;
        }
    } else {
        check_places(store, header, journal.words(), path)?;
        if live::read(store, stamp).map_err(failed)? != Stamp::None {
            ahead::reclaim(store, header, journal.words());
        }
        table::write(store, header.layout.table, journal.words()).map_err(failed)?;
    }
    live::stamp(store, stamp, boot).map_err(failed)?;
    if header.version == LINEAR {
        let upgraded = header.upgraded();
        let saved = upgraded.layout.saved;
        journal.move_to(&upgraded.layout);
        journal.checkpoint(store).map_err(opened)?;
        // Neither the journal nor the stable words are any other by the new header, whichever of the two is there.
        slots::zero(store, saved.offset, saved.size).map_err(opened)?;
        store.sync().map_err(opened)?;
        write_header(store, &upgraded).map_err(opened)?;
        *header = upgraded;
        return Ok(journal);
    }
    // After a crash a torn record may be at the journal's end.
    journal.checkpoint(store).map_err(opened)?;
    Ok(journal)
}

/// Reads the stable state.
pub(crate) fn load(store: &dyn Store, header: &Header, path: &Path) -> Result<Journal, Error> {
    let loaded = Journal::load(store, &header.layout, &header.geometry);
    let mut journal = loaded.map_err(|unreadable| match unreadable {
        Unreadable::Io(error) => Error::io("read", path, error),
        Unreadable::Damaged(what) => corrupt(path, &what),
    })?;
    journal.change_words(|words| with_places(header, words));
    Ok(journal)
}

/// What the zones are: the live table's words if they can be trusted, or else the stable ones.
pub(crate) fn current_words(
    store: &dyn Store,
    header: &Header,
    boot: Option<Boot>,
    journal: Journal,
    path: &Path,
) -> Result<Vec<u64>, Error> {
    let stamp = header.layout.journal.offset;
    let trusted = live::is_trusted(store, stamp, boot);
    if trusted.map_err(|e| Error::io("read", path, e))? {
        drop(journal);
        return live_words(store, header, path);
    }
    check_places(store, header, journal.words(), path)?;
    Ok(journal.into_words())
}

/// The words of the live table.
fn live_words(store: &dyn Store, header: &Header, path: &Path) -> Result<Vec<u64>, Error> {
    let Header {
        layout, geometry, ..
    } = header;
    let words = table::read(store, layout.table, geometry);
    let mut words = words.map_err(|e| Error::io("read", path, e))?;
    table::check(&words, geometry).map_err(|e| corrupt(path, &e.to_string()))?;
    with_places(header, &mut words);
    check_places(store, header, &words, path)?;
    Ok(words)
}

/// Refuses words by which two zones have one slot, or one has a slot that is not in the file.
fn check_places(
    store: &dyn Store,
    header: &Header,
    words: &[u64],
    path: &Path,
) -> Result<(), Error> {
    if let Some((first, second)) = slots::shared(words) {
        let what = format!("zones {first} and {second} have the same slot for their data");
        return Err(corrupt(path, &what));
    }
    let needed = slots::length(header, words);
    let length = store.length().map_err(|e| Error::io("look at", path, e))?;
    if length < needed {
        return Err(truncated(path, length, needed));
    }
    Ok(())
}

/// Gives words of an image of version 1 their places: a zone's slot is where its LBAs are.
pub(crate) fn with_places(header: &Header, words: &mut [u64]) {
    if header.version != LINEAR {
        return;
    }
    for (zone, word) in (0..).zip(words) {
        if header.geometry.is_conventional(zone) || written(*word) > 0 {
            *word = placed(*word, zone + 1);
        }
    }
}
