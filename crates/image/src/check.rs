//! What is wrong with an image, and for each thing what would mend it. Changes nothing.
//!
//! A zone's state is the live table's where that can be trusted, or else the stable one. Only where there is no
//! stable one that can be read is a live table taken at its word: it is right unless the host crashed.

use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::Path;

use rustix::fs::OFlags;
use zoned::{check_word, powered_off, written_bytes, Geometry};

use crate::file::open_regular;
use crate::header::{Access, Header, Page};
use crate::journal::{look, Journal, Slot, Unreadable};
use crate::layout::{COPY, PAGE};
use crate::live::{self, Boot, Stamp};
use crate::lock::lock_shared;
use crate::store::{FileStore, Store};
use crate::{table, Error, ErrorKind};

/// From here on zones are counted and not listed: there may be millions.
const MOST: usize = 1000;

/// One thing that is wrong with an image.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// The part of the file: `header`, `header copy`, `length`, `checkpoint A`, `checkpoint B`, `journal`,
    /// `live table`, `stamp`.
    pub part: &'static str,
    /// The zone that it concerns, if it is one.
    pub zone: Option<u32>,
    /// What is wrong.
    pub problem: String,
    /// What [`crate::repair`] does about it; `None`: nothing can be done.
    pub cure: Option<String>,
}

/// What is wrong with an image, and what it needs.
#[derive(Debug, Default)]
pub(crate) struct Diagnosis {
    pub findings: Vec<Finding>,
    /// What the header says, or its copy.
    pub header: Option<Header>,
    /// The zone words to write, where any of the state has to be written anew.
    pub words: Option<Vec<u64>>,
    /// Findings of zones that are not listed: part, cure, how many.
    more: Vec<(&'static str, Option<String>, u32)>,
}

/// Looks for all that is wrong with the image at `path`, which cannot be opened meanwhile.
///
/// # Errors
/// `InUse`; `NotAnImage` and `Version` for a file that this cannot judge; `NotFound`, `Permission`, `Io`.
pub fn check(path: &Path) -> Result<Vec<Finding>, Error> {
    let file = open_regular(path, OFlags::RDONLY)?;
    lock_shared(&file, path)?;
    Ok(Diagnosis::of(&file, path, Access::Read, Boot::current())?.findings)
}

impl Diagnosis {
    /// Looks at an image that nobody else changes.
    pub fn of(file: &File, path: &Path, access: Access, boot: Option<Boot>) -> Result<Self, Error> {
        let failed = |e| Error::io("read", path, e);
        let length = file.metadata().map_err(failed)?.len();
        let mut found = Self::default();
        let pages = [read_page(file, 0, length), read_page(file, COPY, length)];
        let [main, copy] = pages;
        let Some(header) =
            found.header(&main.map_err(failed)?, &copy.map_err(failed)?, path, access)?
        else {
            return Ok(found);
        };
        if length < header.layout.state_end() {
            let needed = header.layout.file_length();
            found.add(
                "length",
                None,
                format!("the file has {length} bytes of {needed}: zone state is missing"),
                None,
            );
            return Ok(found);
        }
        let store = FileStore {
            file: file.try_clone().map_err(failed)?,
            temporary: false,
        };
        let words = found.state(&store, &header, boot).map_err(failed)?;
        found.length(length, &header, words.as_deref());
        for (part, cure, count) in std::mem::take(&mut found.more) {
            let problem = format!("{count} more zones, in a like way");
            found.add(part, None, problem, cure.as_deref());
        }
        found.header = Some(header);
        Ok(found)
    }

    fn add(
        &mut self,
        part: &'static str,
        zone: Option<u32>,
        problem: impl Into<String>,
        cure: Option<&str>,
    ) {
        if zone.is_some() && self.findings.len() >= MOST {
            let cure = cure.map(str::to_owned);
            match self
                .more
                .iter_mut()
                .find(|more| (more.0, &more.1) == (part, &cure))
            {
                Some(more) => more.2 += 1,
                None => self.more.push((part, cure, 1)),
            }
            return;
        }
        self.findings.push(Finding {
            part,
            zone,
            problem: problem.into(),
            cure: cure.map(str::to_owned),
        });
    }

    /// The header that can be read: the first, or else its copy.
    fn header(
        &mut self,
        main: &Page,
        copy: &Page,
        path: &Path,
        access: Access,
    ) -> Result<Option<Header>, Error> {
        let error = match Header::decode(main, path, access) {
            Ok(header) => {
                if header.layout.has_copy() && copy != main {
                    let problem = "it is not what the header is";
                    self.add("header copy", None, problem, Some("written anew"));
                }
                return Ok(Some(header));
            }
            Err(error) if error.kind() == ErrorKind::Version => return Err(error),
            Err(error) => error,
        };
        match Header::decode(copy, path, access) {
            Ok(header) if header.layout.has_copy() => {
                let problem = "it does not check, and its copy does";
                self.add("header", None, problem, Some("restored from its copy"));
                Ok(Some(header))
            }
            Err(other) if other.kind() == ErrorKind::Version => Err(other),
            _ if error.kind() == ErrorKind::NotAnImage => Err(error),
            _ => {
                self.add("header", None, "neither it nor its copy checks", None);
                Ok(None)
            }
        }
    }

