//! A disk whose completions wait for their time.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::channel;
use std::sync::Arc;
use std::time::{Duration, Instant};

use timed::TimedDisk;
use timing::{DiskProfile, Profile};
use zoned::testing::{Bytes, RamDisk};
use zoned::{
    Action, Blocks, Completion, Geometry, Kind, Listener, Operation, Refusal, Request, Statistics,
    Submitted, Target, Zone, ZonedDisk,
};

const MS: Duration = Duration::from_millis(1);

fn geometry() -> Geometry {
    Geometry {
        kind: Kind::HostManaged,
        block_size: 4096,
        blocks: 8 * 256,
        zone_blocks: 256,
        zone_capacity: None,
        conventional_zones: 1,
        max_open: None,
        max_active: None,
        unrestricted_reads: true,
        extension_bytes: 0,
    }
}

/// A disk that takes 20 ms for each command, and next to nothing more.
fn profile() -> Profile {
    let mut values: BTreeMap<String, f64> = DiskProfile::NAMES
        .iter()
        .map(|&name| (name.to_owned(), 0.0))
        .collect();
    for (name, value) in [
        ("rpm", 1e6),
        ("outer_mb_s", 1e5),
        ("inner_mb_s", 1e5),
        ("link_mb_s", 1e5),
        ("queue_depth", 32.0),
        ("cache_kib", 65536.0),
        ("cache_writes", 1000.0),
        ("longest_wait_ms", 1000.0),
        ("command_us", 20_000.0),
    ] {
        values.insert(name.to_owned(), value);
    }
    Profile::Disk(DiskProfile::of(&values).unwrap())
}

/// A disk that counts what it was asked to make stable.
struct Counting {
    disk: RamDisk<Bytes>,
    flushes: AtomicUsize,
}

impl Counting {
    fn flushes(&self) -> usize {
        self.flushes.load(Ordering::SeqCst)
    }
}

impl ZonedDisk<Bytes> for Counting {
    fn geometry(&self) -> &Geometry {
        self.disk.geometry()
    }

    fn submit(&self, request: Request, data: &Bytes) -> Submitted<Completion> {
        let stable = match request.operation {
            Operation::Flush => true,
            Operation::Write { stable, .. } => stable,
            _ => false,
        };
        self.flushes
            .fetch_add(usize::from(stable), Ordering::SeqCst);
        self.disk.submit(request, data)
    }

    fn zone(&self, number: u32) -> Zone {
        self.disk.zone(number)
    }

    fn take_statistics(&self) -> Statistics {
        self.disk.take_statistics()
    }

    fn extension(&self, number: u32) -> Vec<u8> {
        self.disk.extension(number)
    }

    fn saved(&self, kind: u32) -> Vec<u8> {
        self.disk.saved(kind)
    }

    fn listen(&self, listener: Listener) {
        self.disk.listen(listener);
    }
}

fn disks() -> (Arc<Counting>, TimedDisk<Bytes>) {
    let disk = Arc::new(Counting {
        disk: RamDisk::new(geometry()),
        flushes: AtomicUsize::new(0),
    });
    let timed = TimedDisk::new(disk.clone(), &profile()).unwrap();
    (disk, timed)
}

fn write(lba: u64, stable: bool) -> Operation {
    let blocks = Blocks { lba, count: 1 };
    Operation::Write { blocks, stable }
}

fn submit(disk: &TimedDisk<Bytes>, operation: Operation) -> Submitted<Completion> {
    disk.submit(operation.into(), &Bytes::new(vec![7; 4096]))
}

fn took(begun: Instant, times: u32) {
    let took = begun.elapsed();
    assert!(took >= 20 * MS * times, "{took:?}");
    // A host may be busy.
    assert!(took < 20 * MS * times + 1000 * MS, "{took:?}");
}

#[test]
fn what_is_carried_out_at_once_ends_in_its_time() {
    let (disk, timed) = disks();
    let begun = Instant::now();
    let submitted = submit(&timed, write(256, false));
    assert_eq!(disk.zone(1).write_pointer, Some(257));
    let done = submitted.wait().unwrap();
    assert_eq!((done.result.is_ok(), done.moved), (true, 4096));
    let spent = done.spent.unwrap();
    assert_eq!((spent.queued, spent.ended), (0, spent.service));
    took(begun, 1);
    let told = timed.pace().told();
    assert_eq!(told.commands, 1);
    assert!(told.time > 20_000_000 && told.time < 21_000_000, "{told:?}");
}

