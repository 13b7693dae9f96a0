//! The disk's data in the image's file: carries out the model's I/O.

use std::sync::Arc;

use vm_memory::VolatileSlice;
use zbc::{Extent, Fault, Op, PHYSICAL_BLOCK};

use crate::slices::{Cursor, FailedAfter};
use crate::store::{Punched, Store};
use crate::undo::{Blocks, Undo};

/// Bytes handled at a time where data passes through a buffer of ours.
const CHUNK: u64 = 256 << 10;

/// The data area of an image.
pub(crate) struct Medium {
    store: Arc<dyn Store>,
    /// The store's offset of the medium's first byte.
    base: u64,
    /// The medium's first byte after what can be overwritten: the conventional zones, or all of a host-aware disk.
    overwritable_end: u64,
    /// Keeps what is overwritten, if anything does.
    undo: Option<Arc<Undo>>,
}

/// What became of an [`Op`].
pub(crate) struct Done {
    pub result: Result<(), Fault>,
    /// Data-in bytes.
    pub written: u64,
    /// Data-out bytes.
    pub consumed: u64,
}

impl Medium {
    pub fn new(
        store: Arc<dyn Store>,
        base: u64,
        overwritable_end: u64,
        undo: Option<Arc<Undo>>,
    ) -> Self {
        Self {
            store,
            base,
            overwritable_end,
            undo,
        }
    }

    /// Puts blocks back that were overwritten.
    pub fn restore(&self, blocks: &Blocks) -> std::io::Result<()> {
        let zeroes = [0; PHYSICAL_BLOCK as usize];
        blocks.iter().try_for_each(|(number, data)| {
            let at = self.base + number * u64::from(PHYSICAL_BLOCK);
            self.store.write_at(at, data.as_deref().unwrap_or(&zeroes))
        })
    }

    /// Carries out `op`, with the data from `out` or into `into`. To make anything stable is not its business.
    pub fn perform(&self, op: &Op, out: &[VolatileSlice<'_>], into: &[VolatileSlice<'_>]) -> Done {
        let mut done = Done {
            result: Ok(()),
            written: 0,
            consumed: 0,
        };
        done.result = match op {
            Op::Read { extents, .. } => self.read(extents, Cursor::new(into), &mut done.written),
            Op::Write {
                offset,
                len,
                skipped,
                ..
            } => self
                .skip(*offset, *skipped)
                .and_then(|()| self.write(*offset, *len, Cursor::new(out), &mut done.consumed)),
            Op::WriteSame {
                offset,
                len,
                skipped,
                block,
                ..
            } => {
                done.consumed = block.len() as u64;
                self.skip(*offset, *skipped)
                    .and_then(|()| self.write_same(*offset, *len, block))
            }
            Op::Verify {
                extents,
                compare: true,
            } => self.compare(extents, Cursor::new(out), &mut done.consumed),
            Op::Verify {
                extents,
                compare: false,
            } => self.try_reading(extents),
            Op::Flush => Ok(()),
            Op::Discard { ranges, .. } => {
                self.discard(ranges);
                Ok(())
            }
        };
        done
    }

    fn read(
        &self,
        extents: &[Extent],
        mut into: Cursor<'_>,
        written: &mut u64,
    ) -> Result<(), Fault> {
        for extent in extents {
            match *extent {
                Extent::Data { offset, len } => {
                    into.read_from(&*self.store, self.base + offset, len)
                        .map_err(|FailedAfter(done)| {
                            *written += done;
                            Fault::Read {
                                offset: offset + done,
                            }
                        })?;
                    *written += len;
                }
                Extent::Zeroes { len, .. } => *written += into.fill_with_zeroes(len),
            }
        }
        Ok(())
    }

    fn write(
        &self,
        offset: u64,
        len: u64,
        mut out: Cursor<'_>,
        consumed: &mut u64,
    ) -> Result<(), Fault> {
        self.keep(offset, len)?;
        let result = out.write_to(&*self.store, self.base + offset, len);
        *consumed = result.map_or_else(|FailedAfter(done)| done, |()| len);
        result.map_err(|FailedAfter(done)| Fault::Write {
            offset: offset + done,
        })
    }

