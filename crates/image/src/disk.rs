//! An emulated disk: the device model on top of an image.

mod execute;

use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::{SystemTime, UNIX_EPOCH};

use rustix::fs::OFlags;
use zbc::{Completion, Device, Geometry, Identity, Zone, ZoneTable};

use crate::durability::Durability;
use crate::file::{open_regular, temporary, Draft, NEW};
use crate::header::{corrupt, Access, Header};
use crate::journal::Journal;
use crate::layout::Layout;
use crate::live::{self, Boot};
use crate::lock::lock;
use crate::medium::Medium;
use crate::power::{self, Cut, Loss};
use crate::state::{allocate, fill, recover};
use crate::store::{FileStore, Store};
use crate::table::Table;
use crate::undo::Undo;
use crate::{random, Error, ErrorKind};

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
pub struct Disk {
    device: Device<Table>,
    medium: Medium,
    durability: Durability,
    store: Arc<dyn Store>,
    /// Commands run; a power cut waits for them, and they for it. Not taken where there can be none.
    running: RwLock<()>,
    undo: Option<Arc<Undo>>,
    /// The image was seen to be shorter than it was.
    cut: AtomicBool,
    cache: Cache,
    temporary: bool,
    header: Header,
    path: PathBuf,
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
        let store = FileStore {
            file: file.try_clone().map_err(failed)?,
            // It is made stable below, all at once.
            temporary: true,
        };
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
        let store = FileStore {
            file,
            temporary: true,
        };
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
        let header = Header::read(&file, path, Access::Write)?;
        let failed = |e| Error::io("open", path, e);
        let table_file = file.try_clone().map_err(failed)?;
        let store = FileStore {
            file,
            temporary: false,
        };
        let journal = recover(&store, &header, Boot::current(), path)?;
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
        let device = Device::new(geometry.clone(), header.identity.clone(), table)
            .map_err(|e| corrupt(path, &e.to_string()))?;
        let conventional = u64::from(geometry.conventional_zones) * geometry.zone_blocks;
        let overwritable = if geometry.host_aware {
            geometry.blocks
        } else {
            conventional
        };
        let undo = (cache != Cache::Host).then(|| Arc::new(Undo::default()));
        Ok(Self {
            device,
            medium: Medium::new(
                Arc::clone(&store),
                header.layout.data.offset,
                overwritable * u64::from(geometry.block_size),
                undo.clone(),
            ),
            durability: Durability::new(Arc::clone(&store), journal, undo.clone()),
            store,
            running: RwLock::default(),
            undo,
            cut: AtomicBool::new(false),
            cache,
            temporary,
            path: path.to_owned(),
            header,
        })
    }

    /// What the medium looks like.
    pub fn geometry(&self) -> &Geometry {
        self.device.geometry()
    }

    /// How the disk names itself.
    pub fn identity(&self) -> &Identity {
        self.device.identity()
    }

    /// The image's own name, drawn at its creation.
    pub fn uuid(&self) -> [u8; 16] {
        self.header.uuid
    }

    /// When the image was made, in seconds since 1970.
    pub fn created(&self) -> u64 {
        self.header.created
    }

    /// The state of all zones; each on its own is a consistent one, also while commands run.
    pub fn zones(&self) -> Vec<Zone> {
        self.device.zones().collect()
    }

    /// The word of `zone`.
    #[cfg(test)]
    pub(crate) fn word(&self, zone: u32) -> u64 {
        self.device.table().word(zone)
    }

    /// The zone of `lba`, with its number, as it is now; `None` past the end of the disk.
    pub fn zone_of(&self, lba: u64) -> Option<(u32, Zone)> {
        self.device.zone_of(lba)
    }

    /// LOGICAL UNIT RESET.
    pub fn reset(&self) {
        self.device.reset();
    }

    /// Zone `number`, one of the disk's, as it is now.
    pub fn zone(&self, number: u32) -> Zone {
        self.device.zone(number)
    }

    /// Brings zones into condition READ ONLY, for good; waits for I/O in flight that changes them.
    ///
    /// The condition is stable at once, whatever the cache. The zones' data are no more stable than before.
    ///
    /// # Errors
    /// `NoSpace`, `Io`: the zones are in this condition, and it is stable after the next flush only.
    pub fn make_read_only(&self, zones: Range<u32>) -> Result<(), Error> {
        self.degrade(zones, Device::make_read_only)
    }

    /// Brings zones into condition OFFLINE, for good, in the way of [`Self::make_read_only`].
    ///
    /// # Errors
    /// As there.
    pub fn take_offline(&self, zones: Range<u32>) -> Result<(), Error> {
        self.degrade(zones, Device::take_offline)
    }

    fn degrade(&self, zones: Range<u32>, how: fn(&Device<Table>, u32)) -> Result<(), Error> {
        zones.clone().for_each(|zone| how(&self.device, zone));
        let stable = self
            .whole()
            .and_then(|()| self.durability.degrade(self.device.table(), zones));
        stable.map_err(|e| Error::io("make a zone's condition stable in", &self.path, e))
    }

    /// Sets a sequential zone's RESET bit (RWP recommended) until it is reset or the disk is closed.
    pub fn recommend_reset(&self, zone: u32) {
        self.device.recommend_reset(zone);
    }

    /// CHECK CONDITION as the disk would say it: see [`Device::check_condition`].
    pub fn check_condition(&self, key: u8, code: u16, lba: Option<u64>) -> Completion {
        self.device.check_condition(key, code, lba)
    }

    /// Makes everything written so far stable.
    ///
    /// # Errors
    /// `NoSpace`, `Io`.
    pub fn sync(&self) -> Result<(), Error> {
        self.flushed()
            .map_err(|e| Error::io("make stable", &self.path, e))
    }

    /// Takes from the disk what a power cut may take, and powers it on again. Waits for commands in flight.
    ///
    /// In each sequential zone the write pointer ends up between where it was stable and where it is, on a
    /// [`Geometry::write_unit`]; where blocks can be overwritten, physical blocks that were not stable are what they were
    /// before.
    ///
    /// # Errors
    /// `Invalid` for a disk without a volatile cache; `NoSpace`, `Io`.
    pub fn power_cut(&self, loss: Loss) -> Result<Cut, Error> {
        let Some(undo) = &self.undo else {
            return Err(Error::new(
                ErrorKind::Invalid,
                "this disk has no volatile write cache that a power cut could take",
                "open it with a volatile cache",
            ));
        };
        let _still = self.running.write().unwrap_or_else(PoisonError::into_inner);
        let cut = self
            .whole()
            .and_then(|()| power::cut(&self.device, &self.medium, &self.durability, undo, loss));
        let cut = cut.map_err(|e| Error::io("cut back", &self.path, e))?;
        self.sync()?;
        Ok(cut)
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        if self.temporary || self.whole().is_err() {
            return;
        }
        // If this fails the live table is still right, for as long as the host does not crash.
        if self.durability.close(self.device.table()).is_ok() {
            let _ = live::stamp(&*self.store, self.header.layout.journal.offset, None);
        }
    }
}

fn new_header(geometry: &Geometry, identity: &Identity) -> Result<Header, Error> {
    let invalid = |message: String| Error::new(ErrorKind::Invalid, message, "");
    geometry.validate().map_err(|e| invalid(e.to_string()))?;
    identity.validate().map_err(|e| invalid(e.to_string()))?;
    Ok(Header {
        uuid: random::uuid(),
        created: SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .map_or(0, |since| since.as_secs()),
        geometry: geometry.clone(),
        identity: identity.clone(),
        layout: Layout::new(geometry)?,
    })
}
