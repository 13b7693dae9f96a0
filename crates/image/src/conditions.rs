//! Zones brought into a condition from outside, while nobody uses the image: where a test is to begin.

use std::io;
use std::ops::RangeInclusive;
use std::path::Path;
use std::sync::Arc;

use rustix::fs::OFlags;
use zoned::{place, placed, powered_off, written, Condition, Geometry};

use crate::file::open_regular;
use crate::header::{Access, Header};
use crate::live::{self, Boot};
use crate::lock::lock;
use crate::slots::{span, zero, zone_bytes, Slots};
use crate::state::{current_words, load, recover};
use crate::store::{FileStore, Store};
use crate::{table, Error, ErrorKind};

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
    let mut header = Header::read(&file, path, Access::Write)?;
    let geometry = header.geometry.clone();
    check_range(&geometry, &zones)?;
    let store = Arc::new(FileStore::new(file, false));
    let boot = Boot::current();
    let journal = load(&*store, &header, path)?;
    let mut words = current_words(&*store, &header, boot, journal, path)?;
    words.iter_mut().for_each(|word| *word = powered_off(*word));
    let mut changes = Vec::new();
    for zone in zones {
        let before = words[zone as usize];
        let left = units(&geometry, bytes, condition, before)?;
        let after = placed(word(&geometry, zone, condition, left)?, place(before));
        if after != before {
            changes.push(Change {
                zone,
                before,
                after,
            });
        }
    }
    let failed = |e| Error::io("change", path, e);
    let mut journal = recover(&*store, &mut header, boot, path)?;
    let stable = journal.words().iter().copied();
    let known = words.iter().copied().zip(stable);
    let slots = Slots::new(
        Arc::clone(&store) as Arc<dyn Store>,
        &header.layout,
        &geometry,
        (0..)
            .zip(known)
            .flat_map(|(zone, (live, stable))| [(zone, live), (zone, stable)]),
    );
    for change in &mut changes {
        change.place(&geometry, &slots).map_err(failed)?;
        words[change.zone as usize] = change.after;
        // Before a write pointer speaks of them.
        let (from, to) = (written(change.before), written(change.after));
        let (offset, length) = stretch(&header, change.zone, change.after, from, to);
        zero(&*store, offset, length).map_err(failed)?;
    }
    store.sync().map_err(failed)?;
    // Also of other zones: what a killed process left is in the live table only.
    let stable: Vec<_> = (0..)
        .zip(words.iter().copied())
        .filter(|&(zone, word)| journal.words()[zone as usize] != word)
        .collect();
    journal.commit(&*store, &stable).map_err(failed)?;
    table::write(&*store, header.layout.table, &words).map_err(failed)?;
    store.sync().map_err(failed)?;
    live::stamp(&*store, header.layout.journal.offset, None).map_err(failed)?;
    for change in &changes {
        let (from, to) = (written(change.after), written(change.before));
        let (offset, length) = stretch(&header, change.zone, change.before, from, to);
        if length > 0 {
            // Never read again, so space that stays taken does no harm.
            let _ = store.punch(offset, length);
        }
    }
    Ok(())
}

/// What becomes of a zone: its word before and after.
struct Change {
    zone: u32,
    before: u64,
    after: u64,
}

impl Change {
    /// Sees to it that the zone has a slot if something is written of it.
    fn place(&mut self, geometry: &Geometry, slots: &Slots) -> io::Result<()> {
        let after = self.after;
        let needs_none = || place(after) > 0 || written(after) == 0;
        let bytes = zone_bytes(geometry, self.zone);
        slots.give(bytes, false, needs_none, |place| {
            self.after = placed(after, place);
        })
    }
}

/// The place in the file, and the length, of write units `from` to `to` of a zone; nothing if that is backwards.
fn stretch(header: &Header, zone: u32, word: u64, from: u32, to: u32) -> (u64, u64) {
    let unit = u64::from(header.geometry.write_unit());
    let span = span(&header.layout, &header.geometry, zone, word).unwrap_or_default();
    (
        span.start + u64::from(from) * unit,
        u64::from(to.saturating_sub(from)) * unit,
    )
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
/// A conventional zone that failed is a possible state, and can be repaired, but not made: Linux refuses a disk with one
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
