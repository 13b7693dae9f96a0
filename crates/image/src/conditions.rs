//! Zones brought into a condition from outside, while nobody uses the image: where a test is to begin.

use std::io;
use std::ops::RangeInclusive;
use std::path::Path;

use rustix::fs::OFlags;
use zoned::{powered_off, written, Condition, Geometry};

use crate::file::open_regular;
use crate::header::{Access, Header};
use crate::live::{self, Boot};
use crate::lock::lock;
use crate::state::{current_words, load, recover};
use crate::store::{FileStore, Punched, Store};
use crate::{table, Error, ErrorKind};

/// Most zeroes written at a time where no hole can be made.
const CHUNK: u64 = 1 << 20;

/// Brings `zones` of the image at `path` into `condition`, with their first `bytes` bytes written.
///
/// Without `bytes` a zone holds what it holds now. `bytes` are whole physical blocks, on a host-aware disk whole logical
/// blocks. What was not written before reads as zeroes. All is stable
/// when this returns.
///
/// # Errors
/// `Invalid` for zones that the disk does not have, a condition that a zone cannot be in, or `bytes` that are
/// not whole blocks inside the zone; nothing is changed then. `InUse`, `NotAnImage`, `Version`,
/// `Corrupt`, `Truncated`, `NotFound`, `Permission`, `NoSpace`, `Io`.
pub fn set_zones(
    path: &Path,
    zones: RangeInclusive<u32>,
    condition: Condition,
    bytes: Option<u64>,
) -> Result<(), Error> {
    let file = open_regular(path, OFlags::RDWR)?;
    lock(&file, path)?;
    let header = Header::read(&file, path, Access::Write)?;
    let geometry = &header.geometry;
    check_range(geometry, &zones)?;
    let store = FileStore {
        file,
        temporary: false,
    };
    let boot = Boot::current();
    let journal = load(&store, &header, path)?;
    let words = current_words(&store, &header, boot, journal, path)?;
    let mut words: Vec<u64> = words.into_iter().map(powered_off).collect();
    let mut changes = Vec::new();
    for zone in zones {
        let before = words[zone as usize];
        let left = units(geometry, bytes, condition, before)?;
        let after = word(geometry, zone, condition, left)?;
        if after != before {
            let (before, after) = (written(before), after);
            changes.push(Change {
                zone,
                before,
                after,
            });
            words[zone as usize] = after;
        }
    }
    let failed = |e| Error::io("change", path, e);
    let mut journal = recover(&store, &header, boot, path)?;
    // Before a write pointer speaks of them.
    for change in &changes {
        let (offset, length) = change.stretch(&header, change.before, written(change.after));
        zero(&store, offset, length).map_err(failed)?;
    }
    store.sync().map_err(failed)?;
    // Also of other zones: what a killed process left is in the live table only.
    let stable: Vec<_> = (0..)
        .zip(words.iter().copied())
        .filter(|&(zone, word)| journal.words()[zone as usize] != word)
        .collect();
    journal.commit(&store, &stable).map_err(failed)?;
    table::write(&store, header.layout.table, &words).map_err(failed)?;
    store.sync().map_err(failed)?;
    live::stamp(&store, header.layout.journal.offset, None).map_err(failed)?;
    for change in &changes {
        let (offset, length) = change.stretch(&header, written(change.after), change.before);
        if length > 0 {
            // Never read again, so space that stays taken does no harm.
            let _ = store.punch(offset, length);
        }
    }
    Ok(())
}

/// What becomes of a zone.
struct Change {
    zone: u32,
    /// How much was written, in [`Geometry::write_unit`]s.
    before: u32,
    /// The new word.
    after: u64,
}

impl Change {
    /// The place in the file, and the length, of write units `from` to `to`; nothing if that is backwards.
    fn stretch(&self, header: &Header, from: u32, to: u32) -> (u64, u64) {
        let geometry = &header.geometry;
        let zone = u64::from(self.zone) * geometry.zone_blocks * u64::from(geometry.block_size);
        let size = u64::from(geometry.write_unit());
        let offset = header.layout.data.offset + zone + u64::from(from) * size;
        (offset, u64::from(to.saturating_sub(from)) * size)
    }
}

fn check_range(geometry: &Geometry, zones: &RangeInclusive<u32>) -> Result<(), Error> {
    if zones.is_empty() || *zones.end() >= geometry.zones() {
        let message = format!(
            "there are no zones {} to {}: the disk has {}, numbered from 0",
            zones.start(),
            zones.end(),
            geometry.zones()
        );
        return Err(invalid(
            message,
            "`zonevm disk zones --list` lists them".to_owned(),
        ));
    }
    Ok(())
}

/// How many write units the zone is to hold.
fn units(
    geometry: &Geometry,
    bytes: Option<u64>,
    condition: Condition,
    before: u64,
) -> Result<u32, Error> {
    let size = u64::from(geometry.write_unit());
    match bytes {
        None if condition == Condition::Empty => Ok(0),
        None => Ok(written(before)),
        Some(bytes) => match u32::try_from(bytes / size) {
            Ok(blocks) if bytes % size == 0 => Ok(blocks),
            _ => Err(invalid(
                format!("{bytes} bytes written: zones are written in blocks of {size} bytes"),
                format!("give a multiple of {size}, less than a zone"),
            )),
        },
    }
}

/// The word of `zone` in `condition`, with `left` write units written.
///
/// A conventional zone that failed is a possible state, and can be mended, but not made: Linux refuses a disk with one
/// (since 6.19; block/blk-zoned.c, "Invalid zone condition").
fn word(geometry: &Geometry, zone: u32, condition: Condition, left: u32) -> Result<u64, Error> {
    let word = zoned::word_of(geometry, zone, condition, left).map_err(|e| e.reason());
    let word = match word {
        Ok(_) if geometry.is_conventional(zone) && condition != Condition::NotWritePointer => {
            Err("Linux refuses a disk with a conventional zone in this condition")
        }
        word => word,
    };
    word.map_err(|reason| {
        invalid(
            format!("zone {zone} cannot be set: {reason}"),
            hint(geometry, zone),
        )
    })
}

fn invalid(message: String, hint: String) -> Error {
    Error::new(ErrorKind::Invalid, message, hint)
}

fn hint(geometry: &Geometry, zone: u32) -> String {
    if geometry.is_conventional(zone) {
        let sequential = geometry.conventional_zones;
        let last = geometry.zones() - 1;
        format!("a conventional zone is not-write-pointer, and nothing is written of it; zones {sequential}-{last} are sequential")
    } else {
        "a sequential zone is empty, closed (with some of it written, but not all), full, read-only or offline".to_owned()
    }
}

/// Makes a stretch read as zeroes.
fn zero(store: &dyn Store, offset: u64, length: u64) -> io::Result<()> {
    if length == 0 {
        return Ok(());
    }
    if let Punched::Yes = store.punch(offset, length)? {
        return Ok(());
    }
    for at in (0..length).step_by(CHUNK as usize) {
        let part = (length - at).min(CHUNK) as usize;
        store.write_at(offset + at, &vec![0; part])?;
    }
    Ok(())
}
