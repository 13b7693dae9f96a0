//! Reads of which nothing is handed over: comparing, and trying whether it can be read. Through a buffer, piece by piece.

use memory::Scatter;
use zoned::{Data, Extent, Extents, Failed};

use super::reading::Unread;
use super::{Medium, CHUNK};
use crate::table::Table;

impl Medium {
    pub(super) fn compare(
        &self,
        table: &Table,
        extents: &Extents,
        from: &Scatter,
        moved: &mut u64,
    ) -> Result<(), Failed> {
        let mut medium = vec![0; CHUNK as usize];
        let mut sent = vec![0; CHUNK as usize];
        for piece in extents.iter().flat_map(chunks) {
            let (medium, sent) = (&mut medium[..piece.len], &mut sent[..piece.len]);
            self.fetch(table, piece, medium)?;
            *moved += from.read(*moved, sent) as u64;
            if let Some(first) = medium.iter().zip(&*sent).position(|(a, b)| a != b) {
                let offset = piece.offset + first as u64;
                return Err(Failed::Differs { offset });
            }
        }
        Ok(())
    }

    pub(super) fn try_reading(&self, table: &Table, extents: &Extents) -> Result<(), Failed> {
        let mut buffer = vec![0; CHUNK as usize];
        for piece in extents.iter().flat_map(chunks) {
            self.fetch(table, piece, &mut buffer[..piece.len])?;
        }
        Ok(())
    }

    fn fetch(&self, table: &Table, piece: Piece, into: &mut [u8]) -> Result<(), Failed> {
        if piece.zeroes {
            into.fill(0);
            return Ok(());
        }
        for part in self.parts(table, piece.offset, piece.len as u64) {
            let from = (part.offset - piece.offset) as usize;
            let into = &mut into[from..from + part.len as usize];
            match part.at {
                Some(at) => self.store.read_at(at, into).map_err(|error| {
                    let offset = part.offset;
                    self.failed(Unread { offset, error })
                })?,
                None => into.fill(0),
            }
        }
        Ok(())
    }
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
