//! Where a command's data are in the client's memory: PRP and SGL (NVMe 1.4, 4.3 and 4.4).

use std::sync::Arc;

use memory::{Guest, Scatter};
use nvme::Status;
use vm_memory::{Bytes, GuestAddress};
use zoned::Data;

const PAGE: u64 = 4096;
/// Entries of a page of PRPs.
const ENTRIES: usize = (PAGE / 8) as usize;
/// The most SGL segments, and descriptors of all of them, that a command may have: more than what the largest transfer
/// needs in pages.
const MOST_SEGMENTS: usize = 64;
const MOST_DESCRIPTORS: usize = 1024;

/// The `len` bytes that go with a submission queue entry.
///
/// # Errors
/// The status of a command whose data are not where it says.
pub(crate) fn find(memory: &Arc<Guest>, entry: &[u8; 64], len: u64) -> Result<Scatter, Status> {
    let mut data = Scatter::of(Arc::clone(memory));
    if len == 0 {
        return Ok(data);
    }
    let number = |at: usize| u64::from_le_bytes(std::array::from_fn(|byte| entry[at + byte]));
    match entry[1] >> 6 {
        0b00 => pages(memory, number(24), number(32), len, &mut data)?,
        0b01 | 0b10 => segments(memory, Descriptor::of(&entry[24..40]), len, &mut data)?,
        _ => return Err(Status::INVALID_FIELD),
    }
    Ok(data)
}

/// PRPs: the first has an offset in its page, the others are whole pages, in a list if there are more than two.
fn pages(
    memory: &Arc<Guest>,
    first: u64,
    second: u64,
    len: u64,
    data: &mut Scatter,
) -> Result<(), Status> {
    if first % 4 != 0 {
        return Err(Status::INVALID_PRP_OFFSET);
    }
    let here = (PAGE - first % PAGE).min(len);
    push(data, first, here)?;
    let mut left = len - here;
    if left == 0 {
        return Ok(());
    }
    if left <= PAGE {
        return push_page(data, second, left);
    }
    if second % 8 != 0 {
        return Err(Status::INVALID_PRP_OFFSET);
    }
    let mut list = second;
    loop {
        let room = ((PAGE - list % PAGE) / 8) as usize;
        let needed = left.div_ceil(PAGE) as usize;
        // Where the list goes on, its last entry says where.
        let goes_on = needed > room;
        let mut entries = [0; ENTRIES * 8];
        let bytes = &mut entries[..8 * needed.min(room)];
        read(memory, list, bytes)?;
        let mut entries = bytes
            .chunks_exact(8)
            .map(|entry| u64::from_le_bytes(std::array::from_fn(|byte| entry[byte])));
        for _ in 0..needed.min(room) - usize::from(goes_on) {
            let address = entries.next().unwrap_or_default();
            push_page(data, address, left.min(PAGE))?;
            left -= left.min(PAGE);
        }
        match entries.next() {
            Some(next) if next % PAGE == 0 => list = next,
            Some(_) => return Err(Status::INVALID_PRP_OFFSET),
            None => return Ok(()),
        }
    }
}

fn push_page(data: &mut Scatter, address: u64, len: u64) -> Result<(), Status> {
    match address % PAGE {
        0 => push(data, address, len),
        _ => Err(Status::INVALID_PRP_OFFSET),
    }
}

fn push(data: &mut Scatter, address: u64, len: u64) -> Result<(), Status> {
    match data.push(GuestAddress(address), len as usize) {
        true => Ok(()),
        false => Err(Status::DATA_TRANSFER_ERROR),
    }
}

fn read(memory: &Arc<Guest>, address: u64, into: &mut [u8]) -> Result<(), Status> {
    let read = memory.map().read_slice(into, GuestAddress(address));
    read.map_err(|_| Status::DATA_TRANSFER_ERROR)
}

/// An SGL descriptor.
#[derive(Clone, Copy)]
struct Descriptor {
    address: u64,
    len: u64,
    /// Type, and subtype: of the latter only "an address" is known.
    kind: u8,
}

const DATA_BLOCK: u8 = 0x00;
const SEGMENT: u8 = 0x20;
const LAST_SEGMENT: u8 = 0x30;
const DESCRIPTOR: u64 = 16;

impl Descriptor {
    fn of(bytes: &[u8]) -> Descriptor {
        let number = |at: usize| u64::from_le_bytes(std::array::from_fn(|byte| bytes[at + byte]));
        Descriptor {
            address: number(0),
            len: number(8) & 0xFFFF_FFFF,
            kind: bytes[15],
        }
    }
}

/// SGLs: one data block, or segments of them. They have to be exactly as long as the data.
fn segments(
    memory: &Arc<Guest>,
    first: Descriptor,
    len: u64,
    data: &mut Scatter,
) -> Result<(), Status> {
    if first.kind == DATA_BLOCK {
        return end(data, first, len);
    }
    let (mut segment, mut descriptors) = (first, 0);
    for _ in 0..MOST_SEGMENTS {
        let count = segment.len / DESCRIPTOR;
        descriptors += count as usize;
        if !matches!(segment.kind, SEGMENT | LAST_SEGMENT) {
            return Err(Status::SGL_DESCRIPTOR_TYPE_INVALID);
        }
        if count == 0 || segment.len % DESCRIPTOR != 0 {
            return Err(Status::INVALID_SGL_SEGMENT_DESCRIPTOR);
        }
        if descriptors > MOST_DESCRIPTORS {
            return Err(Status::INVALID_NUMBER_OF_SGL_DESCRIPTORS);
        }
        let mut bytes = vec![0; segment.len as usize];
        read(memory, segment.address, &mut bytes)?;
        let (blocks, last) = bytes.split_at(bytes.len() - DESCRIPTOR as usize);
        for block in blocks.chunks_exact(DESCRIPTOR as usize) {
            add(data, Descriptor::of(block), len)?;
        }
        let last = Descriptor::of(last);
        match (segment.kind, last.kind) {
            (_, DATA_BLOCK) => return end(data, last, len),
            (SEGMENT, _) => segment = last,
            _ => return Err(Status::INVALID_SGL_SEGMENT_DESCRIPTOR),
        }
    }
    Err(Status::INVALID_NUMBER_OF_SGL_DESCRIPTORS)
}

/// The last data block.
fn end(data: &mut Scatter, block: Descriptor, len: u64) -> Result<(), Status> {
    add(data, block, len)?;
    match data.len() == len {
        true => Ok(()),
        false => Err(Status::DATA_SGL_LENGTH_INVALID),
    }
}

fn add(data: &mut Scatter, block: Descriptor, len: u64) -> Result<(), Status> {
    if block.kind != DATA_BLOCK {
        return Err(Status::SGL_DESCRIPTOR_TYPE_INVALID);
    }
    if data.len() + block.len > len {
        return Err(Status::DATA_SGL_LENGTH_INVALID);
    }
    match block.len {
        0 => Ok(()),
        bytes => push(data, block.address, bytes),
    }
}
