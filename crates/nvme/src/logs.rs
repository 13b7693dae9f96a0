//! Log pages (NVMe 1.4, 5.14; ZNS 1.1, 4.1.4).

use std::collections::{BTreeSet, VecDeque};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use command::{Group, Outcome};
use zoned::Geometry;

use crate::admin;
use crate::commands::COMMANDS;
use crate::decode::{by_opcode, transfer};
use crate::entry::Moves;
use crate::submission::Submission;

/// How many errors are kept, counted from zero: ELPE.
pub(crate) const MOST_ERRORS: u8 = 63;
/// How many zones a changed zone list has room for.
const MOST_CHANGED: usize = 511;

/// What the log pages of a controller are made of.
pub(crate) struct Logs {
    /// The newest first.
    errors: Mutex<VecDeque<[u8; 64]>>,
    error_count: AtomicU64,
    /// Of reads and writes that succeeded: commands, and bytes.
    reads: AtomicU64,
    writes: AtomicU64,
    bytes_read: AtomicU64,
    bytes_written: AtomicU64,
    media_errors: AtomicU64,
    /// Of each namespace, zones whose descriptors changed.
    changed: Vec<Mutex<BTreeSet<u64>>>,
    since: Instant,
}

/// The temperature that is told, in Kelvin: the specification has none that is not known.
const TEMPERATURE: u16 = 298;

impl Logs {
    /// Those of a controller with so many namespaces.
    pub fn new(namespaces: usize) -> Logs {
        Logs {
            errors: Mutex::default(),
            error_count: AtomicU64::new(0),
            reads: AtomicU64::new(0),
            writes: AtomicU64::new(0),
            bytes_read: AtomicU64::new(0),
            bytes_written: AtomicU64::new(0),
            media_errors: AtomicU64::new(0),
            changed: (0..namespaces).map(|_| Mutex::default()).collect(),
            since: Instant::now(),
        }
    }

    /// Counts how an I/O command ended; `geometry` is that of its namespace.
    pub fn count(&self, geometry: &Geometry, entry: Submission<'_>, outcome: &Outcome) {
        const MEDIA: u16 = 2;
        if !outcome.is_good() {
            let is_of_media = outcome.status >> 8 & 7 == MEDIA;
            self.media_errors
                .fetch_add(is_of_media.into(), Ordering::Relaxed);
            return;
        }
        let moved = transfer(geometry, entry.0);
        match by_opcode(entry.opcode()).map(|known| known.group) {
            Some(Group::Read) => {
                self.reads.fetch_add(1, Ordering::Relaxed);
                self.bytes_read.fetch_add(moved.into, Ordering::Relaxed);
            }
            Some(Group::Write) => {
                self.writes.fetch_add(1, Ordering::Relaxed);
                self.bytes_written.fetch_add(moved.out, Ordering::Relaxed);
            }
            _ => {}
        }
    }

    /// How long there has been power, in hours.
    pub fn hours(&self) -> u64 {
        self.since.elapsed().as_secs() / 3600
    }

    /// Keeps that a command failed.
    pub fn failed(&self, entry: Submission<'_>, queue: Option<u16>, status: u16) {
        const NOT_SPECIFIED: u16 = u16::MAX;
        let number = self.error_count.fetch_add(1, Ordering::Relaxed) + 1;
        let mut error = [0; 64];
        error[..8].copy_from_slice(&number.to_le_bytes());
        error[8..10].copy_from_slice(&queue.unwrap_or_default().to_le_bytes());
        error[10..12].copy_from_slice(&entry.0[2..4]);
        error[12..14].copy_from_slice(&(status << 1).to_le_bytes());
        error[14..16].copy_from_slice(&NOT_SPECIFIED.to_le_bytes());
        error[16..24].copy_from_slice(&entry.lba().to_le_bytes());
        error[24..28].copy_from_slice(&entry.namespace().to_le_bytes());
        let mut errors = locked(&self.errors);
        errors.push_front(error);
        errors.truncate(usize::from(MOST_ERRORS) + 1);
    }

    /// The descriptor of a zone of namespace `index` changed: its lowest LBA.
    pub fn zone_changed(&self, index: usize, lba: u64) {
        locked(&self.changed[index]).insert(lba);
    }

    /// Error information (01h).
    pub fn errors(&self) -> Vec<u8> {
        let errors = locked(&self.errors);
        let mut page: Vec<u8> = errors.iter().flatten().copied().collect();
        page.resize((usize::from(MOST_ERRORS) + 1) * 64, 0);
        page
    }

    /// SMART / health information (02h). Nothing wears out here.
    pub fn health(&self) -> Vec<u8> {
        /// What data units are counted in.
        const UNIT: u64 = 512 * 1000;
        let mut page = vec![0; 512];
        page[1..3].copy_from_slice(&TEMPERATURE.to_le_bytes());
        page[3] = 100;
        page[4] = 10;
        let get = |of: &AtomicU64| of.load(Ordering::Relaxed);
        for (at, value) in [
            (32, get(&self.bytes_read).div_ceil(UNIT)),
            (48, get(&self.bytes_written).div_ceil(UNIT)),
            (64, get(&self.reads)),
            (80, get(&self.writes)),
            (112, 1),
            (128, self.hours()),
            (160, get(&self.media_errors)),
            (176, get(&self.error_count)),
        ] {
            page[at..at + 8].copy_from_slice(&value.to_le_bytes());
        }
        page
    }

    /// Changed zones of namespace `index` (BFh), which then are not changed any more unless they are to stay.
    pub fn changed_zones(&self, index: usize, stay: bool) -> Vec<u8> {
        const TOO_MANY: u16 = u16::MAX;
        let mut changed = locked(&self.changed[index]);
        let mut page = vec![0; 4096];
        let count = match u16::try_from(changed.len()) {
            Ok(count) if usize::from(count) <= MOST_CHANGED => count,
            _ => TOO_MANY,
        };
        page[..2].copy_from_slice(&count.to_le_bytes());
        if count != TOO_MANY {
            for (place, lba) in page[8..].chunks_exact_mut(8).zip(&*changed) {
                place.copy_from_slice(&lba.to_le_bytes());
            }
        }
        if !stay {
            changed.clear();
        }
        page
    }
}

/// Firmware slot information (03h): slot 1 is in use, and there is no other.
pub(crate) fn firmware(revision: [u8; 8]) -> Vec<u8> {
    let mut page = vec![0; 512];
    page[0] = 1;
    page[8..16].copy_from_slice(&revision);
    page
}

/// Commands supported and effects (05h), of the I/O commands of a command set.
pub(crate) fn effects(zoned: bool) -> Vec<u8> {
    const SUPPORTED: u8 = 1 << 0;
    const CHANGES_CONTENT: u8 = 1 << 1;
    let mut page = vec![0; 4096];
    for admin in admin::COMMANDS {
        page[4 * usize::from(admin.opcode)] =
            SUPPORTED | if admin.erases { CHANGES_CONTENT } else { 0 };
    }
    for command in COMMANDS.iter().filter(|command| zoned || !command.zoned) {
        let changes =
            matches!(command.group, Group::Write | Group::Zone) || command.data == Moves::Ranges;
        page[1024 + 4 * usize::from(command.opcode)] =
            SUPPORTED | if changes { CHANGES_CONTENT } else { 0 };
    }
    page
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
