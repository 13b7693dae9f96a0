//! The zone word: a sequential or conventional zone's whole state in 64 bits.
//!
//! The layout is part of the image format; a table stores the value in little-endian byte order.
//!
//! | bits | meaning |
//! |---|---|
//! | 0-3 | the [`Condition`]'s code |
//! | 4 | NON_SEQ, host-aware disks only: written elsewhere than at the write pointer since the last reset |
//! | 5 | the zone descriptor extension is valid; only where there are any |
//! | 6-7 | zero |
//! | 8-39 | written: how much from the zone's start holds data, in [`Geometry::write_unit`]s |
//! | 40-63 | the place of the zone's data, from 1 to the number of zones; 0: none. What it means is the [`ZoneTable`]'s |
//!
//! `written` is the write pointer of the conditions that have one. A full or read-only zone keeps it
//! too: FINISH ZONE fills a zone without writing, so what lies above `written` reads as zeroes
//! and never comes from the medium, where a write that failed may have left anything.
//!
//! An empty zone has no place.
//!
//! Knows nothing of requests, or of how words change.

use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::{Condition, Geometry, Zone};

const WRITTEN_SHIFT: u32 = 8;
const WRITTEN_BITS: u32 = 32;
const CONDITION_MASK: u64 = 0xF;
const NON_SEQUENTIAL: u64 = 1 << 4;
const EXTENSION: u64 = 1 << 5;
const PLACE_SHIFT: u32 = WRITTEN_SHIFT + WRITTEN_BITS;
const UNUSED: u64 = 0b11 << 6;

/// Why a word cannot be a zone's: it was not written by this model for this geometry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WordError {
    zone: u32,
    word: u64,
    reason: &'static str,
}

impl WordError {
    /// What is wrong with the word, without its value.
    pub fn reason(&self) -> &'static str {
        self.reason
    }
}

impl fmt::Display for WordError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "zone {} has the state word {:#018x}: {}",
            self.zone, self.word, self.reason
        )
    }
}

impl std::error::Error for WordError {}

/// A zone word taken apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Word {
    pub condition: Condition,
    /// How much from the zone's start holds data, in [`Geometry::write_unit`]s.
    pub written: u32,
    pub non_sequential: bool,
    /// The zone descriptor extension is valid.
    pub extension: bool,
}

impl Word {
    pub const EMPTY: Word = Word {
        condition: Condition::Empty,
        ..Word::UNWRITTEN
    };

    /// No zone's word as it is.
    const UNWRITTEN: Word = Word {
        condition: Condition::Offline,
        written: 0,
        non_sequential: false,
        extension: false,
    };

    /// Reads one word of a table whose words passed [`check_word`].
    pub fn load(cell: &AtomicU64) -> Word {
        Word::from_value(value_of(cell)).unwrap_or(Word::UNWRITTEN)
    }

    /// Stores it, with the place of the zone's data. Release order: whoever sees the word sees the data that it speaks of.
    pub fn store(self, cell: &AtomicU64, place: u32) {
        cell.store(placed(self.value(), place).to_le(), Ordering::Release);
    }

    pub fn with(self, condition: Condition) -> Word {
        Word { condition, ..self }
    }

    /// Whether the write pointer means something. The whole zone can be read where it does not.
    pub fn has_pointer(self) -> bool {
        matches!(
            self.condition,
            Condition::Empty
                | Condition::ImplicitlyOpen
                | Condition::ExplicitlyOpen
                | Condition::Closed
        )
    }

    /// The LBA up to which a zone that begins at `start` holds data.
    pub fn written_end(self, geometry: &Geometry, start: u64) -> u64 {
        start + u64::from(self.written) * geometry.write_unit_blocks()
    }

    /// What an open zone becomes when it is closed: see [`Geometry::closes_unwritten`].
    pub fn closed(self, geometry: &Geometry) -> Word {
        if self.written == 0 && !self.extension && !geometry.closes_unwritten() {
            Word::EMPTY
        } else {
            self.with(Condition::Closed)
        }
    }

