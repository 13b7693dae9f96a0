//! An emulated disk: the zone state machine on top of an image.

mod events;
mod requests;
mod rounds;
mod saving;
mod sharing;
mod waist;

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{SystemTime, UNIX_EPOCH};

use rustix::fs::OFlags;
use zoned::{fresh_word, Event, Geometry, Identity, Listener, Machine, Zone, ZoneTable};

use crate::causes::Causes;
use crate::durability::Durability;
use crate::error::corrupt;
use crate::file::{open_regular, temporary, Draft, NEW};
use crate::gate::Gate;
use crate::header::{Access, Header, VERSION};
use crate::helpers::Helpers;
use crate::journal::Journal;
use crate::layout::Layout;
use crate::live::{self, Boot};
use crate::lock::lock;
use crate::medium::Medium;
use crate::power::{self, Cut, Loss};
use crate::saved::Saved;
use crate::slots::Slots;
use crate::state::{allocate, fill, recover};
use crate::store::{FileStore, Store};
use crate::table::Table;
use crate::undo::Undo;
use crate::{random, Error, ErrorKind};

use requests::{Held, Waiter};
use rounds::Rounds;
use sharing::Sharing;

/// What becomes of what was written and not made stable.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Cache {
    /// It is the host's: it survives all but a crash of the host.
    #[default]
    Host,
    /// The same, and [`Disk::power_cut`] can take it away.
    Volatile,
    /// The same again, and the disk says that it made data stable when it did not.
    Lying,
}

/// An emulated zoned disk on its image, of which it is the only user.
pub struct Disk(Arc<Inner>);

/// What a request that completes later keeps.
struct Inner {
    machine: Machine<Table, Waiter>,
    medium: Medium,
    durability: Durability,
    saved: Saved,
    store: Arc<dyn Store>,
    helpers: Helpers,
    rounds: Rounds,
    sharing: Sharing,
    /// Requests in flight; a power cut waits for them, and they for it. `None` where there can be none.
    gate: Option<Gate<Held>>,
    undo: Option<Arc<Undo>>,
    /// The image was seen to be shorter than it was.
    cut: AtomicBool,
    /// Listeners know that the image is lost.
    told_lost: AtomicBool,
    cache: Cache,
    temporary: bool,
    header: Header,
    path: PathBuf,
    causes: Arc<Causes>,
    listeners: Mutex<Vec<Listener>>,
}

impl Disk {
    /// Makes the image of a new disk at `path`: all zones empty, no space taken but for the zone state.
    ///
    /// # Errors
    /// `Invalid` for a geometry or identity that cannot be, `Exists` if there is anything at `path`,
    /// `NoSpace`, `TooLarge`, `Permission`, `NotFound` (the directory), `Io`. Nothing is left behind then.
    pub fn create(path: &Path, geometry: &Geometry, identity: &Identity) -> Result<(), Error> {
        let header = new_header(geometry, identity)?;
        let failed = |e| Error::io("create", path, e);
        let draft = Draft::new(path, NEW).map_err(failed)?;
        let file = draft.file();
        allocate(file, &header.layout).map_err(failed)?;
        let store = FileStore::new(
            file.try_clone().map_err(failed)?,
            // It is made stable below, all at once.
            true,
        );
        fill(&store, &header).map_err(failed)?;
        file.sync_all().map_err(failed)?;
        draft.publish().map_err(failed)
    }

    /// A new disk whose image is a file in `dir` that has no name and is gone with the disk.
    ///
    /// # Errors
    /// As for [`Self::create`].
    pub fn temporary(
        dir: &Path,
        geometry: &Geometry,
        identity: &Identity,
        cache: Cache,
    ) -> Result<Self, Error> {
        let header = new_header(geometry, identity)?;
        let failed = |e| Error::io("create a temporary image in", dir, e);
        let file = temporary(dir).map_err(failed)?;
        allocate(&file, &header.layout).map_err(failed)?;
        let table_file = file.try_clone().map_err(failed)?;
        let store = FileStore::new(file, true);
        let journal = fill(&store, &header).map_err(failed)?;
        let table = Table::map(&table_file, header.layout.table, geometry).map_err(failed)?;
        Self::start(Arc::new(store), table, journal, header, dir, cache, true)
    }

