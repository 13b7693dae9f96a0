//! A record that is read, also while it grows.

use std::collections::VecDeque;
use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::sync::{Arc, Mutex, PoisonError};

use crate::entry::{decode, length, Entry, Medium, Outcome, Submission, FIXED, LONGEST, MAGIC};
use crate::error::{Error, ErrorKind};
use crate::extents::Source;
use crate::index::Index;
use crate::payload::{chunk, Unread, CHUNK};

/// Chunks of data that are kept in memory.
const CHUNKS: usize = 64;
/// What is read at a time to find heads.
const WINDOW: usize = 16 << 10;

/// Where an entry is in the record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Position {
    pub number: u64,
    offset: u64,
}

impl Position {
    /// Of the first entry.
    pub fn first() -> Position {
        Position {
            number: 0,
            offset: MAGIC.len() as u64,
        }
    }
}

/// An entry with its place.
pub(crate) struct Found {
    pub position: Position,
    pub entry: Entry,
    /// Where its data are in the record, and how long they are there.
    pub data_at: u64,
    pub data: u64,
}

/// A record, up to the last entry that was whole when it was opened.
pub struct Reader {
    file: File,
    /// Behind the last entry.
    end: Position,
    index: Index,
    chunks: Mutex<VecDeque<Chunk>>,
}

/// A chunk in memory: where its data begin in the record, its number, its bytes.
type Chunk = ((u64, u64), Arc<[u8]>);

impl Reader {
    /// Opens a record, and looks through its entries once.
    ///
    /// # Errors
    /// `NotARecord`, `Io`.
    pub fn open(file: File) -> Result<Reader, Error> {
        let mut magic = MAGIC;
        let read = file.read_exact_at(&mut magic, 0);
        match read {
            Err(error) if error.kind() != io::ErrorKind::UnexpectedEof => {
                return Err(unread(&error))
            }
            Ok(()) if magic == MAGIC => {}
            _ => {
                return Err(Error::new(
                    ErrorKind::NotARecord,
                    "this is not a record of what was written to disks",
                    "give a file that zonevm run --record has made",
                ))
            }
        }
        let mut reader = Reader {
            file,
            end: Position::first(),
            index: Index::default(),
            chunks: Mutex::default(),
        };
        reader.grow()?;
        Ok(reader)
    }

    /// Looks for entries that have come since.
    ///
    /// # Errors
    /// `Io`.
    pub fn grow(&mut self) -> Result<(), Error> {
        let mut walk = Walk::new(&self.file, self.end);
        while let Some(found) = walk.next()? {
            self.end = walk.place();
            self.index.take(found.position.number, found.entry);
        }
        Ok(())
    }

    /// How many entries there are.
    pub fn entries(&self) -> u64 {
        self.end.number
    }

    /// The disks, in the order in which they were taken in.
    pub fn disks(&self) -> &[Medium] {
        &self.index.disks
    }

    /// The marks, each with the point just behind it.
    pub fn marks(&self) -> &[(u64, Box<str>)] {
        &self.index.marks
    }

    /// The points just behind the end of a flush, or of a write that was stable with it.
    pub fn flushes(&self) -> &[u64] {
        &self.index.flushes
    }

    /// How submission `number` ended, if it did.
    pub(crate) fn outcome(&self, number: u64) -> Option<Outcome> {
        self.index.outcome(number)
    }

    /// The submission there.
    pub(crate) fn submission(&self, place: Position) -> Result<Submission, Error> {
        match self.walk(place).known()?.entry {
            Entry::Submitted(submission) => Ok(submission),
            _ => Err(Error::damaged("the record is not what it was")),
        }
    }

