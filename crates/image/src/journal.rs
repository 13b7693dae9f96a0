//! The stable state of the zones: what they are after a crash of the host.
//!
//! A checkpoint is a copy of all zone words; the journal has what changed since. There are two checkpoints, of
//! which one is always whole; each has a generation, and the journal's records carry that of the checkpoint
//! which they add to. All numbers are little-endian.
//!
//! | checkpoint, byte | length | field |
//! |---|---|---|
//! | 0 | 8 | magic |
//! | 8 | 8 | generation |
//! | 16 | 4 | words |
//! | 20 | 4 | CRC-32C of the 20 bytes before and the words |
//! | 4096 | 8 each | words |
//!
//! | record, byte | length | field |
//! |---|---|---|
//! | 0 | 4 | CRC-32C of all bytes after this field, without the padding |
//! | 4 | 4 | entries |
//! | 8 | 8 | generation |
//! | 16 | 8 | place in the generation: 0, 1, ... |
//! | 24 | 16 each | entries: zone (4 bytes), zero (4), word (8) |
//! | | | padding to 512 bytes |
//!
//! A generation begins with a record without entries, which is written once its checkpoint is stable. So a
//! checkpoint that cannot be read was torn by a crash if there is no such record, and is damaged if there is.
//! A record is written only when the one before is stable: what does not check is the journal's end if nothing
//! of its generation comes after it, and damage otherwise.

use std::io;

use crc32c::{crc32c, crc32c_append};
use zoned::{check_word, Geometry};

use crate::bytes::{u32_at, u64_at};
use crate::layout::{Area, Layout, PAGE};
use crate::store::Store;
use crate::table;

const MAGIC: [u8; 8] = *b"\x89ZVCKPT\n";
/// What one write is atomic for. Records are aligned to it, so that none can tear another.
const SECTOR: usize = 512;
/// No image gets here: more is damage.
const MAX_GENERATION: u64 = u64::MAX >> 1;
const HEAD: usize = 24;
const ENTRY: usize = 16;

/// A zone and its word.
pub(crate) type Change = (u32, u64);

/// Why the stable state could not be read.
#[derive(Debug)]
pub(crate) enum Unreadable {
    Io(io::Error),
    /// It is damaged: in what way.
    Damaged(String),
}

impl From<io::Error> for Unreadable {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}

/// The stable state, as the store has it.
pub(crate) struct Journal {
    /// The zone words. No zone is open in them.
    words: Vec<u64>,
    generation: u64,
    /// The record to write next, and where.
    sequence: u64,
    at: u64,
    area: Area,
    checkpoints: [Area; 2],
    /// What the store has after the last record is not known: only a new checkpoint can follow.
    broken: bool,
}

impl Journal {
    /// Begins a stable state of `words` with a checkpoint, whose generation is the one after `generation`.
    pub fn create(
        store: &dyn Store,
        layout: &Layout,
        words: Vec<u64>,
        generation: u64,
    ) -> io::Result<Self> {
        let mut journal = Self::new(layout, words, generation);
        journal.checkpoint(store)?;
        Ok(journal)
    }

    /// Reads the stable state.
    pub fn load(
        store: &dyn Store,
        layout: &Layout,
        geometry: &Geometry,
    ) -> Result<Self, Unreadable> {
        let mut found: Vec<(u64, Area)> = Vec::new();
        for slot in layout.checkpoints {
            let whole = generation(store, slot, geometry.zones())?;
            found.extend(whole.map(|generation| (generation, slot)));
        }
        let newest = found.into_iter().max_by_key(|(generation, _)| *generation);
        let Some((generation, slot)) = newest else {
            let what = "neither copy of its zone table can be read";
            return Err(Unreadable::Damaged(what.to_owned()));
        };
        let words = table::read(store, words_of(slot), geometry)?;
        let mut journal = Self::new(layout, words, generation);
        journal.replay(store)?;
        for (zone, &word) in (0..).zip(&journal.words) {
            check_word(geometry, zone, word).map_err(|e| Unreadable::Damaged(e.to_string()))?;
        }
        Ok(journal)
    }

    /// A journal of which no record was read yet.
    fn new(layout: &Layout, words: Vec<u64>, generation: u64) -> Self {
        Self {
            words,
            generation,
            sequence: 0,
            at: 0,
            area: records(layout),
            checkpoints: layout.checkpoints,
            broken: false,
        }
    }