    /// Opens an image, of which this becomes the only user until it is dropped.
    ///
    /// For the disk this is power on: open zones are closed. After a crash of the host the disk is what was
    /// stable.
    ///
    /// # Errors
    /// `InUse` names the other user. `NotAnImage`, `Version`, `Corrupt` and `Truncated` say what is wrong
    /// with the file, which is not changed then. `NotFound`, `Permission`, `NoSpace`, `Io`.
    pub fn open(path: &Path, cache: Cache) -> Result<Self, Error> {
        let file = open_regular(path, OFlags::RDWR)?;
        lock(&file, path)?;
        let mut header = Header::read(&file, path, Access::Write)?;
        let failed = |e| Error::io("open", path, e);
        let table_file = file.try_clone().map_err(failed)?;
        let store = FileStore::new(file, false);
        let journal = recover(&store, &mut header, Boot::current(), path)?;
        let table =
            Table::map(&table_file, header.layout.table, &header.geometry).map_err(failed)?;
        Self::start(Arc::new(store), table, journal, header, path, cache, false)
    }

    /// Powers a disk on whose live table is right.
    pub(crate) fn start(
        store: Arc<dyn Store>,
        table: Table,
        journal: Journal,
        header: Header,
        path: &Path,
        cache: Cache,
        temporary: bool,
    ) -> Result<Self, Error> {
        let geometry = &header.geometry;
        for (zone, &stable) in (0..).zip(journal.words()) {
            if table.word(zone) != stable {
                table.changed(zone);
            }
        }
        let live = (0..geometry.zones()).map(|zone| (zone, table.word(zone)));
        let stable = (0..).zip(journal.words().iter().copied());
        let slots = Slots::new(
            Arc::clone(&store),
            &header.layout,
            geometry,
            live.chain(stable),
        );
        let machine =
            Machine::new(geometry.clone(), table).map_err(|e| corrupt(path, &e.to_string()))?;
        let saved = Saved::load(Arc::clone(&store), header.layout.saved)
            .map_err(|e| Error::io("read", path, e))?;
        let undo = (cache != Cache::Host).then(|| Arc::new(Undo::default()));
        let causes = Arc::new(Causes::new(path));
        Ok(Self(Arc::new(Inner {
            machine,
            medium: Medium::new(
                Arc::clone(&store),
                slots,
                geometry,
                header.layout.extensions,
                undo.clone(),
                Arc::clone(&causes),
            ),
            saved,
            durability: Durability::new(Arc::clone(&store), journal, undo.clone()),
            store,
            helpers: Helpers::default(),
            rounds: Rounds::default(),
            sharing: Sharing::default(),
            gate: undo.is_some().then(Gate::default),
            undo,
            cut: AtomicBool::new(false),
            told_lost: AtomicBool::new(false),
            cache,
            temporary,
            path: path.to_owned(),
            header,
            causes,
            listeners: Mutex::default(),
        })))
    }

    /// What the medium looks like.
    pub fn geometry(&self) -> &Geometry {
        self.0.machine.geometry()
    }

    /// How the disk names itself.
    pub fn identity(&self) -> &Identity {
        &self.0.header.identity
    }

    /// The image's own name, drawn at its creation.
    pub fn uuid(&self) -> [u8; 16] {
        self.0.header.uuid
    }

    /// When the image was made, in seconds since 1970.
    pub fn created(&self) -> u64 {
        self.0.header.created
    }

    /// The state of all zones; each on its own is a consistent one, also while requests run.
    pub fn zones(&self) -> Vec<Zone> {
        let zones = 0..self.geometry().zones();
        zones.map(|number| self.zone(number)).collect()
    }

    /// Zone `number`, one of the disk's, as it is now.
    pub fn zone(&self, number: u32) -> Zone {
        self.0.machine.zone(number)
    }

