//! Whether the zone state can be read, and what each zone's word is.

use std::io;

use zoned::{check_word, place, powered_off, written_bytes, Geometry};

use super::findings::Findings;
use crate::header::Header;
use crate::journal::{look, Journal, Slot, Unreadable};
use crate::live::{self, Boot, Stamp};
use crate::store::Store;
use crate::table;

/// Looks at the zone state; the zone words, or `None` where they cannot be known.
pub(super) fn state(
    found: &mut Findings,
    store: &dyn Store,
    header: &Header,
    boot: Option<Boot>,
) -> io::Result<Option<Vec<u64>>> {
    let Header {
        layout, geometry, ..
    } = header;
    let slots = ["checkpoint A", "checkpoint B"]
        .into_iter()
        .zip(layout.checkpoints);
    for (name, slot) in slots {
        if look(store, slot, geometry.zones())? == Slot::Broken {
            let problem = "it does not check: damaged, or torn by a crash of the host";
            found.add(name, None, problem, Some("written anew"));
        }
    }
    let stamp = live::read(store, layout.journal.offset)?;
    if stamp == Stamp::Broken {
        found.add("stamp", None, "it does not check", Some("taken away"));
    }
    let trusted = boot.is_some_and(|boot| stamp == Stamp::Boot(boot));
    let stable = match Journal::load(store, layout, geometry) {
        Ok(journal) => Some(journal.into_words()),
        Err(Unreadable::Io(error)) => return Err(error),
        Err(Unreadable::Damaged(what)) => {
            let usable = table::look(store, layout.table, geometry)?.is_ok();
            let cure = "written anew from the live table, which is right unless the host crashed";
            found.add("journal", None, what, usable.then_some(cure));
            None
        }
    };
    let there = stable.is_some();
    let mut words = stable.unwrap_or_default();
    let (mut zone, mut lost) = (0, false);
    table::read_parts(store, layout.table.offset, geometry.zones(), |part| {
        for live in table::decoded(part) {
            let stable = there.then(|| powered_off(words[zone as usize]));
            let word = word(found, geometry, zone, live, stable, (stamp, trusted));
            lost |= word.is_none();
            match words.get_mut(zone as usize) {
                Some(place) => *place = word.unwrap_or_default(),
                None => words.push(word.unwrap_or_default()),
            }
            zone += 1;
        }
    })?;
    Ok((!lost).then_some(words))
}

/// Looks at a zone's live word, beside its stable one where that can be read; what the word is, if it can be known.
fn word(
    found: &mut Findings,
    geometry: &Geometry,
    zone: u32,
    live: u64,
    stable: Option<u64>,
    (stamp, trusted): (Stamp, bool),
) -> Option<u64> {
    let off = powered_off(live);
    match (check_word(geometry, zone, live), stable) {
        (Ok(()), Some(stable)) if trusted || off == stable => {
            Some(if trusted { off } else { stable })
        }
        (Ok(()), None) => Some(off),
        (Ok(()), Some(stable)) => {
            if stamp == Stamp::None {
                let problem = differs(geometry, zone, live, stable);
                let cure = Some("as the journal has it");
                found.add("live table", Some(zone), problem, cure);
            }
            Some(stable)
        }
        (Err(error), Some(stable)) => {
            // After a crash of the host the table may hold anything.
            if !matches!(stamp, Stamp::Boot(_)) || trusted {
                let cure = Some("as it was last stable");
                found.add("live table", Some(zone), error.to_string(), cure);
            }
            Some(stable)
        }
        (Err(error), None) => {
            found.add("live table", Some(zone), error.to_string(), None);
            None
        }
    }
}

fn differs(geometry: &Geometry, zone: u32, live: u64, stable: u64) -> String {
    let words = [live, stable].map(|word| {
        let condition = zoned::decode(geometry, zone, word).condition;
        let (bytes, place) = (written_bytes(geometry, word), place(word));
        format!("{condition:?}, {bytes} bytes written, slot {place}")
    });
    format!("it says {}; the journal says {}", words[0], words[1])
}
