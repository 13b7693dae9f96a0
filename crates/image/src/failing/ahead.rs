//! Space ahead of write pointers on a host that has none left, or has no such thing; and what a killed process
//! leaves of it.

use std::os::unix::fs::MetadataExt;
use std::sync::atomic::Ordering;

use super::*;
use crate::state::recover;
use crate::store::{gives_parts_back, Store};

/// Blocks of a zone.
const ZONE: u64 = 1024;
/// Blocks of a MiB.
const MIB: u64 = 256;

impl Bench {
    /// `None` where the file system of the tests is not one on which space is allocated ahead.
    fn large() -> Option<Self> {
        let bench = Self::on(Geometry {
            zone_blocks: ZONE,
            blocks: 8 * ZONE,
            ..super::geometry(Kind::HostManaged)
        });
        gives_parts_back(&bench.file).then_some(bench)
    }

    /// Writes so much of a zone, from its start, block by block behind the first MiB; the answers.
    fn fill(&self, zone: u64, blocks: u64) -> Vec<(u8, u8, u8)> {
        let data = |blocks: u64| vec![zone as u8; blocks as usize * BLOCK];
        let lba = zone * ZONE;
        let first = self.sense(WRITE, lba, MIB as u32, &data(MIB));
        let rest = (MIB..blocks).map(|block| self.sense(WRITE, lba + block, 1, &data(1)));
        std::iter::once(first).chain(rest).collect()
    }

    fn holds(&self, zone: u64, blocks: u64) -> bool {
        let (_, data) = self.command(
            READ,
            zone * ZONE,
            blocks as u32,
            &[],
            blocks as usize * BLOCK,
        );
        data == vec![zone as u8; blocks as usize * BLOCK]
    }

    /// Blocks that the file takes.
    fn taken(&self) -> u64 {
        taken(&self.file)
    }
}

fn taken(file: &File) -> u64 {
    file.metadata().unwrap().blocks() * 512 / BLOCK as u64
}

/// Blocks that the file system may take for itself.
const ITS_OWN: u64 = 16;

#[test]
fn a_full_file_system_gets_all_of_it_back_and_the_write_succeeds() {
    for errno in [libc::ENOSPC, libc::EDQUOT] {
        let Some(bench) = Bench::large() else { return };
        let before = bench.taken();
        for zone in [2, 3] {
            assert!(bench.fill(zone, MIB + 1).iter().all(|sense| *sense == GOOD));
        }
        assert!(bench.taken() >= before + 4 * MIB);
        bench.trouble.full.store(errno, Ordering::Relaxed);
        assert_eq!(bench.sense(WRITE, 4 * ZONE, 1, &[4; BLOCK]), GOOD);
        let written = 2 * (MIB + 1) + 1;
        assert!((written..=written + ITS_OWN).contains(&(bench.taken() - before)));
        // It may be full again at any time: no other write is to find that space ahead took the last of it.
        assert!(bench.fill(5, MIB + 1).iter().all(|sense| *sense == GOOD));
        assert!(bench.taken() - before <= written + MIB + 1 + ITS_OWN);
        for zone in [2, 3, 5] {
            assert!(bench.holds(zone, MIB + 1));
        }
        assert!(bench.holds(4, 1));
    }
}

#[test]
fn a_file_system_that_cannot_allocate_is_asked_once() {
    for errno in [libc::EOPNOTSUPP, libc::ENOSPC, libc::EDQUOT, libc::EIO] {
        let Some(bench) = Bench::large() else { return };
        let before = bench.taken();
        bench.trouble.set(Part::Allocate, errno);
        assert!(bench.fill(2, 3 * MIB).iter().all(|sense| *sense == GOOD));
        assert_eq!(bench.trouble.calls(Part::Allocate), 1);
        assert!(bench.taken() <= before + 3 * MIB + ITS_OWN);
        assert!(bench.holds(2, 3 * MIB));
    }
}

#[test]
fn most_writes_allocate_nothing() {
    let Some(bench) = Bench::large() else { return };
    bench.fill(2, ZONE);
    assert_eq!(bench.trouble.calls(Part::Allocate), 3);
}

#[test]
fn what_a_killed_process_had_ahead_is_given_back_when_the_image_is_opened() {
    // In the same boot of the host, and in another.
    for (boot, flushed) in [(1, false), (2, true)] {
        let Some(bench) = Bench::large() else { return };
        let before = bench.taken();
        bench.fill(2, MIB + 1);
        if flushed {
            assert_eq!(bench.sense(SYNC, 0, 0, &[]), GOOD);
        }
        let (file, mut header) = (bench.file.try_clone().unwrap(), bench.header.clone());
        // It is not closed.
        std::mem::forget(bench);
        assert!(taken(&file) >= before + 2 * MIB);
        let store = FileStore::new(file.try_clone().unwrap(), false);
        recover(
            &store,
            &mut header,
            Some(Boot::number(boot)),
            Path::new("bench"),
        )
        .unwrap();
        assert!((MIB + 1..=MIB + 1 + ITS_OWN).contains(&(taken(&file) - before)));
        let mut data = vec![0; BLOCK];
        let at = header.layout.data.offset + MIB * BLOCK as u64;
        store.read_at(at, &mut data).unwrap();
        assert_eq!(data, [2; BLOCK]);
    }
}