    /// What the zone is while the disk is off. No zone stays open, and none active of which nothing is kept (ZBC-2,
    /// 4.4.3.5; ZNS 1.1, 2.1.1.3).
    pub fn without_power(self) -> Word {
        match self.condition {
            condition if !condition.is_active() => self,
            _ if self.written == 0 && !self.extension => Word::EMPTY,
            _ => self.with(Condition::Closed),
        }
    }

    fn value(self) -> u64 {
        let flag = |set: bool, bit: u64| if set { bit } else { 0 };
        self.condition as u64
            | flag(self.non_sequential, NON_SEQUENTIAL)
            | flag(self.extension, EXTENSION)
            | u64::from(self.written) << WRITTEN_SHIFT
    }

    pub fn from_value(value: u64) -> Option<Word> {
        let condition = match value & CONDITION_MASK {
            0x0 => Condition::NotWritePointer,
            0x1 => Condition::Empty,
            0x2 => Condition::ImplicitlyOpen,
            0x3 => Condition::ExplicitlyOpen,
            0x4 => Condition::Closed,
            0xD => Condition::ReadOnly,
            0xE => Condition::Full,
            0xF => Condition::Offline,
            _ => return None,
        };
        Some(Word {
            condition,
            written: (value >> WRITTEN_SHIFT) as u32,
            non_sequential: value & NON_SEQUENTIAL != 0,
            extension: value & EXTENSION != 0,
        })
    }
}

/// The value of a word as a table stores it.
pub(crate) fn value_of(cell: &AtomicU64) -> u64 {
    u64::from_le(cell.load(Ordering::Acquire))
}

/// The word of `zone` on a new disk: an empty zone, or a conventional one.
pub fn fresh_word(geometry: &Geometry, zone: u32) -> u64 {
    if geometry.is_conventional(zone) {
        Word::UNWRITTEN.with(Condition::NotWritePointer).value()
    } else {
        Word::EMPTY.value()
    }
}

/// Refuses a word that `zone` of a disk of this geometry can never have.
///
/// # Errors
/// [`WordError`] naming the zone, the word and what is wrong with it.
pub fn check_word(geometry: &Geometry, zone: u32, word: u64) -> Result<(), WordError> {
    let fail = |reason| Err(WordError { zone, word, reason });
    if word & UNUSED != 0 {
        return fail("bits that must be zero are set");
    }
    let Some(Word {
        condition,
        written,
        non_sequential,
        extension,
    }) = Word::from_value(word)
    else {
        return fail("there is no such zone condition");
    };
    if non_sequential && !(geometry.writes_anywhere() && written > 0) {
        return fail("nothing of it can have been written out of sequence");
    }
    if extension && (geometry.extension_bytes == 0 || condition == Condition::Empty) {
        return fail("it can have no zone descriptor extension");
    }
    if place(word) > geometry.zones() {
        return fail("there is no such place for its data");
    }
    if place(word) > 0 && condition == Condition::Empty {
        return fail("an empty zone has no place for data");
    }
    let span = geometry.span(zone);
    let len = (span.end - span.start) / geometry.write_unit_blocks();
    if geometry.is_conventional(zone) {
        return match (condition, written) {
            (Condition::NotWritePointer | Condition::ReadOnly | Condition::Offline, 0) => Ok(()),
            (Condition::NotWritePointer | Condition::ReadOnly | Condition::Offline, _) => {
                fail("a conventional zone has no write pointer")
            }
            _ => fail("a conventional zone cannot be in this condition"),
        };
    }
    let written = u64::from(written);
    match condition {
        Condition::NotWritePointer => fail("a sequential zone always has a write pointer"),
        Condition::Empty if written != 0 => fail("an empty zone's write pointer is at its start"),
        Condition::Closed if written == 0 && !extension && !geometry.closes_unwritten() => {
            fail("a closed zone holds data")
        }
        Condition::ImplicitlyOpen | Condition::ExplicitlyOpen | Condition::Closed
            if written >= len =>
        {
            fail("the write pointer is not inside the zone")
        }
        _ if written > len => fail("more is written than the zone holds"),
        _ => Ok(()),
    }
}

fn checked(geometry: &Geometry, zone: u32, word: Word) -> Result<u64, WordError> {
    let value = word.value();
    check_word(geometry, zone, value).map(|()| value)
}

