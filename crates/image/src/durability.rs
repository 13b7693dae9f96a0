//! What of a disk survives a crash of the host, and in which order it comes to do so.
//!
//! The data go first, then the words that speak of them: a stable write pointer is never above stable data. A
//! reset is the other way round: it is stable before a byte of the zone changes, or else the old words would
//! speak of new data. All happens under one lock, so that a later word is never made stable before an earlier.

use std::io;
use std::ops::Range;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use zoned::{cut_back, place, placed, written, Machine, Waits};

use crate::journal::{Change, Journal};
use crate::store::Store;
use crate::table::Table;
use crate::undo::Undo;

/// The stable state of a disk in use.
pub(crate) struct Durability {
    store: Arc<dyn Store>,
    journal: Mutex<Journal>,
    /// What was there before what is not stable yet; `None`: not kept.
    undo: Option<Arc<Undo>>,
}

impl Durability {
    pub fn new(store: Arc<dyn Store>, journal: Journal, undo: Option<Arc<Undo>>) -> Self {
        Self {
            store,
            journal: Mutex::new(journal),
            undo,
        }
    }

    /// Makes stable all data and words as they are now.
    ///
    /// After an error it is not known what is stable of what was not before.
    pub fn flush<W: Waits>(&self, machine: &Machine<Table, W>) -> io::Result<()> {
        let table = machine.table();
        let mut journal = self.journal();
        let zones = table.take_changed();
        let changes = pending(&journal, machine, &zones)?;
        let old = self.undo.as_ref().map(|undo| undo.take());
        let synced = self.store.sync();
        let stable = synced.and_then(|()| journal.commit(&*self.store, &changes));
        if stable.is_err() {
            mark_again(table, &zones);
            if let (Some(undo), Some(old)) = (&self.undo, old) {
                undo.put_back(old);
            }
        }
        stable
    }

    /// Makes the words of zones that were reset stable.
    pub fn reset<W: Waits>(&self, machine: &Machine<Table, W>, zones: &[u32]) -> io::Result<()> {
        let mut journal = self.journal();
        let changes = pending(&journal, machine, zones)?;
        journal.commit(&*self.store, &changes)
    }

    /// Makes the conditions of zones that failed stable, and no data: each keeps its stable write pointer.
    ///
    /// After an error the next flush does it.
    pub fn degrade(&self, table: &Table, zones: Range<u32>) -> io::Result<()> {
        let mut journal = self.journal();
        let words = zones.map(|zone| {
            let stable = journal.words()[zone as usize];
            let word = cut_back(table.word(zone), stable, written(stable));
            // A slot that it got since may be where the file does not yet end.
            (zone, placed(word, place(stable)))
        });
        let changes = changed(&journal, words);
        trusted(table)?;
        journal.commit(&*self.store, &changes)
    }

    /// Flushes, and leaves nothing in the journal.
    pub fn close<W: Waits>(&self, machine: &Machine<Table, W>) -> io::Result<()> {
        self.flush(machine)?;
        self.journal().checkpoint(&*self.store)
    }

    /// The stable words.
    pub fn words(&self) -> Vec<u64> {
        self.journal().words().to_vec()
    }

    fn journal(&self) -> MutexGuard<'_, Journal> {
        self.journal.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Those of `zones` whose stable words are not as the live ones would be without power.
fn pending<W: Waits>(
    journal: &Journal,
    machine: &Machine<Table, W>,
    zones: &[u32],
) -> io::Result<Vec<Change>> {
    let words = machine.snapshot(zones.iter().copied());
    let changes = changed(journal, words.into_iter());
    trusted(machine.table())?;
    Ok(changes)
}

/// Refuses what was read from a table of which a part is lost.
fn trusted(table: &Table) -> io::Result<()> {
    if table.lost() {
        return Err(io::Error::other("its zone table is not there any more"));
    }
    Ok(())
}

/// Those of `words` that are not as the stable ones.
fn changed(journal: &Journal, words: impl Iterator<Item = Change>) -> Vec<Change> {
    words
        .filter(|&(zone, word)| journal.words()[zone as usize] != word)
        .collect()
}

fn mark_again(table: &Table, zones: &[u32]) {
    use zoned::ZoneTable;
    zones.iter().for_each(|&zone| table.changed(zone));
}
