//! A host that fails under a disk in use: a full file system, I/O errors. The guest is told, the zones stay
//! consistent, and all works again when the cause is gone.

mod ahead;
mod sharing;
mod trouble;

use std::fs::File;
use std::path::Path;
use std::sync::Arc;

use memory::Scatter;
use scsi::Status;
use zoned::{Blocks, Condition, Geometry, Kind, Operation, Refusal, Request, Submitted, ZonedDisk};

use crate::disk::{Cache, Disk};
use crate::header::{Header, VERSION};
use crate::layout::Layout;
use crate::live::Boot;
use crate::random::identity;
use crate::state::{allocate, fill};
use crate::store::FileStore;
use crate::table::Table;
use crate::unit::{Outcome, Unit};
use crate::ErrorKind;
use trouble::{Failing, Part, Trouble};

const BLOCK: usize = 4096;
/// Blocks of a zone.
const ZONE: u64 = 16;

/// 8 zones, of which the first is conventional.
fn geometry(kind: Kind) -> Geometry {
    Geometry {
        block_size: BLOCK as u32,
        blocks: 8 * ZONE,
        zone_blocks: ZONE,
        conventional_zones: 1,
        max_open: None,
        zone_capacity: None,
        kind,
        max_active: None,
        unrestricted_reads: true,
        extension_bytes: 0,
    }
}

/// A disk on a file of its own, and what can be made to fail.
struct Bench {
    disk: Unit,
    file: File,
    header: Header,
    trouble: Arc<Trouble>,
}

impl Bench {
    fn new() -> Self {
        Self::on(geometry(Kind::HostManaged))
    }

    fn on(geometry: Geometry) -> Self {
        let header = Header {
            uuid: [0; 16],
            created: 0,
            version: VERSION,
            layout: Layout::new(&geometry).unwrap(),
            geometry,
            identity: identity(),
        };
        let file = tempfile::tempfile().unwrap();
        allocate(&file, &header.layout).unwrap();
        let trouble = Arc::new(Trouble::default());
        let store = Arc::new(Failing {
            store: FileStore::new(file.try_clone().unwrap(), false),
            trouble: Arc::clone(&trouble),
        });
        let journal = fill(&*store, &header).unwrap();
        crate::live::stamp(&*store, header.layout.journal.offset, Some(Boot::number(1))).unwrap();
        let table = Table::map(&file, header.layout.table, &header.geometry).unwrap();
        let path = Path::new("bench");
        let disk = Disk::start(
            store,
            table,
            journal,
            header.clone(),
            path,
            Cache::Host,
            false,
        );
        let bench = Self {
            disk: Unit::new(disk.unwrap()),
            file,
            header,
            trouble,
        };
        while bench.command(0, 0, 0, &[], 0).0.completion.status != Status::Good {}
        bench
    }

    fn command(
        &self,
        code: u8,
        lba: u64,
        blocks: u32,
        out: &[u8],
        room: usize,
    ) -> (Outcome, Vec<u8>) {
        let mut cdb = [0; 16];
        cdb[0] = code;
        cdb[2..10].copy_from_slice(&lba.to_be_bytes());
        cdb[10..14].copy_from_slice(&blocks.to_be_bytes());
        if code == RESET {
            cdb[1] = 4;
        }
        let cdb = if code == 0 { &cdb[..6] } else { &cdb[..] };
        self.disk.run(cdb, out, room)
    }

    /// Sense key, code and qualifier; zeroes for GOOD.
    fn sense(&self, code: u8, lba: u64, blocks: u32, out: &[u8]) -> (u8, u8, u8) {
        let room = if code == READ {
            blocks as usize * BLOCK
        } else {
            0
        };
        let completion = self.command(code, lba, blocks, out, room).0.completion;
        match completion.status {
            Status::Good => (0, 0, 0),
            _ => (
                completion.sense[2] & 0xf,
                completion.sense[12],
                completion.sense[13],
            ),
        }
    }

    fn pointer(&self, zone: u64) -> u64 {
        let zone = self.disk.zones()[zone as usize];
        zone.write_pointer.unwrap() - zone.start
    }

