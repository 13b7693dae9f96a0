//! The disk's data in the image's file: carries out the machine's I/O.

use std::io;
use std::sync::Arc;

use memory::Scatter;
use zoned::{Data, Extent, Extents, Failed, Op, PHYSICAL_BLOCK};

use crate::causes::Causes;
use crate::store::{Punched, Store};
use crate::undo::{Blocks, Undo};

/// Bytes handled at a time where data passes through a buffer of ours.
const CHUNK: u64 = 256 << 10;

/// The data area of an image.
pub(crate) struct Medium {
    store: Arc<dyn Store>,
    /// The store's offset of the medium's first byte.
    base: u64,
    /// The medium's first byte after what can be overwritten: the conventional zones, or all of a medium that is written
    /// anywhere.
    overwritable_end: u64,
    /// Bytes of a logical block.
    block: u64,
    /// Keeps what is overwritten, if anything does.
    undo: Option<Arc<Undo>>,
    causes: Arc<Causes>,
}

/// What became of an [`Op`]: how many bytes of the data were used, and why no more.
pub(crate) struct Done {
    pub moved: u64,
    pub result: Result<(), Failed>,
}

impl Medium {
    pub fn new(
        store: Arc<dyn Store>,
        base: u64,
        overwritable_end: u64,
        block: u64,
        undo: Option<Arc<Undo>>,
        causes: Arc<Causes>,
    ) -> Self {
        Self {
            store,
            base,
            overwritable_end,
            block,
            undo,
            causes,
        }
    }

    /// Puts blocks back that were overwritten.
    pub fn restore(&self, blocks: &Blocks) -> io::Result<()> {
        let zeroes = [0; PHYSICAL_BLOCK as usize];
        blocks.iter().try_for_each(|(number, data)| {
            let at = self.base + number * u64::from(PHYSICAL_BLOCK);
            self.store.write_at(at, data.as_deref().unwrap_or(&zeroes))
        })
    }

    /// Carries out `op` on `data`. To make anything stable is not its business.
    pub fn perform(&self, op: &Op, data: &Scatter) -> Done {
        let mut moved = 0;
        let result = match op {
            Op::Read { extents, .. } => self.read(extents, data, &mut moved),
            Op::Write {
                offset,
                len,
                skipped,
                ..
            } => self
                .skip(*offset, *skipped)
                .and_then(|()| self.write(*offset, *len, data, &mut moved)),
            Op::Fill {
                offset,
                len,
                skipped,
                ..
            } => {
                moved = data.len().min(self.block);
                self.skip(*offset, *skipped)
                    .and_then(|()| self.fill(*offset, *len, &data.to_vec(self.block)))
            }
            Op::Compare { extents } => self.compare(extents, data, &mut moved),
            Op::Verify { extents } => self.try_reading(extents),
            Op::Discard { ranges, .. } => {
                self.discard(ranges);
                Ok(())
            }
            Op::Flush | Op::Degrade { .. } => Ok(()),
            // No image has room for one yet.
            Op::Extension { .. } => Err(Failed::Lost),
        };
        Done { moved, result }
    }

    fn read(&self, extents: &Extents, into: &Scatter, moved: &mut u64) -> Result<(), Failed> {
        for extent in extents.iter() {
            match extent {
                Extent::Data { offset, len } => {
                    let read = all(len, |done| {
                        let place = self.base + offset + done;
                        self.store.read_some(place, into, *moved + done, len - done)
                    });
                    match read {
                        Ok(done) => *moved += done,
                        Err((done, error)) => {
                            *moved += done;
                            return Err(self.unread(offset + done, error));
                        }
                    }
                }
                Extent::Zeroes { len, .. } => *moved += into.fill_with_zeroes(*moved, len),
            }
        }
        Ok(())
    }

    fn write(&self, offset: u64, len: u64, from: &Scatter, moved: &mut u64) -> Result<(), Failed> {
        self.keep(offset, len)?;
        let done = all(len, |done| {
            let place = self.base + offset + done;
            self.store.write_some(place, from, done, len - done)
        });
        match done {
            Ok(done) => {
                *moved = done;
                Ok(())
            }
            Err((done, error)) => {
                *moved = done;
                Err(self.unwritten(offset + done, error))
            }
        }
    }

    fn unwritten(&self, offset: u64, error: io::Error) -> Failed {
        self.causes.note("write", error);
        Failed::Write { offset }
    }

    fn unread(&self, offset: u64, error: io::Error) -> Failed {
        self.causes.note("read", error);
        Failed::Read { offset }
    }