    /// The zone words.
    pub fn words(&self) -> &[u64] {
        &self.words
    }

    /// Changes the words, which are no longer what the store has: a checkpoint has to follow.
    pub fn change_words(&mut self, change: impl FnOnce(&mut [u64])) {
        change(&mut self.words);
    }

    /// From the checkpoint on, which has to follow, it is where `layout` has it: where it begins now.
    pub fn move_to(&mut self, layout: &Layout) {
        self.area = records(layout);
    }

    /// The zone words, which are all that is wanted of it.
    pub fn into_words(self) -> Vec<u64> {
        self.words
    }

    /// Makes changes stable. The data that they speak of have to be so already.
    ///
    /// After an error the words are as before, and the next call starts a new generation.
    pub fn commit(&mut self, store: &dyn Store, changes: &[Change]) -> io::Result<()> {
        if changes.is_empty() {
            return Ok(());
        }
        let record = encode(self.generation, self.sequence, changes);
        if self.broken || self.at + record.len() as u64 > self.area.size {
            let word = |&(zone, _): &Change| (zone, self.words[zone as usize]);
            let before: Vec<Change> = changes.iter().map(word).collect();
            self.apply(changes);
            return self.checkpoint(store).inspect_err(|_| self.apply(&before));
        }
        self.broken = true;
        store.write_stable(self.area.offset + self.at, &record)?;
        self.broken = false;
        self.at += record.len() as u64;
        self.sequence += 1;
        self.apply(changes);
        Ok(())
    }

    /// Writes a checkpoint and begins the journal anew.
    pub fn checkpoint(&mut self, store: &dyn Store) -> io::Result<()> {
        // Until the new generation has begun its journal, what a commit would add to is not known.
        self.broken = true;
        let generation = self.generation + 1;
        let slot = self.checkpoints[(generation % 2) as usize];
        write_checkpoint(store, slot, generation, &self.words)?;
        self.generation = generation;
        let begin = encode(generation, 0, &[]);
        store.write_stable(self.area.offset, &begin)?;
        (self.sequence, self.at) = (1, begin.len() as u64);
        self.broken = false;
        Ok(())
    }

    fn apply(&mut self, changes: &[Change]) {
        for &(zone, word) in changes {
            self.words[zone as usize] = word;
        }
    }

    fn replay(&mut self, store: &dyn Store) -> Result<(), Unreadable> {
        let mut area = vec![0; self.area.size as usize];
        store.read_at(self.area.offset, &mut area)?;
        let mut at = 0;
        while let Some(record) = Record::decode(&area[at..]) {
            if (record.generation, record.sequence) != (self.generation, self.sequence) {
                break;
            }
            if record
                .changes()
                .any(|(zone, _)| zone as usize >= self.words.len())
            {
                let what = "its journal names a zone that the disk does not have";
                return Err(Unreadable::Damaged(what.to_owned()));
            }
            let changes: Vec<Change> = record.changes().collect();
            at += record.length;
            self.apply(&changes);
            self.sequence += 1;
        }
        self.at = at as u64;
        let later = (at..area.len())
            .step_by(SECTOR)
            .filter_map(|at| Record::decode(&area[at..]))
            .any(|record| record.generation >= self.generation);
        if later {
            let what = format!(
                "record {} of generation {} of its journal cannot be read, and later ones can",
                self.sequence, self.generation
            );
            return Err(Unreadable::Damaged(what));
        }
        Ok(())
    }
}

/// What is in a checkpoint's place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Slot {
    /// Nothing yet.
    Blank,
    /// What does not check.
    Broken,
    /// A checkpoint of this generation.
    Whole(u64),
}

/// Looks at a checkpoint of `count` words.
pub(crate) fn look(store: &dyn Store, slot: Area, count: u32) -> io::Result<Slot> {
    if let Some(generation) = generation(store, slot, count)? {
        return Ok(Slot::Whole(generation));
    }
    let mut page = [0; PAGE as usize];
    store.read_at(slot.offset, &mut page)?;
    let blank = page.iter().all(|byte| *byte == 0);
    Ok(if blank { Slot::Blank } else { Slot::Broken })
}