    /// Write pointers of the zones after a boot of the host.
    fn stable_pointers(&self) -> Vec<u64> {
        let words = self.stable_words();
        words
            .iter()
            .map(|word| zoned::written(*word).into())
            .collect()
    }

    /// Words of the zones after a boot of the host.
    fn stable_words(&self) -> Vec<u64> {
        let store = FileStore::new(self.file.try_clone().unwrap(), false);
        let journal = crate::state::load(&store, &self.header, Path::new("bench")).unwrap();
        journal.words().to_vec()
    }
}

const READ: u8 = 0x88;
const WRITE: u8 = 0x8a;
const SYNC: u8 = 0x91;
const RESET: u8 = 0x94;
const GOOD: (u8, u8, u8) = (0, 0, 0);
const WRITE_ERROR: (u8, u8, u8) = (3, 0x0c, 0);
const READ_ERROR: (u8, u8, u8) = (3, 0x11, 0);

#[test]
fn a_read_of_what_the_host_has_not_got_is_completed_later() {
    let bench = Bench::new();
    let data = [7; 2 * BLOCK];
    assert_eq!(bench.sense(WRITE, 2 * ZONE, 2, &data), GOOD);
    let into = Scatter::zeroed(3 * BLOCK);
    let read = || {
        let blocks = Blocks {
            lba: 2 * ZONE,
            count: 3,
        };
        let stable = false;
        let request = Request::from(Operation::Read { blocks, stable });
        bench.disk.submit(request, &into)
    };
    assert!(matches!(read(), Submitted::Completed(_)));
    bench.trouble.set(Part::ReadAtOnce, libc::EAGAIN);
    let later = read();
    assert!(matches!(later, Submitted::Pending(_)));
    assert_eq!(later.wait().unwrap().moved, 3 * BLOCK as u64);
    assert_eq!(into.to_vec(2 * BLOCK as u64), data);
    bench.trouble.set(Part::Read, libc::EIO);
    assert_eq!(bench.sense(READ, 2 * ZONE, 2, &[]), READ_ERROR);
}

#[test]
fn a_write_that_fails_moves_no_write_pointer() {
    for errno in [libc::ENOSPC, libc::EDQUOT, libc::EIO, libc::EROFS] {
        let bench = Bench::new();
        let data = [7; 2 * BLOCK];
        assert_eq!(bench.sense(WRITE, 2 * ZONE, 2, &data), GOOD);
        bench.trouble.set(Part::Write, errno);
        assert_eq!(bench.sense(WRITE, 2 * ZONE + 2, 2, &data), WRITE_ERROR);
        assert_eq!(bench.sense(WRITE, 0, 2, &data), WRITE_ERROR);
        assert_eq!(bench.pointer(2), 2);
        assert_eq!(bench.command(READ, 2 * ZONE, 2, &[], 2 * BLOCK).1, data);
        bench.trouble.set(Part::Write, 0);
        assert_eq!(bench.sense(WRITE, 2 * ZONE + 2, 2, &data), GOOD);
        assert_eq!(bench.pointer(2), 4);
        assert_eq!(bench.sense(SYNC, 0, 0, &[]), GOOD);
        assert_eq!(bench.stable_pointers()[2], 4);
    }
}

#[test]
fn a_flush_that_fails_is_told_and_done_again() {
    for part in [Part::Sync, Part::Stable] {
        let bench = Bench::new();
        assert_eq!(bench.sense(WRITE, 2 * ZONE, 2, &[7; 2 * BLOCK]), GOOD);
        bench.trouble.set(part, libc::EIO);
        assert_eq!(bench.sense(SYNC, 0, 0, &[]), WRITE_ERROR);
        assert_eq!((bench.pointer(2), bench.stable_pointers()[2]), (2, 0));
        bench.trouble.set(part, 0);
        assert_eq!(bench.sense(SYNC, 0, 0, &[]), GOOD);
        assert_eq!((bench.pointer(2), bench.stable_pointers()[2]), (2, 2));
    }
}

