//! A disk made larger or smaller at its end.
//!
//! The zone tables grow with the disk, and the data may have to move: so a new image is made, with the same
//! identity, and takes the old one's place when it is complete. Its data are in its first slots.

use std::fs::File;
use std::io;
use std::path::Path;

use rustix::fs::OFlags;
use zoned::{check_word, fresh_word, place, placed, powered_off, written, Geometry};

use crate::attributes::keep;
use crate::copying::{copy, next_data, Progress, Stretch};
use crate::file::{open_regular, replace};
use crate::header::{Access, Header, VERSION};
use crate::journal::Journal;
use crate::layout::Layout;
use crate::live::Boot;
use crate::lock::lock;
use crate::state::{allocate, current_words, load, write_header};
use crate::store::{FileStore, Store};
use crate::{slots, table, Error, ErrorKind};

/// Makes the disk of the image at `path` `bytes` long.
///
/// New zones are empty. Owner, mode and extended attributes of the file stay. A last zone that was smaller than the others grows, and keeps its condition.
///
/// # Errors
/// `Invalid` for a size that cannot be, or where data would be lost. `InUse`, `NotAnImage`, `Version`, `Corrupt`,
/// `Truncated`, `NotFound`, `Permission`, `NoSpace`, `TooLarge`, `Io`. The image is as it was then.
pub fn resize(path: &Path, bytes: u64, progress: Progress<'_>) -> Result<(), Error> {
    let source = open_regular(path, OFlags::RDWR)?;
    lock(&source, path)?;
    let old = Header::read(&source, path, Access::Write)?;
    let failed = |e| Error::io("resize", path, e);
    let from = FileStore::new(source.try_clone().map_err(failed)?, false);
    let journal = load(&from, &old, path)?;
    let old_words = current_words(&from, &old, Boot::current(), journal, path)?;
    let geometry = resized(&old.geometry, bytes)?;
    let mut words: Vec<u64> = old_words.iter().copied().map(powered_off).collect();
    fit(&geometry, &mut words)?;
    keeps_conventional(&source, &old, &old_words, &geometry).map_err(|held| match held {
        Held::Data(zone) => beyond(&geometry, zone, "choose a larger size"),
        Held::Unknown(error) => failed(error),
    })?;
    let used = words.iter_mut().filter(|word| place(**word) > 0);
    (1..)
        .zip(used)
        .for_each(|(place, word)| *word = placed(*word, place));
    let new = Header {
        version: VERSION,
        layout: Layout::new(&geometry)?,
        geometry,
        ..old.clone()
    };
    let areas = [
        (old.layout.extensions, new.layout.extensions),
        (old.layout.saved, new.layout.saved),
    ];
    let kept = areas.map(|(from, to)| Stretch {
        from: from.offset,
        to: to.offset,
        length: from.size.min(to.size),
    });
    let stretches = || {
        let pairs = (0..).zip(old_words.iter().zip(&words));
        let data = pairs.filter_map(|(zone, (&before, &after))| {
            let from = slots::span(&old.layout, &old.geometry, zone, before)?;
            let to = slots::span(&new.layout, &new.geometry, zone, after)?;
            Some(Stretch {
                from: from.start,
                to: to.start,
                length: (from.end - from.start).min(to.end - to.start),
            })
        });
        kept.into_iter().chain(data)
    };
    replace(path, failed, |target| {
        keep(&source, target, path)?;
        allocate(target, &new.layout).map_err(failed)?;
        let length = slots::length(&new, &words);
        target.set_len(length).map_err(failed)?;
        copy(&source, target, stretches, progress).map_err(failed)?;
        let store = FileStore::new(target.try_clone().map_err(failed)?, false);
        table::write(&store, new.layout.table, &words).map_err(failed)?;
        Journal::create(&store, &new.layout, words.clone(), 0).map_err(failed)?;
        write_header(&store, &new).map_err(failed)?;
        store.sync().map_err(failed)
    })
}

fn resized(geometry: &Geometry, bytes: u64) -> Result<Geometry, Error> {
    let block = u64::from(geometry.block_size);
    let invalid = |message| Error::new(ErrorKind::Invalid, message, "");
    if bytes % block != 0 {
        return Err(invalid(format!(
            "size is {bytes} bytes; it must be a multiple of the block size, {block}"
        )));
    }
    let blocks = bytes / block;
    let has_sequential = geometry.conventional_zones < geometry.zones();
    let geometry = Geometry {
        blocks,
        conventional_zones: match has_sequential {
            true => geometry.conventional_zones,
            // Too many for a number are refused for what they are.
            false => u32::try_from(blocks.div_ceil(geometry.zone_blocks)).unwrap_or(u32::MAX),
        },
        ..geometry.clone()
    };
    geometry.validate().map_err(|e| invalid(e.to_string()))?;
    Ok(geometry)
}

fn beyond(geometry: &Geometry, zone: u32, hint: impl Into<String>) -> Error {
    let message = format!("zone {zone} holds data beyond {} bytes", geometry.bytes());
    Error::new(ErrorKind::Invalid, message, hint)
}

/// Why conventional zones may lose something.
enum Held {
    /// Data of this zone are beyond the end.
    Data(u32),
    Unknown(io::Error),
}

/// Checks that no conventional zone has data beyond the end of a disk of this geometry. They have no write pointer
/// that would tell: the file does, by its holes.
fn keeps_conventional(
    source: &File,
    old: &Header,
    words: &[u64],
    geometry: &Geometry,
) -> Result<(), Held> {
    for zone in 0..old.geometry.conventional_zones {
        let Some(held) = slots::span(&old.layout, &old.geometry, zone, words[zone as usize]) else {
            continue;
        };
        let stays = match zone < geometry.zones() {
            true => geometry.span(zone),
            false => 0..0,
        };
        let end = held.start + geometry.to_bytes(stays.end - stays.start);
        if end >= held.end {
            continue;
        }
        let (data, _) = next_data(source, end, held.end).map_err(Held::Unknown)?;
        if data < held.end {
            return Err(Held::Data(zone));
        }
    }
    Ok(())
}

/// Makes the words those of a disk that was resized, unless it would lose what is written.
fn fit(geometry: &Geometry, words: &mut Vec<u64>) -> Result<(), Error> {
    let count = geometry.zones() as usize;
    let fits = |(zone, word): &(u32, u64)| match (*zone as usize) < count {
        // The place comes later.
        true => check_word(geometry, *zone, placed(*word, 0)).is_ok(),
        false => written(*word) == 0,
    };
    let lost = (0..).zip(words.iter().copied()).find(|zone| !fits(zone));
    if let Some((zone, _)) = lost {
        let hint =
            format!("choose a larger size, or empty it: `zonevm disk zone set FILE {zone} empty`");
        return Err(beyond(geometry, zone, hint));
    }
    words.truncate(count);
    words.extend((words.len()..count).map(|zone| fresh_word(geometry, zone as u32)));
    Ok(())
}
