//! Repairs what can be repaired of an image. What is to be done is decided before anything is written.

use std::io;
use std::path::Path;

use rustix::fs::OFlags;

use crate::check::{Diagnosis, Finding};
use crate::file::open_regular;
use crate::header::{Access, Header};
use crate::journal::{look, newest_record, Journal, Slot};
use crate::live::{self, Boot};
use crate::lock::lock;
use crate::state::write_header;
use crate::store::{FileStore, Store};
use crate::{slots, table, Error, ErrorKind};

/// Mends all that is wrong with the image at `path`, or, with `dry_run`, says what it would do.
///
/// The answer is what was wrong, with what was done about it; empty: the image is whole. Data that can be
/// read stay so.
///
/// # Errors
/// `Corrupt`: some of it cannot be repaired, and the file was not changed. `InUse`, `NotAnImage`, `Version`,
/// `NotFound`, `Permission`, `NoSpace`, `Io`.
pub fn repair(path: &Path, dry_run: bool) -> Result<Vec<Finding>, Error> {
    let file = open_regular(path, OFlags::RDWR)?;
    lock(&file, path)?;
    let diagnosis = Diagnosis::of(&file, path, Access::Write, Boot::current())?;
    if let Some(lost) = diagnosis.findings.iter().find(|found| found.cure.is_none()) {
        let zone = lost
            .zone
            .map_or(String::new(), |zone| format!(", zone {zone}"));
        return Err(Error::new(
            ErrorKind::Corrupt,
            format!(
                "the image '{}' cannot be repaired: {}{zone}: {}",
                path.display(),
                lost.part,
                lost.problem
            ),
            "the file was left as it is; restore it from a snapshot, or create a new image",
        ));
    }
    let Some(header) = diagnosis
        .header
        .filter(|_| !diagnosis.findings.is_empty() && !dry_run)
    else {
        return Ok(diagnosis.findings);
    };
    let failed = |e| Error::io("repair", path, e);
    let length = file.metadata().map_err(failed)?.len();
    if length < diagnosis.length {
        file.set_len(diagnosis.length).map_err(failed)?;
    }
    let store = FileStore::new(file, false);
    if let Some(words) = diagnosis.words {
        write_state(&store, &header, words).map_err(failed)?;
    }
    for half in diagnosis.saved {
        slots::zero(&store, half.offset, half.size).map_err(failed)?;
    }
    write_header(&store, &header).map_err(failed)?;
    store.sync().map_err(failed)?;
    Ok(diagnosis.findings)
}

/// Makes `words` the live and the stable state, with two checkpoints, newer than all that is there.
fn write_state(store: &dyn Store, header: &Header, words: Vec<u64>) -> io::Result<()> {
    let layout = &header.layout;
    let mut newest = newest_record(store, layout)?;
    for slot in layout.checkpoints {
        if let Slot::Whole(generation) = look(store, slot, header.geometry.zones())? {
            newest = newest.max(generation);
        }
    }
    table::write(store, layout.table, &words)?;
    store.sync()?;
    let mut journal = Journal::create(store, layout, words, newest)?;
    journal.checkpoint(store)?;
    live::stamp(store, layout.journal.offset, None)
}