/// The newest generation that any record in the journal has; 0 if there is none.
pub(crate) fn newest_record(store: &dyn Store, layout: &Layout) -> io::Result<u64> {
    let area = records(layout);
    let mut bytes = vec![0; area.size as usize];
    store.read_at(area.offset, &mut bytes)?;
    let records = (0..bytes.len())
        .step_by(SECTOR)
        .filter_map(|at| Record::decode(&bytes[at..]));
    Ok(records.map(|record| record.generation).max().unwrap_or(0))
}

/// The part of the journal area that holds records: the first page holds the live table's stamp.
fn records(layout: &Layout) -> Area {
    Area {
        offset: layout.journal.offset + PAGE,
        size: layout.journal.size - PAGE,
    }
}

/// Where a checkpoint's words are.
fn words_of(slot: Area) -> Area {
    Area {
        offset: slot.offset + PAGE,
        size: slot.size - PAGE,
    }
}

/// Writes a checkpoint; one that was only written in part does not check.
fn write_checkpoint(
    store: &dyn Store,
    slot: Area,
    generation: u64,
    words: &[u64],
) -> io::Result<()> {
    let mut bytes = vec![0; PAGE as usize];
    bytes[..8].copy_from_slice(&MAGIC);
    bytes[8..16].copy_from_slice(&generation.to_le_bytes());
    bytes[16..20].copy_from_slice(&(words.len() as u32).to_le_bytes());
    let parts = || words.chunks(table::AT_ONCE).map(table::encoded);
    let crc = parts().fold(crc32c(&bytes[..20]), |crc, part| crc32c_append(crc, &part));
    bytes[20..24].copy_from_slice(&crc.to_le_bytes());
    let mut at = slot.offset;
    for part in parts() {
        bytes.extend(part);
        store.write_stable(at, &bytes)?;
        at += bytes.len() as u64;
        bytes.clear();
    }
    Ok(())
}

/// The generation of the checkpoint of `count` words in `slot`, or `None` if it is not whole.
fn generation(store: &dyn Store, slot: Area, count: u32) -> io::Result<Option<u64>> {
    let mut page = [0; PAGE as usize];
    store.read_at(slot.offset, &mut page)?;
    let (generation, crc) = (u64_at(&page, 8), u32_at(&page, 20));
    if !page.starts_with(&MAGIC) || u32_at(&page, 16) != count || generation > MAX_GENERATION {
        return Ok(None);
    }
    let mut found = crc32c(&page[..20]);
    table::read_parts(store, words_of(slot).offset, count, |part| {
        found = crc32c_append(found, part);
    })?;
    Ok((found == crc).then_some(generation))
}

fn encode(generation: u64, sequence: u64, changes: &[Change]) -> Vec<u8> {
    let mut bytes = vec![0; 4];
    bytes.extend((changes.len() as u32).to_le_bytes());
    bytes.extend(generation.to_le_bytes());
    bytes.extend(sequence.to_le_bytes());
    for (zone, word) in changes {
        bytes.extend(u64::from(*zone).to_le_bytes());
        bytes.extend(word.to_le_bytes());
    }
    let crc = crc32c(&bytes[4..]);
    bytes[..4].copy_from_slice(&crc.to_le_bytes());
    bytes.resize(bytes.len().next_multiple_of(SECTOR), 0);
    bytes
}

/// A record that checks.
struct Record<'a> {
    generation: u64,
    sequence: u64,
    entries: &'a [u8],
    /// Bytes, with the padding.
    length: usize,
}

impl<'a> Record<'a> {
    fn decode(bytes: &'a [u8]) -> Option<Self> {
        let count = u32_at(bytes.get(..HEAD)?, 4) as usize;
        let end = HEAD.checked_add(count.checked_mul(ENTRY)?)?;
        let body = bytes.get(4..end)?;
        let whole = u32_at(bytes, 0) == crc32c(body) && u64_at(bytes, 8) <= MAX_GENERATION;
        whole.then(|| Self {
            generation: u64_at(bytes, 8),
            sequence: u64_at(bytes, 16),
            entries: &bytes[HEAD..end],
            length: end.next_multiple_of(SECTOR),
        })
    }

    fn changes(&self) -> impl Iterator<Item = Change> + '_ {
        let entries = self.entries.chunks_exact(ENTRY);
        entries.map(|entry| (u32_at(entry, 0), u64_at(entry, 8)))
    }
}
