//! What is logged and traced of the commands of a real disk.

use std::fs::{File, OpenOptions};
use std::sync::Arc;
use std::thread;

use command::{Command, Outcome, Unit};
use record::{Active, Log, Logged, Trace, Traced};
use scsi::LogicalUnit;
use zoned::testing::{Bytes, RamDisk};
use zoned::{Condition, Geometry, Identity, Kind, ZonedDisk};

const ZONE: u64 = 256;
const ROW: usize = 147;
const GOOD: u16 = 0x00;
const CHECK_CONDITION: u16 = 0x02;

type Disk = RamDisk<Bytes>;

fn geometry() -> Geometry {
    Geometry {
        kind: Kind::HostManaged,
        block_size: 4096,
        blocks: 8 * ZONE,
        zone_blocks: ZONE,
        zone_capacity: None,
        conventional_zones: 1,
        max_open: Some(2),
        max_active: None,
        unrestricted_reads: true,
        extension_bytes: 0,
    }
}

/// A disk whose power on attention is taken, its log of three, and the layer between.
fn logged() -> (Arc<Disk>, Arc<Log>, Arc<dyn Unit<Bytes>>) {
    let identity = Identity {
        vendor: "ZONEVM".into(),
        product: "SMR".into(),
        revision: "1".into(),
        serial: "1".into(),
        wwn: 3 << 60,
    };
    let disk = Arc::new(RamDisk::new(geometry()));
    let unit: Arc<dyn Unit<Bytes>> = Arc::new(LogicalUnit::new(disk.clone(), identity));
    run(&*unit, &[0; 6], &[]);
    let log = Arc::new(Log::new(3));
    let unit = Logged::new(unit, disk.clone(), log.clone());
    (disk, log, Arc::new(unit))
}

fn command(cdb: &[u8], out: &[u8]) -> Command<Bytes> {
    let into = Bytes::new(vec![0; 4096]);
    Command::new(cdb, None, Bytes::new(out.to_vec()), into)
}

fn run(unit: &dyn Unit<Bytes>, cdb: &[u8], out: &[u8]) -> Outcome {
    let submitted = unit.execute(&command(cdb, out));
    submitted.wait().expect("an answer")
}

fn write(unit: &dyn Unit<Bytes>, lba: u64, blocks: u32) -> u16 {
    run(
        unit,
        &write_cdb(lba, blocks),
        &vec![0; blocks as usize * 4096],
    )
    .status
}

fn write_cdb(lba: u64, blocks: u32) -> [u8; 16] {
    let mut cdb = [0; 16];
    cdb[0] = 0x8A;
    cdb[2..10].copy_from_slice(&lba.to_be_bytes());
    cdb[10..14].copy_from_slice(&blocks.to_be_bytes());
    cdb
}

fn open(unit: &dyn Unit<Bytes>, lba: u64) -> u16 {
    let mut cdb = [0; 16];
    cdb[..2].copy_from_slice(&[0x94, 0x03]);
    cdb[2..10].copy_from_slice(&lba.to_be_bytes());
    run(unit, &cdb, &[]).status
}

#[test]
fn only_failures_are_kept_and_only_the_last() {
    let (_, log, unit) = logged();
    assert_eq!(write(&*unit, ZONE, 1), GOOD);
    assert!(log.failures().is_empty());
    for lba in 0..5 {
        assert_eq!(write(&*unit, 2 * ZONE + 8 + lba, 1), CHECK_CONDITION);
    }
    let lbas: Vec<_> = log.failures().iter().map(|f| f.lba).collect();
    assert_eq!(
        lbas,
        (2..5).map(|n| Some(2 * ZONE + 8 + n)).collect::<Vec<_>>()
    );
}

#[test]
fn a_failure_has_its_zone_and_its_cdb() {
    let (_, log, unit) = logged();
    write(&*unit, ZONE, 3);
    write(&*unit, ZONE, 2);
    let [failure] = &log.failures()[..] else {
        panic!("one failure");
    };
    let (number, zone) = failure.zone.unwrap();
    assert_eq!(number, 1);
    assert_eq!(zone.write_pointer, Some(ZONE + 3));
    assert_eq!(zone.condition, Condition::ImplicitlyOpen);
    assert_eq!((failure.raw.len(), failure.count), (16, Some(2)));
    assert_eq!(failure.active, None);
}

