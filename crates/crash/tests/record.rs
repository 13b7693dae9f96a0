//! What is recorded, and what is read of a record.

mod common;

use std::fs::{File, OpenOptions};
use std::sync::Arc;

use common::{content, geometry, identity, overlay, reader, view, write, Recorded};
use crash::{
    Completed, Entry, ErrorKind, Log, Moment, Outcome, Place, Reader, Recorder, Stage, States, View,
};
use random::Random;
use zoned::testing::{Bytes, RamDisk};
use zoned::{Action, Blocks, Degraded, Geometry, Kind, Operation, Submitted, Target, ZonedDisk};

const KINDS: [Kind; 3] = [Kind::HostManaged, Kind::Zns, Kind::Conventional];

/// Any request, most of them such that they can be carried out.
fn any(random: &mut Random, disk: &RamDisk<Bytes>) -> (Operation, Vec<u8>) {
    let geometry: &Geometry = disk.geometry();
    let mut below = |most: u64| random.draw() % most;
    let zone = below(geometry.zones().into()) as u32;
    let stable = below(4) == 0;
    let start = disk.zone(zone).write_pointer;
    let unit = geometry.write_unit_blocks();
    let lba = start.unwrap_or_else(|| geometry.span(zone).start + below(32));
    let count = if start.is_some() {
        unit * (1 + below(3))
    } else {
        1 + below(32)
    };
    let blocks = Blocks { lba, count };
    let target = match below(6) {
        0 => Target::All,
        _ => Target::Zones {
            first: zone,
            count: 1,
        },
    };
    let manage = |action| Operation::Manage { action, target };
    let operation = match below(26) {
        0..=9 => Operation::Write { blocks, stable },
        10..=13 => Operation::Fill { blocks, stable },
        14..=16 => Operation::Append {
            zone,
            count: unit,
            stable,
        },
        17 => Operation::Flush,
        18 => manage(Action::Open),
        19 => manage(Action::Close),
        20 => manage(Action::Finish),
        21 => manage(Action::Reset),
        22 => manage(Action::SetExtension),
        23 => Operation::Read { blocks, stable },
        24 => Operation::Save {
            kind: below(2) as u32,
        },
        _ => match below(8) {
            0 => Operation::Degrade {
                target,
                to: Degraded::ReadOnly,
            },
            1 => manage(Action::Offline),
            _ => Operation::Flush,
        },
    };
    let size = u64::from(geometry.block_size);
    let bytes = match operation {
        Operation::Write { .. } | Operation::Read { .. } => count * size,
        Operation::Append { .. } => unit * size,
        Operation::Fill { .. } => size * below(2),
        Operation::Manage { .. } => geometry.extension_bytes.into(),
        _ => 40,
    };
    (operation, (0..bytes).map(|_| below(256) as u8).collect())
}

#[test]
fn a_record_shows_what_the_disk_holds() {
    for kind in KINDS {
        let mut random = Random::new(11);
        for _ in 0..60 {
            let recorded = Recorded::new(geometry(kind));
            for _ in 0..40 {
                let (operation, data) = any(&mut random, &recorded.ram);
                recorded.submit(operation, &data).wait().unwrap();
            }
            let view = view(&recorded.end(), &[]);
            let ram = &recorded.ram;
            ram.power_cycle(|_, word| word);
            for zone in 0..ram.geometry().zones() {
                assert_eq!(view.zone(zone), ram.zone(zone));
                assert_eq!(view.extension(zone), ram.extension(zone));
            }
            assert_eq!(view.saved(1), ram.saved(1));
            assert_eq!(content(&view), content(&**ram));
            assert_eq!(view.identity(), &identity());
        }
    }
}

#[test]
fn a_view_is_a_disk_that_can_be_written() {
    for kind in KINDS {
        let mut random = Random::new(3);
        for _ in 0..30 {
            let recorded = Recorded::new(geometry(kind));
            let run = |disk: &dyn ZonedDisk<Bytes>, (operation, data): &(Operation, Vec<u8>)| {
                let data = Bytes::new(data.clone());
                disk.submit((*operation).into(), &data).wait().unwrap()
            };
            for _ in 0..20 {
                let request = any(&mut random, &recorded.ram);
                run(&recorded.disk, &request);
            }
            let view = view(&recorded.end(), &[]);
            recorded.ram.power_cycle(|_, word| word);
            for _ in 0..20 {
                let request = any(&mut random, &recorded.ram);
                assert_eq!(
                    run(&view, &request),
                    run(&*recorded.ram, &request),
                    "{request:?}"
                );
            }
            assert_eq!(content(&view), content(&*recorded.ram));
        }
    }
}