    /// Whether nothing was ever written to it, as far as a reader could see.
    pub fn is_blank(&self) -> bool {
        let geometry = self.geometry();
        let words = self.0.machine.table().words();
        let blank = |(zone, word): (u32, &AtomicU64)| {
            u64::from_le(word.load(Ordering::Acquire)) == fresh_word(geometry, zone)
        };
        self.0.saved.is_empty() && (0..).zip(words).all(blank)
    }

    /// Whether it says that it made data stable when it did not.
    pub fn is_lying(&self) -> bool {
        self.0.cache == Cache::Lying
    }

    /// The word of `zone`.
    #[cfg(test)]
    pub(crate) fn word(&self, zone: u32) -> u64 {
        self.0.machine.table().word(zone)
    }

    /// Whether the image was cut short while in use, or its file system lost a part of the zone state. Every request is
    /// refused since, and nothing more is written to the image.
    pub fn is_lost(&self) -> bool {
        self.0.is_lost()
    }

    /// The last error that the host met in the image, for which a request was refused.
    pub fn last_error(&self) -> Option<Error> {
        self.0.causes.last()
    }

    /// The descriptor extension of zone `number`; `None` where there is none that is valid (ZNS 1.1, 3.4.2.2.3).
    ///
    /// # Errors
    /// `Io`.
    pub fn extension(&self, number: u32) -> Result<Option<Vec<u8>>, Error> {
        if !self.zone(number).extension_valid {
            return Ok(None);
        }
        let read = self.0.medium.read_extension(number);
        read.map(Some)
            .map_err(|e| Error::io("read", &self.0.path, e))
    }

    /// Makes everything written so far stable.
    ///
    /// # Errors
    /// `NoSpace`, `Io`.
    pub fn sync(&self) -> Result<(), Error> {
        let flushed = self.0.flushed();
        flushed.map_err(|e| Error::io("make stable", &self.0.path, e))
    }

    /// Takes from the disk what a power cut may take, and powers it on again. Waits for requests in flight; those that
    /// come meanwhile are carried out when power is back.
    ///
    /// In each sequential zone the write pointer ends up between where it was stable and where it is, on a
    /// [`Geometry::write_unit`]; where blocks can be overwritten, physical blocks that were not stable are what they were
    /// before.
    ///
    /// # Errors
    /// `Invalid` for a disk without a volatile cache; `NoSpace`, `Io`.
    pub fn power_cut(&self, loss: Loss) -> Result<Cut, Error> {
        let inner = &self.0;
        let (Some(undo), Some(gate)) = (&inner.undo, &inner.gate) else {
            return Err(Error::new(
                ErrorKind::Invalid,
                "this disk has no volatile write cache that a power cut could take",
                "open it with a volatile cache",
            ));
        };
        let (cut, held) = gate.alone(|| {
            let Inner {
                machine,
                medium,
                durability,
                ..
            } = &**inner;
            let cut = inner
                .whole()
                .and_then(|()| power::cut(machine, medium, durability, undo, loss));
            let cut = cut.map_err(|e| Error::io("cut back", &inner.path, e))?;
            self.sync()?;
            inner.tell(Event::PowerCut);
            Ok(cut)
        });
        inner.let_in(held);
        cut
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        let inner = &self.0;
        inner.helpers.close();
        if inner.temporary || inner.whole().is_err() {
            return;
        }
        inner.medium.give_back();
        // If this fails the live table is still right, for as long as the host does not crash.
        if inner.durability.close(&inner.machine).is_ok() {
            let _ = live::stamp(&*inner.store, inner.header.layout.journal.offset, None);
        }
    }
}

fn new_header(geometry: &Geometry, identity: &Identity) -> Result<Header, Error> {
    let invalid = |message: String| Error::new(ErrorKind::Invalid, message, "");
    geometry.validate().map_err(|e| invalid(e.to_string()))?;
    identity.validate().map_err(|e| invalid(e.to_string()))?;
    Ok(Header {
        version: VERSION,
        uuid: random::uuid(),
        created: SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .map_or(0, |since| since.as_secs()),
        geometry: geometry.clone(),
        identity: identity.clone(),
        layout: Layout::new(geometry)?,
    })
}