    /// The entries from `place` on.
    pub(crate) fn walk(&self, place: Position) -> Walk<'_> {
        Walk::new(&self.file, place)
    }

    /// Fills `into` with blocks of `block` bytes from a source, which is no overlay; `None`: with zeroes.
    pub(crate) fn read(
        &self,
        source: Option<Source>,
        block: u64,
        into: &mut [u8],
    ) -> Result<(), Error> {
        match source {
            Some(Source::Record { at, skip }) => self.data(at, skip * block, into),
            Some(Source::Fill { at }) => {
                for each in into.chunks_mut(block as usize) {
                    self.data(at, 0, each)?;
                }
                Ok(())
            }
            Some(Source::Overlay) | None => {
                into.fill(0);
                Ok(())
            }
        }
    }

    /// All data that are kept at `at`.
    pub(crate) fn all(&self, at: u64) -> Result<Vec<u8>, Error> {
        let mut len = [0; 8];
        self.file
            .read_exact_at(&mut len, at)
            .map_err(|error| unread(&error))?;
        let mut bytes = vec![0; u64::from_le_bytes(len) as usize];
        self.data(at, 0, &mut bytes)?;
        Ok(bytes)
    }

    fn data(&self, at: u64, from: u64, into: &mut [u8]) -> Result<(), Error> {
        let mut done = 0;
        while done < into.len() {
            let offset = from + done as u64;
            let chunk = self.chunk(at, offset)?;
            let within = (offset % CHUNK as u64) as usize;
            let bytes = chunk.get(within..).filter(|bytes| !bytes.is_empty());
            let bytes = bytes.ok_or_else(damaged)?;
            let count = bytes.len().min(into.len() - done);
            into[done..done + count].copy_from_slice(&bytes[..count]);
            done += count;
        }
        Ok(())
    }

    fn chunk(&self, at: u64, offset: u64) -> Result<Arc<[u8]>, Error> {
        let name = (at, offset / CHUNK as u64);
        let chunks = || self.chunks.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((_, bytes)) = chunks().iter().find(|(other, _)| *other == name) {
            return Ok(Arc::clone(bytes));
        }
        let read = chunk(at, offset, |place, into| {
            self.file.read_exact_at(into, place)
        });
        let bytes = read.map_err(|why| match why {
            Unread::Io(error) => unread(&error),
            Unread::Damaged => damaged(),
        })?;
        let mut kept = chunks();
        if kept.len() == CHUNKS {
            kept.pop_front();
        }
        kept.push_back((name, Arc::clone(&bytes)));
        Ok(bytes)
    }
}

/// Entries one after the other.
pub(crate) struct Walk<'a> {
    file: &'a File,
    place: Position,
    /// How long the file was when that was asked last.
    size: u64,
    window: Vec<u8>,
    /// Where the window is in the record.
    window_at: u64,
}

impl<'a> Walk<'a> {
    fn new(file: &'a File, place: Position) -> Walk<'a> {
        Walk {
            file,
            place,
            size: 0,
            window: Vec::new(),
            window_at: place.offset,
        }
    }

    /// Where the next entry is.
    pub fn place(&self) -> Position {
        self.place
    }

    /// The next entry, if it is whole.
    pub fn next(&mut self) -> Result<Option<Found>, Error> {
        let Some(len) = length(self.look(FIXED)?) else {
            return Ok(None);
        };
        let Some(head) = decode(self.look(len)?) else {
            return Ok(None);
        };
        let data_at = self.place.offset + head.len;
        let Some(end) = data_at.checked_add(head.data) else {
            return Ok(None);
        };
        if end > self.size {
            let metadata = self.file.metadata().map_err(|error| unread(&error))?;
            self.size = metadata.len();
        }
        if head.number != self.place.number || end > self.size {
            return Ok(None);
        }
        let position = self.place;
        self.place = Position {
            number: head.number + 1,
            offset: end,
        };
        Ok(Some(Found {
            position,
            entry: head.entry,
            data_at,
            data: head.data,
        }))
    }

    /// The next entry, which was whole when the record was opened.
    pub fn known(&mut self) -> Result<Found, Error> {
        let found = self.next()?;
        found.ok_or_else(|| Error::damaged("the record is shorter than it was"))
    }

    /// The bytes from the next entry on: at least `len`, if there are so many.
    fn look(&mut self, len: usize) -> Result<&[u8], Error> {
        let within = |window: &Vec<u8>, at: u64, offset: u64| {
            let skipped = usize::try_from(offset.checked_sub(at)?).ok()?;
            (window.len() >= skipped + len).then_some(skipped)
        };
        if within(&self.window, self.window_at, self.place.offset).is_none() {
            self.window.resize(len.clamp(WINDOW, LONGEST), 0);
            let read = read_some(self.file, self.place.offset, &mut self.window);
            let read = read.map_err(|error| unread(&error))?;
            self.window.truncate(read);
            self.window_at = self.place.offset;
        }
        let skipped = (self.place.offset - self.window_at) as usize;
        Ok(self.window.get(skipped..).unwrap_or_default())
    }
}

/// Fills `into` as far as there is anything.
fn read_some(file: &File, offset: u64, into: &mut [u8]) -> io::Result<usize> {
    let mut done = 0;
    while done < into.len() {
        match file.read_at(&mut into[done..], offset + done as u64) {
            Ok(0) => break,
            Ok(read) => done += read,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(done)
}

fn unread(error: &io::Error) -> Error {
    Error::io("read the record", error)
}

fn damaged() -> Error {
    Error::damaged("data in the record are not what was written there")
}
