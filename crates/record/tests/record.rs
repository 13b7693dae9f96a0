//! What is logged and traced of the commands of a real disk.

use std::fs::{File, OpenOptions};
use std::sync::Arc;
use std::thread;

use image::{random_identity, Cache, Disk};
use record::{Log, Logged, Open, Trace, Traced};
use vhost_user_scsi::Lun;
use vm_memory::VolatileSlice;
use zbc::{Condition, Geometry, Status};

const ZONE: u64 = 256;
const ROW: usize = 5 * 8 + 2 * 4 + 2 * 2 + 1 + 16;

fn geometry() -> Geometry {
    Geometry {
        block_size: 4096,
        blocks: 8 * ZONE,
        zone_blocks: ZONE,
        conventional_zones: 1,
        max_open: Some(2),
        zone_capacity: None,
        urswrz: true,
        host_aware: false,
    }
}

/// A disk whose power on attention is taken, its log of three, and the layer between.
fn logged() -> (Arc<Disk>, Arc<Log>, Arc<dyn Lun>) {
    let disk = Disk::temporary(
        &std::env::temp_dir(),
        &geometry(),
        &random_identity(),
        Cache::Host,
    )
    .unwrap();
    disk.execute(&[0; 6], &[], &[]);
    let disk = Arc::new(disk);
    let log = Arc::new(Log::new(3));
    let lun = Logged::new(disk.clone(), disk.clone(), log.clone());
    (disk, log, Arc::new(lun))
}

fn status(outcome: Option<image::Outcome>) -> Status {
    outcome.expect("an answer").completion.status
}

fn write(lun: &dyn Lun, lba: u64, blocks: u32) -> Status {
    let mut cdb = [0; 32];
    cdb[0] = 0x8A;
    cdb[2..10].copy_from_slice(&lba.to_be_bytes());
    cdb[10..14].copy_from_slice(&blocks.to_be_bytes());
    let mut data = vec![0; blocks as usize * 4096];
    let out = VolatileSlice::from(&mut data[..]);
    status(lun.execute(&cdb, &[out], &[], &|_| ()))
}

fn open(lun: &dyn Lun, lba: u64) -> Status {
    let mut cdb = [0; 32];
    cdb[..2].copy_from_slice(&[0x94, 0x03]);
    cdb[2..10].copy_from_slice(&lba.to_be_bytes());
    status(lun.execute(&cdb, &[], &[], &|_| ()))
}

#[test]
fn only_failures_are_kept_and_only_the_last() {
    let (_, log, lun) = logged();
    assert_eq!(write(&*lun, ZONE, 1), Status::Good);
    assert!(log.failures().is_empty());
    for lba in 0..5 {
        assert_eq!(write(&*lun, 2 * ZONE + 8 + lba, 1), Status::CheckCondition);
    }
    let lbas: Vec<_> = log.failures().iter().map(|f| f.address.lba).collect();
    assert_eq!(
        lbas,
        (2..5).map(|n| Some(2 * ZONE + 8 + n)).collect::<Vec<_>>()
    );
}

#[test]
fn a_failure_has_its_zone_and_its_cdb() {
    let (_, log, lun) = logged();
    write(&*lun, ZONE, 3);
    write(&*lun, ZONE, 2);
    let [failure] = &log.failures()[..] else {
        panic!("one failure");
    };
    let (number, zone) = failure.zone.unwrap();
    assert_eq!(number, 1);
    assert_eq!(zone.write_pointer, Some(ZONE + 3));
    assert_eq!(zone.condition, Condition::ImplicitlyOpen);
    assert_eq!((failure.cdb.len(), failure.address.blocks), (16, Some(2)));
    assert_eq!(failure.open, None);
}

#[test]
fn a_failure_for_lack_of_open_zones_counts_them() {
    let (_, log, lun) = logged();
    assert_eq!(open(&*lun, ZONE), Status::Good);
    assert_eq!(open(&*lun, 2 * ZONE), Status::Good);
    assert_eq!(open(&*lun, 3 * ZONE), Status::CheckCondition);
    let expected = Open {
        explicit: 2,
        implicit: 0,
    };
    assert_eq!(log.failures()[0].open, Some(expected));
}

#[test]
fn a_trace_has_every_command_of_every_thread() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("trace");
    let (disk, _, lun) = logged();
    let trace = Arc::new(Trace::start(File::create(&path).unwrap()).unwrap());
    let traced = Traced::new(lun, disk.geometry().clone(), trace.clone(), 7);
    thread::scope(|scope| {
        for _ in 0..3 {
            scope.spawn(|| (0..5000).for_each(|_| assert_eq!(write(&traced, 0, 1), Status::Good)));
        }
    });
    trace.close().unwrap();
    assert_eq!(write(&traced, 0, 1), Status::Good);
    assert_eq!(rows(&std::fs::read(&path).unwrap()), 15_000);
}

#[test]
fn a_trace_that_cannot_be_written_ends_and_the_disk_goes_on() {
    let (disk, _, lun) = logged();
    let full = OpenOptions::new().write(true).open("/dev/full").unwrap();
    let trace = Arc::new(Trace::start(full).unwrap());
    let traced = Traced::new(lun, disk.geometry().clone(), trace.clone(), 0);
    for _ in 0..10_000 {
        assert_eq!(write(&traced, 0, 1), Status::Good);
    }
    let error = trace.close().unwrap_err();
    assert_eq!(error.kind(), std::io::ErrorKind::StorageFull);
}

/// How many rows the chunks of a trace have, all of which must be whole.
fn rows(mut bytes: &[u8]) -> usize {
    let mut rows = 0;
    while !bytes.is_empty() {
        assert_eq!(&bytes[..8], b"zvtrace1");
        let count = u32::from_le_bytes(bytes[8..12].try_into().unwrap()) as usize;
        rows += count;
        bytes = &bytes[16 + count * ROW..];
    }
    rows
}
