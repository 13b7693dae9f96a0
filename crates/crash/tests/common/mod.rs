//! Disks in memory that are recorded, and what is in a record.

use std::fs::{File, OpenOptions};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crash::{Entries, Entry, Log, Loss, Moment, Reader, Recorder, View};
use tempfile::TempDir;
use zoned::testing::{Bytes, RamDisk};
use zoned::{Blocks, Completion, Data, Geometry, Identity, Kind, Operation, Submitted, ZonedDisk};

pub fn geometry(kind: Kind) -> Geometry {
    let zns = kind == Kind::Zns;
    Geometry {
        kind,
        block_size: if zns { 4096 } else { 512 },
        blocks: if zns { 4 * 8 } else { 4 * 64 },
        zone_blocks: if zns { 8 } else { 64 },
        zone_capacity: zns.then_some(6),
        conventional_zones: match kind {
            Kind::Conventional => 4,
            Kind::Zns => 0,
            _ => 1,
        },
        max_open: None,
        max_active: zns.then_some(3),
        unrestricted_reads: true,
        extension_bytes: if zns { 64 } else { 0 },
    }
}

pub fn identity() -> Identity {
    Identity {
        vendor: "V".into(),
        product: "P".into(),
        revision: "1".into(),
        serial: "S".into(),
        wwn: 0x3 << 60,
    }
}

/// A disk that is recorded to a file.
pub struct Recorded {
    pub ram: Arc<RamDisk<Bytes>>,
    pub disk: Recorder<Bytes>,
    pub log: Arc<Log>,
    pub path: PathBuf,
    _dir: TempDir,
}

impl Recorded {
    pub fn new(geometry: Geometry) -> Recorded {
        let dir = TempDir::new().unwrap();
        let path = dir.path().join("record");
        let log = Arc::new(Log::start(File::create_new(&path).unwrap()).unwrap());
        let ram = Arc::new(RamDisk::new(geometry));
        let disk = Recorder::new(ram.clone());
        disk.start(log.clone(), 0, identity(), false).unwrap();
        Recorded {
            ram,
            disk,
            log,
            path,
            _dir: dir,
        }
    }

    pub fn submit(&self, operation: Operation, data: &[u8]) -> Submitted<Completion> {
        let data = Bytes::new(data.to_vec());
        self.disk.submit(operation.into(), &data)
    }

    pub fn reader(&self) -> Arc<Reader> {
        reader(&self.path)
    }

    pub fn entries(&self) -> Vec<Entry> {
        Entries::of(self.reader()).some(usize::MAX).unwrap()
    }

    /// After all entries.
    pub fn end(&self) -> Moment {
        let reader = self.reader();
        let mut moment = Moment::start(reader.clone());
        moment.advance(reader.entries()).unwrap();
        moment
    }
}

pub fn reader(path: &Path) -> Arc<Reader> {
    Arc::new(Reader::open(File::open(path).unwrap()).unwrap())
}

pub fn view(moment: &Moment, losses: &[Loss]) -> View<Bytes> {
    View::new(moment, losses, 0, overlay()).unwrap()
}

pub fn overlay() -> File {
    let dir = TempDir::new().unwrap();
    let mut options = OpenOptions::new();
    options.read(true).write(true).create_new(true);
    options.open(dir.path().join("overlay")).unwrap()
}

pub fn write(lba: u64, count: u64) -> Operation {
    Operation::Write {
        blocks: Blocks { lba, count },
        stable: false,
    }
}

/// What is read of the whole disk, block by block; nothing where a block cannot be read.
pub fn content(disk: &dyn ZonedDisk<Bytes>) -> Vec<Option<Vec<u8>>> {
    let geometry = disk.geometry();
    let read = |lba| {
        let into = Bytes::new(vec![0; geometry.block_size as usize]);
        let read = Operation::Read {
            blocks: Blocks { lba, count: 1 },
            stable: false,
        };
        let completion = disk.submit(read.into(), &into).wait().unwrap();
        completion.result.ok().map(|_| {
            let mut bytes = vec![0; into.len() as usize];
            into.read(0, &mut bytes);
            bytes
        })
    };
    (0..geometry.blocks).map(read).collect()
}