#[test]
fn commands_in_flight_are_the_devices_queue() {
    let (_, timed) = disks();
    let begun = Instant::now();
    let (told, ended) = channel();
    for lba in 256..259 {
        let told = told.clone();
        submit(&timed, write(lba, false))
            .then(move |done| told.send((lba, done.result.is_ok())).unwrap());
    }
    let ended: Vec<_> = ended.iter().take(3).collect();
    assert_eq!(ended, [(256, true), (257, true), (258, true)]);
    took(begun, 3);
}

#[test]
fn what_is_refused_takes_no_time() {
    let (_, timed) = disks();
    for (operation, refusal) in [
        (
            write(300, false),
            Refusal::Unaligned {
                zone: 1,
                write_pointer: 256,
            },
        ),
        (write(5000, false), Refusal::OutOfRange { lba: 5000 }),
    ] {
        match submit(&timed, operation) {
            Submitted::Completed(done) => assert_eq!(done.result, Err(refusal)),
            Submitted::Pending(_) => panic!("it waits"),
        }
    }
    let append = Operation::Append {
        zone: 99,
        count: 1,
        stable: false,
    };
    assert!(matches!(submit(&timed, append), Submitted::Completed(_)));
    let target = Target::Zones {
        first: 99,
        count: 5,
    };
    let reset = Operation::Manage {
        action: Action::Reset,
        target,
    };
    assert!(matches!(submit(&timed, reset), Submitted::Completed(_)));
    assert_eq!(timed.pace().told().commands, 0);
}

#[test]
fn nothing_is_stable_before_its_time() {
    let (disk, timed) = disks();
    let stable = submit(&timed, write(256, true));
    assert_eq!(disk.zone(1).write_pointer, Some(257));
    assert_eq!(disk.flushes(), 0);
    stable.wait().unwrap().result.unwrap();
    assert_eq!(disk.flushes(), 1);
    let flush = submit(&timed, Operation::Flush);
    assert_eq!(disk.flushes(), 1);
    flush.wait().unwrap().result.unwrap();
    assert_eq!(disk.flushes(), 2);
}

#[test]
fn a_loss_of_power_takes_what_had_not_ended() {
    let (disk, timed) = disks();
    let Submitted::Pending(flush) = submit(&timed, Operation::Flush) else {
        panic!("it does not wait");
    };
    let ticket = flush.ticket();
    assert!(!ticket.withdraw(), "it cannot be taken back");
    timed.pace().power_off();
    assert!(ticket.is_over());
    let Submitted::Pending(sent_later) = submit(&timed, write(256, false)) else {
        panic!("it ends without power");
    };
    assert!(sent_later.ticket().is_over());
    std::thread::sleep(50 * MS);
    assert_eq!((disk.flushes(), timed.pace().told().commands), (0, 0));
    timed.pace().power_on();
    submit(&timed, write(256, false))
        .wait()
        .unwrap()
        .result
        .unwrap();
}

#[test]
fn zones_as_a_whole_take_their_time_too() {
    let (disk, timed) = disks();
    submit(&timed, write(256, false)).wait().unwrap();
    // What was late before is not caught up with after a pause.
    std::thread::sleep(200 * MS);
    let begun = Instant::now();
    for action in [Action::Open, Action::Close, Action::Finish, Action::Reset] {
        let target = Target::Zones { first: 1, count: 1 };
        submit(&timed, Operation::Manage { action, target })
            .wait()
            .unwrap()
            .result
            .unwrap();
    }
    took(begun, 4);
    let target = Target::All;
    let all = Operation::Manage {
        action: Action::Reset,
        target,
    };
    submit(&timed, all).wait().unwrap().result.unwrap();
    assert_eq!(disk.zone(1).write_pointer, Some(256));
}

#[test]
fn what_waits_is_forgotten_with_the_disk() {
    let (_, timed) = disks();
    let Submitted::Pending(waits) = submit(&timed, write(256, false)) else {
        panic!("it does not wait");
    };
    drop(timed);
    assert!(waits.ticket().is_over());
}