    /// Makes what a write at `offset` skips read as zeroes: a write that failed may have left anything there.
    fn skip(&self, offset: u64, skipped: u64) -> Result<(), Failed> {
        if skipped == 0 {
            return Ok(());
        }
        self.zero(offset - skipped, skipped)
    }

    /// Keeps what a write takes the place of.
    fn keep(&self, offset: u64, len: u64) -> Result<(), Failed> {
        match &self.undo {
            Some(undo) if offset < self.overwritable_end => undo
                .keep(&*self.store, self.base, offset, len)
                .map_err(|error| self.unwritten(offset, error)),
            _ => Ok(()),
        }
    }

    fn fill(&self, offset: u64, len: u64, block: &[u8]) -> Result<(), Failed> {
        self.keep(offset, len)?;
        if block.iter().all(|byte| *byte == 0) {
            return self.zero(offset, len);
        }
        let blocks = (CHUNK as usize / block.len()).max(1);
        self.write_again_and_again(offset, len, &block.repeat(blocks))
    }

    /// Makes a stretch read as zeroes, and gives its space back where the file system can.
    fn zero(&self, offset: u64, len: u64) -> Result<(), Failed> {
        let punched = self.store.punch(self.base + offset, len);
        match punched.map_err(|error| self.unwritten(offset, error))? {
            Punched::Yes => Ok(()),
            Punched::NotSupported => self.write_again_and_again(offset, len, &[0; CHUNK as usize]),
        }
    }

    fn discard(&self, ranges: &[(u64, u64)]) {
        for &(offset, len) in ranges {
            // Nothing above a write pointer is ever read, so space that stays taken does no harm.
            let _ = self.store.punch(self.base + offset, len);
        }
    }

    /// Writes `pattern` from its start on until `len` bytes are full.
    fn write_again_and_again(&self, offset: u64, len: u64, pattern: &[u8]) -> Result<(), Failed> {
        let mut at = offset;
        while at < offset + len {
            let count = (offset + len - at).min(pattern.len() as u64);
            self.store
                .write_at(self.base + at, &pattern[..count as usize])
                .map_err(|error| self.unwritten(at, error))?;
            at += count;
        }
        Ok(())
    }

    fn compare(&self, extents: &Extents, from: &Scatter, moved: &mut u64) -> Result<(), Failed> {
        let mut medium = vec![0; CHUNK as usize];
        let mut sent = vec![0; CHUNK as usize];
        for piece in extents.iter().flat_map(chunks) {
            let (medium, sent) = (&mut medium[..piece.len], &mut sent[..piece.len]);
            self.fetch(piece, medium)?;
            *moved += from.read(*moved, sent) as u64;
            if let Some(first) = medium.iter().zip(&*sent).position(|(a, b)| a != b) {
                let offset = piece.offset + first as u64;
                return Err(Failed::Differs { offset });
            }
        }
        Ok(())
    }

    fn try_reading(&self, extents: &Extents) -> Result<(), Failed> {
        let mut buffer = vec![0; CHUNK as usize];
        for piece in extents.iter().flat_map(chunks) {
            self.fetch(piece, &mut buffer[..piece.len])?;
        }
        Ok(())
    }

    fn fetch(&self, piece: Piece, into: &mut [u8]) -> Result<(), Failed> {
        if piece.zeroes {
            into.fill(0);
            return Ok(());
        }
        let read = self.store.read_at(self.base + piece.offset, into);
        read.map_err(|error| self.unread(piece.offset, error))
    }
}

/// Moves `len` bytes by `some`, which is given how many are done and moves more; if it cannot, how many were done, and
/// why no more.
fn all(len: u64, some: impl Fn(u64) -> io::Result<u64>) -> Result<u64, (u64, io::Error)> {
    let mut done = 0;
    while done < len {
        done += some(done).map_err(|error| (done, error))?;
    }
    Ok(done)
}

/// A part of an extent, at most [`CHUNK`] long.
#[derive(Clone, Copy)]
struct Piece {
    offset: u64,
    len: usize,
    zeroes: bool,
}

fn chunks(extent: Extent) -> impl Iterator<Item = Piece> {
    let (offset, len, zeroes) = match extent {
        Extent::Data { offset, len } => (offset, len, false),
        Extent::Zeroes { offset, len } => (offset, len, true),
    };
    (0..len).step_by(CHUNK as usize).map(move |at| Piece {
        offset: offset + at,
        len: (len - at).min(CHUNK) as usize,
        zeroes,
    })
}