#[test]
fn submissions_and_completions_are_in_one_order_with_marks() {
    let recorded = Recorded::new(geometry(Kind::HostManaged));
    recorded.ram.hold(true);
    let first = recorded.submit(write(64, 8), &[1; 4096]);
    first.then(|done| assert!(done.result.is_ok()));
    let second = recorded.submit(write(72, 8), &[2; 4096]);
    recorded.log.mark("begun").unwrap();
    let Submitted::Pending(waits) = second else {
        panic!("it is held")
    };
    let ticket = waits.ticket();
    waits.then(|_| panic!("it was taken back"));
    assert!(ticket.withdraw());
    recorded.log.mark("taken back").unwrap();
    recorded.ram.release_all();
    recorded.submit(write(99, 1), &[3; 512]).wait().unwrap();
    let mut entries = recorded.entries().into_iter();
    assert!(matches!(entries.next(), Some(Entry::Disk(_))));
    let submitted = |entry| match entry {
        Some(Entry::Submitted(submission)) => submission.operation,
        other => panic!("{other:?}"),
    };
    let ended = |entry| match entry {
        Some(Entry::Completed(Completed { of, outcome, .. })) => (of, outcome),
        other => panic!("{other:?}"),
    };
    assert_eq!(submitted(entries.next()), write(64, 8));
    assert_eq!(submitted(entries.next()), write(72, 8));
    assert_eq!(entries.next(), Some(Entry::Mark("begun".into())));
    assert_eq!(entries.next(), Some(Entry::Mark("taken back".into())));
    assert_eq!(ended(entries.next()), (1, Outcome::Done));
    assert_eq!(ended(entries.next()), (2, Outcome::Withdrawn));
    assert_eq!(submitted(entries.next()), write(99, 1));
    assert_eq!(ended(entries.next()), (7, Outcome::Refused));
    assert_eq!(entries.next(), None);
}

#[test]
fn what_nobody_waits_for_is_in_flight() {
    let recorded = Recorded::new(geometry(Kind::HostManaged));
    recorded.ram.hold(true);
    drop(recorded.submit(write(64, 8), &[1; 4096]));
    recorded.ram.release_all();
    assert_eq!(recorded.entries().len(), 2);
    let flush = recorded.submit(Operation::Flush, &[]).wait().unwrap();
    assert!(flush.result.is_ok());
    assert_eq!(States::of(&recorded.end()).unwrap().count(), Some(2));
}

/// A completion may lead to the next request while another is submitted.
#[test]
fn a_completion_may_submit() {
    let recorded = Arc::new(Recorded::new(geometry(Kind::HostManaged)));
    recorded.ram.hold(true);
    let again = recorded.clone();
    let first = recorded.submit(write(64, 8), &[1; 4096]);
    let both = first.and_then(move |_| again.submit(write(72, 8), &[2; 4096]));
    recorded.ram.release_all();
    assert!(both.wait().unwrap().result.is_ok());
    assert_eq!(recorded.entries().len(), 5);
}

#[test]
fn what_is_torn_at_the_end_is_not_there() {
    let recorded = Recorded::new(geometry(Kind::HostManaged));
    let random: Vec<u8> = (0..4096u32).map(|at| ((at * at) >> 4) as u8).collect();
    recorded.submit(write(64, 8), &random).wait().unwrap();
    let before = std::fs::metadata(&recorded.path).unwrap().len();
    recorded.log.mark("m").unwrap();
    recorded.submit(write(72, 8), &random).wait().unwrap();
    let whole = std::fs::read(&recorded.path).unwrap();
    let torn = recorded.path.with_extension("torn");
    let mut counts = Vec::new();
    for len in (before as usize..whole.len())
        .step_by(5)
        .chain([whole.len()])
    {
        std::fs::write(&torn, &whole[..len]).unwrap();
        let reader = reader(&torn);
        counts.push(reader.entries());
        let mut moment = Moment::start(reader.clone());
        moment.advance(reader.entries()).unwrap();
        content(&view(&moment, &[]));
    }
    assert!(counts.is_sorted());
    counts.dedup();
    assert_eq!(counts, [3, 4, 5, 6]);
    // A record that grows.
    std::fs::write(&torn, &whole[..whole.len() - 1]).unwrap();
    let mut growing = Reader::open(File::open(&torn).unwrap()).unwrap();
    assert_eq!(growing.entries(), 5);
    std::fs::write(&torn, &whole).unwrap();
    growing.grow().unwrap();
    assert_eq!(growing.entries(), 6);
    // A flipped bit of a head ends it, one of data is found when they are read.
    for at in (before as usize..whole.len()).step_by(5) {
        let mut flipped = whole.clone();
        flipped[at] ^= 4;
        std::fs::write(&torn, &flipped).unwrap();
        let reader = reader(&torn);
        let mut moment = Moment::start(reader.clone());
        moment.advance(reader.entries()).unwrap();
        let read = content(&view(&moment, &[]));
        let right = reader.entries() < 6 || read[72..80].iter().all(Option::is_none);
        assert!(right, "the byte {at}");
    }
}