#[test]
fn a_failure_for_lack_of_open_zones_counts_them() {
    let (_, log, unit) = logged();
    assert_eq!(open(&*unit, ZONE), GOOD);
    assert_eq!(open(&*unit, 2 * ZONE), GOOD);
    assert_eq!(open(&*unit, 3 * ZONE), CHECK_CONDITION);
    let expected = Active {
        explicitly_open: 2,
        implicitly_open: 0,
        closed: 0,
    };
    assert_eq!(log.failures()[0].active, Some(expected));
}

#[test]
fn a_trace_has_every_command_of_every_thread() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("trace");
    let (disk, _, unit) = logged();
    let trace = Arc::new(Trace::start(File::create(&path).unwrap()).unwrap());
    let traced = Traced::new(unit, disk.geometry().clone(), trace.clone(), 7);
    thread::scope(|scope| {
        for _ in 0..3 {
            scope.spawn(|| (0..5000).for_each(|_| assert_eq!(write(&traced, 0, 1), GOOD)));
        }
    });
    trace.close().unwrap();
    assert_eq!(write(&traced, 0, 1), GOOD);
    assert_eq!(rows(&std::fs::read(&path).unwrap()), 15_000);
}

#[test]
fn a_trace_that_cannot_be_written_ends_and_the_disk_goes_on() {
    let (disk, _, unit) = logged();
    let full = OpenOptions::new().write(true).open("/dev/full").unwrap();
    let trace = Arc::new(Trace::start(full).unwrap());
    let traced = Traced::new(unit, disk.geometry().clone(), trace.clone(), 0);
    for _ in 0..10_000 {
        assert_eq!(write(&traced, 0, 1), GOOD);
    }
    let error = trace.close().unwrap_err();
    assert_eq!(error.kind(), std::io::ErrorKind::StorageFull);
}

/// How many rows the chunks of a trace have, all of which must be whole.
fn rows(mut bytes: &[u8]) -> usize {
    let mut rows = 0;
    while !bytes.is_empty() {
        assert_eq!(&bytes[..8], b"zvtrace3");
        let count = u32::from_le_bytes(bytes[8..12].try_into().unwrap()) as usize;
        rows += count;
        bytes = &bytes[16 + count * ROW..];
    }
    rows
}

#[test]
fn every_command_is_seen_also_one_that_the_unit_does_not_know() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("trace");
    let (disk, log, unit) = logged();
    let trace = Arc::new(Trace::start(File::create(&path).unwrap()).unwrap());
    let traced = Traced::new(unit, disk.geometry().clone(), trace.clone(), 0);
    assert_eq!(run(&traced, &[0x12, 0, 0, 0, 96, 0], &[]).status, GOOD);
    assert_eq!(run(&traced, &[0xC0; 10], &[]).status, CHECK_CONDITION);
    trace.close().unwrap();
    assert_eq!(rows(&std::fs::read(&path).unwrap()), 2);
    let [failure] = &log.failures()[..] else {
        panic!("one failure");
    };
    assert_eq!((failure.protocol, failure.name), ("SCSI", None));
    assert_eq!(failure.raw, [0xC0; 10]);
}

#[test]
fn what_ends_later_is_seen_when_it_ends() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("trace");
    let (disk, log, unit) = logged();
    let trace = Arc::new(Trace::start(File::create(&path).unwrap()).unwrap());
    let traced = Traced::new(unit, disk.geometry().clone(), trace.clone(), 0);
    disk.hold(true);
    let first = traced.execute(&command(&write_cdb(ZONE, 1), &[0; 4096]));
    let second = traced.execute(&command(&write_cdb(ZONE, 1), &[0; 4096]));
    assert!(log.failures().is_empty());
    disk.release_all();
    assert_eq!(first.wait().map(|outcome| outcome.status), Some(GOOD));
    let status = second.wait().map(|outcome| outcome.status);
    assert_eq!(status, Some(CHECK_CONDITION), "its place is taken");
    assert_eq!(log.failures().len(), 1);
    trace.close().unwrap();
    assert_eq!(rows(&std::fs::read(&path).unwrap()), 2);
}
