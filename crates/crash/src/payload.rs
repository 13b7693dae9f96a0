//! The data of a submission as a record keeps them: compressed in chunks, so that a block is read without all of them.
//!
//! | byte | length | field |
//! |---|---|---|
//! | 0 | 8 | length of the data |
//! | 8 | 8 a chunk | its length here (4 bytes) and its CRC-32C (4 bytes) |
//! | | | the chunks: 64 KiB of the data each, the last with what is left, as an LZ4 block, or as they are where that would be no shorter |

use std::sync::Arc;

use crc32c::crc32c;

use crate::bytes::{Packer, Unpacker};

/// Bytes of a chunk's data.
pub(crate) const CHUNK: usize = 64 << 10;
/// Bytes of an entry of the table, and of what is before it.
const ROW: u64 = 8;

/// What is kept of `data`; nothing of none.
pub(crate) fn pack(data: &[u8]) -> Vec<u8> {
    if data.is_empty() {
        return Vec::new();
    }
    let mut packed = Packer::default();
    packed.u64(data.len() as u64);
    let mut chunks: Vec<u8> = Vec::with_capacity(data.len());
    for chunk in data.chunks(CHUNK) {
        let compressed = lz4_flex::block::compress(chunk);
        let kept = match compressed.len() < chunk.len() {
            true => &compressed[..],
            false => chunk,
        };
        packed.u32(kept.len() as u32).u32(crc32c(kept));
        chunks.extend(kept);
    }
    packed.0.extend(chunks);
    packed.0
}

/// What could not be read.
pub(crate) enum Unread {
    Io(std::io::Error),
    Damaged,
}

impl From<std::io::Error> for Unread {
    fn from(error: std::io::Error) -> Unread {
        Unread::Io(error)
    }
}

/// The chunk of byte `offset` of the data kept at `at`; `read_at` fills its argument from a place of the record.
pub(crate) fn chunk(
    at: u64,
    offset: u64,
    read_at: impl Fn(u64, &mut [u8]) -> std::io::Result<()>,
) -> Result<Arc<[u8]>, Unread> {
    let mut len = [0; ROW as usize];
    read_at(at, &mut len)?;
    let len = u64::from_le_bytes(len);
    let (number, chunks) = (offset / CHUNK as u64, len.div_ceil(CHUNK as u64));
    if number >= chunks {
        return Err(Unread::Damaged);
    }
    let mut table = vec![0; ((number + 1) * ROW) as usize];
    read_at(at + ROW, &mut table)?;
    let mut rows = Unpacker(&table);
    let mut place = at + ROW + chunks * ROW;
    let mut row = || rows.u32().zip(rows.u32()).ok_or(Unread::Damaged);
    for _ in 0..number {
        place += u64::from(row()?.0);
    }
    let (kept, crc) = row()?;
    let size = (len - number * CHUNK as u64).min(CHUNK as u64) as usize;
    if kept as usize > size {
        return Err(Unread::Damaged);
    }
    let mut bytes = vec![0; kept as usize];
    read_at(place, &mut bytes)?;
    if crc32c(&bytes) != crc {
        return Err(Unread::Damaged);
    }
    if bytes.len() < size {
        bytes = lz4_flex::block::decompress(&bytes, size).map_err(|_| Unread::Damaged)?;
    }
    match bytes.len() == size {
        true => Ok(bytes.into()),
        false => Err(Unread::Damaged),
    }
}