/// The word of `zone` in `condition` when its first `written` [`Geometry::write_unit`]s hold data.
///
/// # Errors
/// [`WordError`] for what the zone can never be.
pub fn word_of(
    geometry: &Geometry,
    zone: u32,
    condition: Condition,
    written: u32,
) -> Result<u64, WordError> {
    let word = Word {
        condition,
        written,
        ..Word::UNWRITTEN
    };
    checked(geometry, zone, word)
}

/// The same of a zone whose descriptor extension is valid.
///
/// # Errors
/// [`WordError`] for what the zone can never be.
pub fn extended_word_of(
    geometry: &Geometry,
    zone: u32,
    condition: Condition,
    written: u32,
) -> Result<u64, WordError> {
    let word = Word {
        condition,
        written,
        extension: true,
        ..Word::UNWRITTEN
    };
    checked(geometry, zone, word)
}

/// What `word` is while the disk is off: no zone stays open then (ZBC-2, 4.4.3.5).
pub fn powered_off(word: u64) -> u64 {
    Word::from_value(word).map_or(word, |off| placed(off.without_power().value(), place(word)))
}

/// The place of a zone's data when its word is `word`; 0: none.
pub fn place(word: u64) -> u32 {
    (word >> PLACE_SHIFT) as u32
}

/// `word` with this place, which fits in 24 bits; an empty zone has none.
pub fn placed(word: u64, place: u32) -> u64 {
    let bare = word & !(u64::MAX << PLACE_SHIFT);
    match bare & CONDITION_MASK == Condition::Empty as u64 {
        true => bare,
        false => bare | u64::from(place) << PLACE_SHIFT,
    }
}

/// Whether a zone takes one of the active zones when its word is `word`.
pub fn is_active(word: u64) -> bool {
    Word::from_value(word).is_some_and(|word| word.condition.is_active())
}

pub(crate) fn is_full(word: u64) -> bool {
    word & CONDITION_MASK == Condition::Full as u64
}

/// How many [`Geometry::write_unit`]s of a zone hold data when its word is `word`.
pub fn written(word: u64) -> u32 {
    (word >> WRITTEN_SHIFT) as u32
}

/// How many bytes from its start a sequential zone holds when its word is `word`.
pub fn written_bytes(geometry: &Geometry, word: u64) -> u64 {
    u64::from(written(word)) * u64::from(geometry.write_unit())
}

/// What a zone's `word` is when the zone keeps no more than its first `left` [`Geometry::write_unit`]s. A zone that is FULL
/// stays so if its `stable` word is: it was finished, and on a host-aware disk written once more.
///
/// Zones that are open or empty, and conventional ones, lose none.
pub fn cut_back(word: u64, stable: u64, left: u32) -> u64 {
    let Some(before) = Word::from_value(word) else {
        return word;
    };
    if left >= before.written {
        return word;
    }
    let less = Word {
        written: left,
        non_sequential: before.non_sequential && left > 0,
        ..before
    };
    let stays_full = is_full(stable);
    let after = match before.condition {
        Condition::Full if stays_full => less,
        Condition::Closed | Condition::Full => less.with(Condition::Closed).without_power(),
        Condition::ReadOnly | Condition::Offline => less,
        _ => return word,
    };
    placed(after.value(), place(word))
}

/// What a report tells about `zone` when its word, one that [`check_word`] accepts, is `word`.
pub fn decode(geometry: &Geometry, zone: u32, word: u64) -> Zone {
    let word = Word::from_value(word).unwrap_or(Word::UNWRITTEN);
    describe(geometry, zone, word, false)
}

pub(crate) fn describe(
    geometry: &Geometry,
    zone: u32,
    word: Word,
    reset_recommended: bool,
) -> Zone {
    let span = geometry.span(zone);
    Zone {
        start: span.start,
        len: span.end - span.start,
        conventional: geometry.is_conventional(zone),
        non_sequential: word.non_sequential,
        reset_recommended,
        extension_valid: word.extension,
        condition: word.condition,
        write_pointer: word
            .has_pointer()
            .then(|| word.written_end(geometry, span.start)),
    }
}