    /// Makes what a write at `offset` skips read as zeroes: a write that failed may have left anything there.
    fn skip(&self, offset: u64, skipped: u64) -> Result<(), Fault> {
        if skipped == 0 {
            return Ok(());
        }
        self.zero(offset - skipped, skipped)
    }

    /// Keeps what a write takes the place of.
    fn keep(&self, offset: u64, len: u64) -> Result<(), Fault> {
        match &self.undo {
            Some(undo) if offset < self.overwritable_end => undo
                .keep(&*self.store, self.base, offset, len)
                .map_err(|_| Fault::Write { offset }),
            _ => Ok(()),
        }
    }

    fn write_same(&self, offset: u64, len: u64, block: &[u8]) -> Result<(), Fault> {
        self.keep(offset, len)?;
        if block.iter().all(|byte| *byte == 0) {
            return self.zero(offset, len);
        }
        let blocks = (CHUNK as usize / block.len()).max(1);
        self.write_again_and_again(offset, len, &block.repeat(blocks))
    }

    /// Makes a stretch read as zeroes, and gives its space back where the file system can.
    fn zero(&self, offset: u64, len: u64) -> Result<(), Fault> {
        match self.punch(offset, len)? {
            Punched::Yes => Ok(()),
            Punched::NotSupported => self.write_again_and_again(offset, len, &[0; CHUNK as usize]),
        }
    }

    fn discard(&self, ranges: &[(u64, u64)]) {
        for &(offset, len) in ranges {
            // Nothing above a write pointer is ever read, so space that stays taken does no harm.
            let _ = self.punch(offset, len);
        }
    }

    fn punch(&self, offset: u64, len: u64) -> Result<Punched, Fault> {
        let punched = self.store.punch(self.base + offset, len);
        punched.map_err(|_| Fault::Write { offset })
    }

    /// Writes `pattern` from its start on until `len` bytes are full.
    fn write_again_and_again(&self, offset: u64, len: u64, pattern: &[u8]) -> Result<(), Fault> {
        let mut at = offset;
        while at < offset + len {
            let count = (offset + len - at).min(pattern.len() as u64);
            self.store
                .write_at(self.base + at, &pattern[..count as usize])
                .map_err(|_| Fault::Write { offset: at })?;
            at += count;
        }
        Ok(())
    }

    fn compare(
        &self,
        extents: &[Extent],
        mut out: Cursor<'_>,
        consumed: &mut u64,
    ) -> Result<(), Fault> {
        let mut medium = vec![0; CHUNK as usize];
        let mut sent = vec![0; CHUNK as usize];
        for piece in extents.iter().flat_map(chunks) {
            let (medium, sent) = (&mut medium[..piece.len], &mut sent[..piece.len]);
            self.fetch(piece, medium)?;
            *consumed += out.read(sent) as u64;
            if let Some(first) = medium.iter().zip(&*sent).position(|(a, b)| a != b) {
                let offset = piece.offset + first as u64;
                return Err(Fault::Miscompare { offset });
            }
        }
        Ok(())
    }

    fn try_reading(&self, extents: &[Extent]) -> Result<(), Fault> {
        let mut buffer = vec![0; CHUNK as usize];
        for piece in extents.iter().flat_map(chunks) {
            self.fetch(piece, &mut buffer[..piece.len])?;
        }
        Ok(())
    }

    fn fetch(&self, piece: Piece, into: &mut [u8]) -> Result<(), Fault> {
        if piece.zeroes {
            into.fill(0);
            return Ok(());
        }
        self.store
            .read_at(self.base + piece.offset, into)
            .map_err(|_| Fault::Read {
                offset: piece.offset,
            })
    }
}

/// A part of an extent, at most [`CHUNK`] long.
#[derive(Clone, Copy)]
struct Piece {
    offset: u64,
    len: usize,
    zeroes: bool,
}

fn chunks(extent: &Extent) -> impl Iterator<Item = Piece> {
    let (offset, len, zeroes) = match *extent {
        Extent::Data { offset, len } => (offset, len, false),
        Extent::Zeroes { offset, len } => (offset, len, true),
    };
    (0..len).step_by(CHUNK as usize).map(move |at| Piece {
        offset: offset + at,
        len: (len - at).min(CHUNK) as usize,
        zeroes,
    })
}