#[test]
fn a_failed_zone_that_cannot_be_made_stable_is_told_and_done_with_the_next_flush() {
    let bench = Bench::new();
    bench.trouble.set(Part::Stable, libc::EIO);
    assert_eq!(bench.disk.take_offline(2..4), Err(Refusal::NotStable));
    let cause = bench.disk.last_error().expect("why it was refused");
    assert_eq!(cause.kind(), ErrorKind::Io);
    let offline = |condition: Condition| condition == Condition::Offline;
    assert!((2..4).all(|zone| offline(bench.disk.zone(zone).condition)));
    let stable = || {
        let words = bench.stable_words();
        [2, 3].map(|zone| {
            offline(zoned::decode(&bench.header.geometry, zone, words[zone as usize]).condition)
        })
    };
    assert_eq!(stable(), [false, false]);
    bench.trouble.set(Part::Stable, 0);
    assert_eq!(bench.sense(SYNC, 0, 0, &[]), GOOD);
    assert_eq!(stable(), [true, true]);
}

#[test]
fn a_reset_that_cannot_be_made_stable_does_not_happen() {
    let bench = Bench::new();
    let data = [7; 2 * BLOCK];
    assert_eq!(bench.sense(WRITE, 2 * ZONE, 2, &data), GOOD);
    assert_eq!(bench.sense(SYNC, 0, 0, &[]), GOOD);
    bench.trouble.set(Part::Stable, libc::EIO);
    assert_eq!(bench.sense(RESET, 2 * ZONE, 0, &[]), WRITE_ERROR);
    bench.trouble.set(Part::Stable, 0);
    assert_eq!(bench.sense(RESET, 2 * ZONE, 0, &[]), GOOD);
    assert_eq!((bench.pointer(2), bench.stable_pointers()[2]), (0, 0));
    assert_eq!(bench.sense(WRITE, 2 * ZONE, 2, &data), GOOD);
}

#[test]
fn space_that_cannot_be_given_back_is_no_error() {
    let bench = Bench::new();
    assert_eq!(bench.sense(WRITE, 2 * ZONE, 2, &[7; 2 * BLOCK]), GOOD);
    bench.trouble.set(Part::Punch, libc::EIO);
    assert_eq!(bench.sense(RESET, 2 * ZONE, 0, &[]), GOOD);
    assert_eq!(
        bench.command(READ, 2 * ZONE, 2, &[], 2 * BLOCK).1,
        [0; 2 * BLOCK]
    );
}

#[test]
fn a_read_that_fails_is_told() {
    let bench = Bench::new();
    let data = [7; 2 * BLOCK];
    assert_eq!(bench.sense(WRITE, 2 * ZONE, 2, &data), GOOD);
    bench.trouble.set(Part::Read, libc::EIO);
    assert_eq!(bench.sense(READ, 2 * ZONE, 2, &[]), READ_ERROR);
    // Above the write pointer nothing is read from the host.
    assert_eq!(bench.sense(READ, 3 * ZONE, 2, &[]), GOOD);
    bench.trouble.set(Part::Read, 0);
    assert_eq!(bench.command(READ, 2 * ZONE, 2, &[], 2 * BLOCK).1, data);
}

#[test]
fn what_a_write_skips_is_zeroes_also_where_space_was_not_given_back() {
    let bench = Bench::on(geometry(Kind::HostAware));
    let start = 2 * ZONE;
    assert_eq!(bench.sense(WRITE, start, 8, &[7; 8 * BLOCK]), GOOD);
    bench.trouble.set(Part::Punch, libc::EIO);
    assert_eq!(bench.sense(RESET, start, 0, &[]), GOOD);
    assert_eq!(bench.sense(WRITE, start + 3, 1, &[8; BLOCK]), WRITE_ERROR);
    assert_eq!(bench.pointer(2), 0);
    bench.trouble.set(Part::Punch, 0);
    assert_eq!(bench.sense(WRITE, start + 3, 1, &[8; BLOCK]), GOOD);
    let (_, data) = bench.command(READ, start, 4, &[], 4 * BLOCK);
    assert!(data[..3 * BLOCK] == [0; 3 * BLOCK] && data[3 * BLOCK..] == [8; BLOCK]);
}
