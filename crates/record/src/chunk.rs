//! How a trace lies in its file: a sequence of chunks, each whole on its own.
//!
//! A chunk is the magic number, how many rows it has (u32), four zero bytes, and then the columns, one after
//! the other and without gaps. Numbers are little-endian. So a reader takes columns as they are, and a file
//! that ends in the middle of a chunk has all chunks before it.

const MAGIC: &[u8; 8] = b"zvtrace3";

/// Bytes that a row has of the command itself: all of a submission queue entry, and of a CDB of a fixed length.
pub(crate) const HEAD: usize = 64;

/// One command. All ones stand for "none" in `lba`, `blocks`, `zone`, `queue`, and what is of a device's time.
#[derive(Clone, Debug)]
pub(crate) struct Row {
    /// When the command came, in nanoseconds since 1970.
    pub time: u64,
    /// Nanoseconds until its answer.
    pub latency: u64,
    pub lba: u64,
    pub blocks: u64,
    /// Bytes moved.
    pub length: u64,
    /// Nanoseconds of a device's time before it began with the command, and with it.
    pub queued: u64,
    pub service: u64,
    /// The device's own time when it ended.
    pub virtual_time: u64,
    pub zone: u32,
    /// Sense key, ASC and ASCQ in the low three bytes.
    pub sense: u32,
    pub disk: u16,
    pub queue: u16,
    pub status: u16,
    /// The first letters of the protocol's name.
    pub protocol: [u8; 4],
    /// What the command is for: the place in [`command::Group`].
    pub group: u8,
    /// The first bytes of the command.
    pub head: [u8; HEAD],
}

/// Appends a chunk of these rows to `into`.
pub(crate) fn encode(rows: &[Row], into: &mut Vec<u8>) {
    into.extend(MAGIC);
    into.extend((rows.len() as u32).to_le_bytes());
    into.extend([0; 4]);
    for column in [
        |row: &Row| row.time,
        |row: &Row| row.latency,
        |row: &Row| row.lba,
        |row: &Row| row.blocks,
        |row: &Row| row.length,
        |row: &Row| row.queued,
        |row: &Row| row.service,
        |row: &Row| row.virtual_time,
    ] {
        into.extend(rows.iter().flat_map(|row| column(row).to_le_bytes()));
    }
    for column in [|row: &Row| row.zone, |row: &Row| row.sense] {
        into.extend(rows.iter().flat_map(|row| column(row).to_le_bytes()));
    }
    for column in [
        |row: &Row| row.disk,
        |row: &Row| row.queue,
        |row: &Row| row.status,
    ] {
        into.extend(rows.iter().flat_map(|row| column(row).to_le_bytes()));
    }
    into.extend(rows.iter().flat_map(|row| row.protocol));
    into.extend(rows.iter().map(|row| row.group));
    into.extend(rows.iter().flat_map(|row| row.head));
}
