//! What a protocol keeps over power cycles: entries by number, in two halves of an area of the image.
//!
//! Each write has all entries, goes to the half that is older, and has a generation; the newer half that checks counts.
//! So a crash leaves what was saved before. All numbers are little-endian.
//!
//! | byte | length | field |
//! |---|---|---|
//! | 0 | 8 | magic |
//! | 8 | 8 | generation |
//! | 16 | 4 | length of the entries |
//! | 20 | 4 | CRC-32C of the 20 bytes before and the entries |
//! | 24 | | entries: kind (4), length (4), data, padded to 8 |

use std::collections::BTreeMap;
use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crc32c::{crc32c, crc32c_append};

use crate::bytes::{u32_at, u64_at};
use crate::layout::Area;
use crate::store::Store;

const MAGIC: [u8; 8] = *b"\x89ZVSAVE\n";
const HEAD: usize = 24;

type Entries = BTreeMap<u32, Vec<u8>>;

/// The entries of an open image.
pub(crate) struct Saved {
    store: Arc<dyn Store>,
    area: Area,
    live: Mutex<Live>,
    /// Held while a half is written.
    stable: Mutex<Stable>,
}

/// The entries as they are.
struct Live {
    entries: Entries,
    /// How often they were changed.
    changes: u64,
}

/// What the newest half has.
struct Stable {
    generation: u64,
    /// How many of the changes.
    changes: u64,
}

/// A change that is to be written: its number.
pub(crate) struct Change(u64);

/// What one half has.
enum Half {
    Empty,
    Whole(u64, Entries),
    Broken,
}

impl Saved {
    /// Reads what is there. What does not check is not.
    pub fn load(store: Arc<dyn Store>, area: Area) -> io::Result<Saved> {
        let mut newest = (0, Entries::new());
        for half in halves(area) {
            if let Half::Whole(generation, entries) = read(&*store, half)? {
                if generation > newest.0 {
                    newest = (generation, entries);
                }
            }
        }
        let (generation, entries) = newest;
        Ok(Saved {
            store,
            area,
            live: Mutex::new(Live {
                entries,
                changes: 0,
            }),
            stable: Mutex::new(Stable {
                generation,
                changes: 0,
            }),
        })
    }

    /// The entry of this kind; nothing where there is none.
    pub fn get(&self, kind: u32) -> Vec<u8> {
        let live = locked(&self.live);
        live.entries.get(&kind).cloned().unwrap_or_default()
    }

    /// Whether it has no entries.
    pub fn is_empty(&self) -> bool {
        locked(&self.live).entries.is_empty()
    }

    /// Changes an entry, which is not written yet.
    pub fn put(&self, kind: u32, entry: Vec<u8>) -> Change {
        let mut live = locked(&self.live);
        live.entries.insert(kind, entry);
        live.changes += 1;
        Change(live.changes)
    }

    /// Makes a change stable, and with it all that were made before.
    pub fn write(&self, Change(change): Change) -> io::Result<()> {
        let mut stable = locked(&self.stable);
        if stable.changes >= change {
            return Ok(());
        }
        let generation = stable.generation + 1;
        let (bytes, changes) = {
            let live = locked(&self.live);
            (encode(generation, &live.entries), live.changes)
        };
        let half = halves(self.area)[(generation % 2) as usize];
        if bytes.len() as u64 > half.size {
            return Err(io::Error::other("its area for settings is too small"));
        }
        self.store.write_stable(half.offset, &bytes)?;
        *stable = Stable {
            generation,
            changes,
        };
        Ok(())
    }
}

/// The halves that neither check nor are empty: damaged, or torn by a crash.
pub(crate) fn broken(store: &dyn Store, area: Area) -> io::Result<Vec<Area>> {
    let mut found = Vec::new();
    for half in halves(area) {
        if matches!(read(store, half)?, Half::Broken) {
            found.push(half);
        }
    }
    Ok(found)
}

/// The half of even generations and that of odd ones; both are empty where there is no area.
fn halves(area: Area) -> [Area; 2] {
    let size = area.size / 2;
    [0, 1].map(|half| Area {
        offset: area.offset + half * size,
        size,
    })
}

fn read(store: &dyn Store, half: Area) -> io::Result<Half> {
    let mut bytes = vec![0; half.size as usize];
    if !bytes.is_empty() {
        store.read_at(half.offset, &mut bytes)?;
    }
    Ok(match decode(&bytes) {
        Some((generation, entries)) => Half::Whole(generation, entries),
        None if bytes.iter().all(|&byte| byte == 0) => Half::Empty,
        None => Half::Broken,
    })
}

fn encode(generation: u64, entries: &Entries) -> Vec<u8> {
    let mut body = Vec::new();
    for (kind, entry) in entries {
        body.extend(kind.to_le_bytes());
        body.extend((entry.len() as u32).to_le_bytes());
        body.extend(entry);
        body.resize(body.len().next_multiple_of(8), 0);
    }
    let mut bytes = MAGIC.to_vec();
    bytes.extend(generation.to_le_bytes());
    bytes.extend((body.len() as u32).to_le_bytes());
    bytes.extend(crc32c_append(crc32c(&bytes), &body).to_le_bytes());
    bytes.extend(body);
    bytes
}

fn decode(bytes: &[u8]) -> Option<(u64, Entries)> {
    let (head, rest) = bytes.split_at_checked(HEAD)?;
    let mut body = rest.get(..u32_at(head, 16) as usize)?;
    let checks = u32_at(head, 20) == crc32c_append(crc32c(&head[..20]), body);
    if head[..8] != MAGIC || !checks {
        return None;
    }
    let mut entries = Entries::new();
    while !body.is_empty() {
        let (fields, data) = body.split_at_checked(8)?;
        let len = u32_at(fields, 4) as usize;
        entries.insert(u32_at(fields, 0), data.get(..len)?.to_vec());
        body = data.get(len.next_multiple_of(8)..)?;
    }
    Some((u64_at(head, 8), entries))
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests;
