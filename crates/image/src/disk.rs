//! An emulated disk: the device model on top of an image.

use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use rustix::fs::OFlags;
use vm_memory::VolatileSlice;
use zbc::{Completion, Device, Geometry, Identity, Status, Step, Zone};

use crate::file::{open_regular, temporary, Draft};
use crate::header::{corrupt, Access, Header};
use crate::layout::Layout;
use crate::lock::lock;
use crate::medium::Medium;
use crate::slices::{total, Cursor, Out};
use crate::table::{self, Table};
use crate::{random, Error, ErrorKind, Outcome};

/// An emulated zoned disk on its image, of which it is the only user.
pub struct Disk {
    device: Device<Table>,
    medium: Medium,
    header: Header,
    path: PathBuf,
}

impl Disk {
    /// Makes the image of a new disk at `path`: all zones empty, no space taken but for the zone table.
    ///
    /// # Errors
    /// `Invalid` for a geometry or identity that cannot be, `Exists` if there is anything at `path`,
    /// `NoSpace`, `TooLarge`, `Permission`, `NotFound` (the directory), `Io`. Nothing is left behind then.
    pub fn create(path: &Path, geometry: &Geometry, identity: &Identity) -> Result<(), Error> {
        let header = new_header(geometry, identity)?;
        let failed = |e| Error::io("create", path, e);
        let draft = Draft::new(path).map_err(failed)?;
        fill(draft.file(), &header).map_err(failed)?;
        draft.file().sync_all().map_err(failed)?;
        draft.publish().map_err(failed)
    }

    /// A new disk whose image is a file in `dir` that has no name and is gone with the disk.
    ///
    /// # Errors
    /// As for [`Self::create`].
    pub fn temporary(dir: &Path, geometry: &Geometry, identity: &Identity) -> Result<Self, Error> {
        let header = new_header(geometry, identity)?;
        let failed = |e| Error::io("create a temporary image in", dir, e);
        let file = temporary(dir).map_err(failed)?;
        fill(&file, &header).map_err(failed)?;
        Self::start(file, header, dir)
    }

    /// Opens an image, of which this becomes the only user until it is dropped.
    ///
    /// For the disk this is power on: open zones are closed.
    ///
    /// # Errors
    /// `InUse` names the other user. `NotAnImage`, `Version`, `Corrupt` and `Truncated` say what is wrong
    /// with the file, which is not changed then. `NotFound`, `Permission`, `Io`.
    pub fn open(path: &Path) -> Result<Self, Error> {
        let file = open_regular(path, OFlags::RDWR)?;
        lock(&file, path)?;
        let header = Header::read(&file, path, Access::Write)?;
        table::read_checked(&file, &header, path)?;
        Self::start(file, header, path)
    }

    fn start(file: File, header: Header, path: &Path) -> Result<Self, Error> {
        let Header {
            geometry,
            identity,
            layout,
            ..
        } = &header;
        let table =
            Table::map(&file, layout.table, geometry).map_err(|e| Error::io("map", path, e))?;
        let device = Device::new(geometry.clone(), identity.clone(), table)
            .map_err(|e| corrupt(path, &e.to_string()))?;
        let conventional = u64::from(geometry.conventional_zones) * geometry.zone_blocks;
        let conventional_end = conventional * u64::from(geometry.block_size);
        Ok(Self {
            device,
            medium: Medium::new(file, layout.data.offset, conventional_end),
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

    /// Runs one SCSI command: takes its data from `out`, and puts its answer into `into`.
    ///
    /// A command with an error ends like any other, with sense data. The calling thread waits for the
    /// file; any number of threads may run commands at a time.
    pub fn execute(
        &self,
        cdb: &[u8],
        out: &[VolatileSlice<'_>],
        into: &[VolatileSlice<'_>],
    ) -> Outcome {
        match self.device.begin(cdb, &Out(out), total(into)) {
            Step::Done { data, completion } => Outcome {
                completion,
                written: Cursor::new(into).write(&data) as u64,
                consumed: total(out),
                overrun: false,
            },
            Step::Io(plan) => {
                let done = self.medium.perform(plan.op(), out, into);
                Outcome {
                    completion: plan.finish(done.result),
                    written: done.written,
                    consumed: done.consumed,
                    overrun: false,
                }
            }
            Step::Overrun { .. } => Outcome {
                completion: Completion {
                    status: Status::Good,
                    sense: Vec::new(),
                },
                written: 0,
                consumed: 0,
                overrun: true,
            },
        }
    }

    /// LOGICAL UNIT RESET.
    pub fn reset(&self) {
        self.device.reset();
    }

    /// Zone `number`, one of the disk's, as it is now.
    pub fn zone(&self, number: u32) -> Zone {
        self.device.zone(number)
    }

    /// Brings a zone into condition READ ONLY, in the image too; waits for I/O under way that changes it.
    pub fn make_read_only(&self, zone: u32) {
        self.device.make_read_only(zone);
    }

    /// Brings a zone into condition OFFLINE, in the image too; waits for I/O under way that changes it.
    pub fn take_offline(&self, zone: u32) {
        self.device.take_offline(zone);
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
        let synced = self.medium.file().sync_data();
        synced.map_err(|e| Error::io("make stable", &self.path, e))
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

/// Writes a new image's header and zone table, and makes the file as long as it has to be.
fn fill(file: &File, header: &Header) -> std::io::Result<()> {
    let Header {
        geometry, layout, ..
    } = header;
    file.set_len(layout.file_length())?;
    file.write_all_at(&table::fresh(geometry), layout.table.offset)?;
    file.write_all_at(&header.encode(), 0)
}