    /// Looks at the zone state; the zone words, or `None` where they cannot be known.
    fn state(
        &mut self,
        store: &dyn Store,
        header: &Header,
        boot: Option<Boot>,
    ) -> std::io::Result<Option<Vec<u64>>> {
        let before = self.findings.len();
        let Header {
            layout, geometry, ..
        } = header;
        let slots = ["checkpoint A", "checkpoint B"]
            .into_iter()
            .zip(layout.checkpoints);
        for (name, slot) in slots {
            if look(store, slot, geometry.zones())? == Slot::Broken {
                let problem = "it does not check: damaged, or torn by a crash of the host";
                self.add(name, None, problem, Some("written anew"));
            }
        }
        let stamp = live::read(store, layout.journal.offset)?;
        if stamp == Stamp::Broken {
            self.add("stamp", None, "it does not check", Some("taken away"));
        }
        let trusted = boot.is_some_and(|boot| stamp == Stamp::Boot(boot));
        let stable = match Journal::load(store, layout, geometry) {
            Ok(journal) => Some(journal.into_words()),
            Err(Unreadable::Io(error)) => return Err(error),
            Err(Unreadable::Damaged(what)) => {
                self.journal(table::look(store, layout.table, geometry)?.is_ok(), what);
                None
            }
        };
        let there = stable.is_some();
        let mut words = stable.unwrap_or_default();
        let (mut zone, mut lost) = (0, false);
        table::read_parts(store, layout.table.offset, geometry.zones(), |part| {
            for live in table::decoded(part) {
                let stable = there.then(|| powered_off(words[zone as usize]));
                let word = self.zone(geometry, zone, live, stable, (stamp, trusted));
                lost |= word.is_none();
                match words.get_mut(zone as usize) {
                    Some(place) => *place = word.unwrap_or_default(),
                    None => words.push(word.unwrap_or_default()),
                }
                zone += 1;
            }
        })?;
        if lost {
            return Ok(None);
        }
        if self.findings.len() > before {
            self.words = Some(words.clone());
        }
        Ok(Some(words))
    }

    /// Looks at a zone's live word, beside its stable one where that can be read; what the word is, if it can be known.
    fn zone(
        &mut self,
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
                    self.add("live table", Some(zone), problem, cure);
                }
                Some(stable)
            }
            (Err(error), Some(stable)) => {
                // After a crash of the host the table may hold anything.
                if !matches!(stamp, Stamp::Boot(_)) || trusted {
                    let cure = Some("as it was last stable");
                    self.add("live table", Some(zone), error.to_string(), cure);
                }
                Some(stable)
            }
            (Err(error), None) => {
                self.add("live table", Some(zone), error.to_string(), None);
                None
            }
        }
    }

    /// The stable state cannot be read.
    fn journal(&mut self, usable: bool, what: String) {
        let cure = "written anew from the live table, which is right unless the host crashed";
        self.add("journal", None, what, usable.then_some(cure));
    }

    /// Looks at the file's length, and at what is missing at its end.
    fn length(&mut self, length: u64, header: &Header, words: Option<&[u64]>) {
        let needed = header.layout.file_length();
        if length >= needed {
            return;
        }
        let problem = format!("the file has {length} bytes of {needed}");
        let Some(words) = words else {
            self.add("length", None, problem, None);
            return;
        };
        let before = self.findings.len();
        for (zone, &word) in (0..).zip(words) {
            let end = header.layout.data.offset + data_end(&header.geometry, zone, word);
            if end > length {
                let problem = format!("its data may be up to byte {end} of the file: {problem}");
                self.add("length", Some(zone), problem, None);
            }
        }
        if self.findings.len() == before {
            let problem = format!("{problem}, and what is missing was never written");
            let cure = format!("made {needed} bytes long");
            self.add("length", None, problem, Some(&cure));
        }
    }
}

/// The first byte of the medium after what `zone` holds.
fn data_end(geometry: &Geometry, zone: u32, word: u64) -> u64 {
    let zone = zoned::decode(geometry, zone, word);
    let block = u64::from(geometry.block_size);
    if zone.conventional {
        return (zone.start + zone.len) * block;
    }
    match written_bytes(geometry, word) {
        0 => 0,
        bytes => zone.start * block + bytes,
    }
}

fn differs(geometry: &Geometry, zone: u32, live: u64, stable: u64) -> String {
    let words = [live, stable].map(|word| {
        let condition = zoned::decode(geometry, zone, word).condition;
        let bytes = written_bytes(geometry, word);
        format!("{condition:?}, {bytes} bytes written")
    });
    format!("it says {}; the journal says {}", words[0], words[1])
}

/// A page of the file; what is beyond its end is zeroes.
fn read_page(file: &File, at: u64, length: u64) -> std::io::Result<Page> {
    let mut page = [0; PAGE as usize];
    let there = length.saturating_sub(at).min(PAGE) as usize;
    file.read_exact_at(&mut page[..there], at)?;
    Ok(page)
}