#[test]
fn a_stage_shows_one_state_after_the_other() {
    let recorded = Recorded::new(geometry(Kind::HostManaged));
    recorded.submit(write(64, 8), &[1; 4096]).wait().unwrap();
    let moment = recorded.end();
    let lost = States::of(&moment).unwrap().least().unwrap();
    let stage = Stage::new(view(&moment, &[]));
    assert_eq!(stage.zone(1).write_pointer, Some(72));
    stage.show(view(&moment, &lost)).unwrap();
    assert_eq!(stage.zone(1).write_pointer, Some(64));
    let other = Recorded::new(geometry(Kind::Zns)).end();
    assert!(stage.show(view(&other, &[])).is_err());
}

#[test]
fn other_files_are_no_records() {
    let dir = tempfile::TempDir::new().unwrap();
    for (text, name) in [
        ("", "a"),
        ("\u{89}ZV", "b"),
        ("not a record of anything", "c"),
    ] {
        let path = dir.path().join(name);
        std::fs::write(&path, text).unwrap();
        let error = Reader::open(File::open(&path).unwrap()).err().unwrap();
        assert_eq!(error.kind(), ErrorKind::NotARecord);
    }
}

#[test]
fn a_record_that_cannot_be_written_ends_and_the_disk_goes_on() {
    let full = OpenOptions::new().write(true).open("/dev/full").unwrap();
    assert!(Log::start(full).is_err());
    let (read, log) = std::io::pipe().unwrap();
    let log = Arc::new(Log::start(File::from(std::os::fd::OwnedFd::from(log))).unwrap());
    let disk = Recorder::new(Arc::new(RamDisk::new(geometry(Kind::HostManaged))));
    disk.start(log.clone(), 0, identity(), false).unwrap();
    drop(read);
    let data = Bytes::new(vec![1; 4096]);
    let done = disk.submit(write(64, 8).into(), &data).wait().unwrap();
    assert!(done.result.is_ok());
    assert_eq!(
        log.mark("m").unwrap_err().kind(),
        std::io::ErrorKind::BrokenPipe
    );
    let again = disk.start(log, 1, identity(), false).unwrap_err();
    assert_eq!(again.to_string(), "the disk is recorded already");
}

#[test]
fn a_state_of_another_point_is_refused() {
    let recorded = Recorded::new(geometry(Kind::HostManaged));
    recorded.submit(write(64, 16), &[1; 8192]).wait().unwrap();
    let moment = recorded.end();
    let states = States::of(&moment).unwrap();
    assert_eq!(states.count(), Some(3));
    let mut loss = states.nth(1).unwrap()[0];
    assert_eq!(
        (loss.place, loss.changes, loss.kept),
        (Place::Zone(1), 1, 1)
    );
    let pointer = |losses: &[_]| view(&moment, losses).zone(1).write_pointer;
    assert_eq!(pointer(&[loss]), Some(72));
    assert_eq!(pointer(&states.least().unwrap()), Some(64));
    let refused = |loss| View::<Bytes>::new(&moment, &[loss], 0, overlay()).err();
    loss.changes = 2;
    let error = refused(loss).unwrap().to_string();
    assert!(
        error.starts_with("zone 1 of disk 0 cannot have lost 2 changes"),
        "{error}"
    );
    loss.changes = 1;
    loss.kept = 2;
    assert!(refused(loss).is_some());
    loss.place = Place::Block(1);
    assert!(refused(loss).is_some());
    let none = View::<Bytes>::new(&moment, &[], 7, overlay())
        .err()
        .unwrap();
    assert_eq!(none.to_string(), "disk 7 is not in the record at point 3");
}
