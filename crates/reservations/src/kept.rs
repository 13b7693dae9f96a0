//! A table as bytes, to be kept over power cycles.
//!
//! | byte | field |
//! |---|---|
//! | 0 | 1: the format |
//! | 1 | what is reserved: 0 nothing, else 1 + the place in [`Kind::ALL`] |
//! | 2 | who reserved; 0 where all registrants hold it |
//! | 3 | how many registrants |
//! | 4 | registrants, by number: the number (1), the key (8, little-endian) |

use crate::table::{Kind, Reservation, Table, MOST_REGISTRANTS};

/// Under which number disks keep a table, whatever protocol has it.
pub const KEPT_AS: u32 = 4;

const FORMAT: u8 = 1;
const HEADER: usize = 4;
const ENTRY: usize = 9;

impl Table {
    /// What is to be kept: nothing, if nothing persists.
    pub fn to_keep(&self) -> Vec<u8> {
        if !self.persists {
            return Vec::new();
        }
        let kind = self.reservation.map_or(0, |held| {
            1 + Kind::ALL
                .iter()
                .take_while(|&&kind| kind != held.kind)
                .count()
        });
        let holder = self.reservation.and_then(|held| held.holder).unwrap_or(0);
        let mut bytes = vec![FORMAT, kind as u8, holder, self.keys.len() as u8];
        for (initiator, key) in self.registrants() {
            bytes.push(initiator);
            bytes.extend(key.to_le_bytes());
        }
        bytes
    }

    /// Power on, with what was kept. Bytes that no table can have are none.
    pub fn from_kept(bytes: &[u8]) -> Table {
        read(bytes).unwrap_or_default()
    }
}

fn read(bytes: &[u8]) -> Option<Table> {
    let (&[format, kind, holder, count], entries) = bytes.split_first_chunk::<HEADER>()?;
    if format != FORMAT || entries.len() != usize::from(count) * ENTRY {
        return None;
    }
    let mut table = Table {
        persists: true,
        ..Table::default()
    };
    for entry in entries.chunks_exact(ENTRY) {
        let (initiator, key) = (entry[0], u64::from_le_bytes(entry[1..].try_into().ok()?));
        let is_wrong = key == 0 || usize::from(initiator) >= MOST_REGISTRANTS;
        if is_wrong || table.keys.insert(initiator, key).is_some() {
            return None;
        }
    }
    if kind == 0 {
        return Some(table);
    }
    let kind = *Kind::ALL.get(usize::from(kind) - 1)?;
    let holder = (!kind.is_of_all()).then_some(holder);
    table.reservation = Some(Reservation { kind, holder });
    let is_held = holder.map_or(!table.keys.is_empty(), |holder| {
        table.keys.contains_key(&holder)
    });
    is_held.then_some(table)
}
