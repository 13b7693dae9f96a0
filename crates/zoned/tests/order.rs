//! Completions in any order: what comes of requests is what comes of them one after the other.

mod common;

use std::sync::mpsc::{channel, Receiver};

use common::*;
use proptest::prelude::*;
use zoned::{check_word, Action, Blocks, Completion, Geometry, Kind, Operation, Target, ZonedDisk};

/// What happens next.
#[derive(Clone, Debug)]
enum Next {
    /// A write where the write pointer is once all before it is done, or elsewhere.
    Write {
        zone: u32,
        count: u64,
        misplaced: bool,
    },
    Append {
        zone: u32,
        count: u64,
    },
    Manage {
        action: Action,
        zone: u32,
        all: bool,
    },
    Read {
        zone: u32,
    },
    Flush,
    /// The I/O of a request that waits for it is carried out, whichever.
    Release(prop::sample::Index),
}

fn next() -> impl Strategy<Value = Next> {
    let zone = || 0..8u32;
    let action = || {
        prop::sample::select(vec![
            Action::Open,
            Action::Close,
            Action::Finish,
            Action::Reset,
        ])
    };
    prop_oneof![
        6 => (zone(), 1..3u64, prop::bool::weighted(0.1))
            .prop_map(|(zone, eighths, misplaced)| Next::Write { zone, count: eighths * 8, misplaced }),
        3 => (zone(), 1..12u64).prop_map(|(zone, count)| Next::Append { zone, count }),
        3 => (action(), zone(), prop::bool::weighted(0.1))
            .prop_map(|(action, zone, all)| Next::Manage { action, zone, all }),
        1 => zone().prop_map(|zone| Next::Read { zone }),
        1 => Just(Next::Flush),
        6 => any::<prop::sample::Index>().prop_map(Next::Release),
    ]
}

fn operation(next: &Next, oracle: &Disk) -> Option<Operation> {
    Some(match *next {
        Next::Write {
            zone,
            count,
            misplaced,
        } => {
            let pointer = oracle.0.zone(zone).write_pointer;
            let lba = pointer.unwrap_or(start(zone)) + 8 * u64::from(misplaced);
            write(lba, count)
        }
        Next::Append { zone, count } => append(zone, count),
        Next::Manage {
            action, all: true, ..
        } => Operation::Manage {
            action,
            target: Target::All,
        },
        Next::Manage { action, zone, .. } => manage(action, zone),
        Next::Read { zone } => Operation::Read {
            blocks: Blocks {
                lba: start(zone),
                count: CAPACITY,
            },
            stable: false,
        },
        Next::Flush => Operation::Flush,
        Next::Release(_) => return None,
    })
}

/// A request in flight, and what came of it one after the other.
type Flying = (Receiver<Completion>, Completion, bool);

fn data(operation: &Operation, number: usize) -> Vec<u8> {
    match *operation {
        Operation::Write { blocks, .. } => filled(blocks.count, number as u8),
        Operation::Append { count, .. } => filled(count, number as u8),
        Operation::Read { blocks, .. } => filled(blocks.count, 0),
        _ => Vec::new(),
    }
}

/// Runs what happens on a disk whose I/O waits, beside one where it does not.
fn run(geometry: Geometry, happens: &[Next], same: bool) -> Result<(), TestCaseError> {
    let (disk, oracle) = (Disk::new(geometry.clone()), Disk::new(geometry.clone()));
    disk.0.hold(true);
    let mut flying: Vec<Flying> = Vec::new();
    for (number, next) in happens.iter().enumerate() {
        let Some(operation) = operation(next, &oracle) else {
            let held = disk.0.held();
            if let (Next::Release(which), false) = (next, held.is_empty()) {
                disk.0.release(*which.get(&held));
            }
            continue;
        };
        let expected = oracle.submit(operation, data(&operation, number));
        let expected = expected.wait().expect("a completion");
        let (told, result) = channel();
        let submitted = disk.submit(operation, data(&operation, number));
        submitted.then(move |completion| told.send(completion).expect("the test waits"));
        // A read sees what is there when it comes, and a report likewise.
        let is_read = matches!(operation, Operation::Read { .. });
        flying.push((result, expected, is_read));
        check(&disk, &geometry)?;
    }
    while let Some(&number) = disk.0.held().last() {
        disk.0.release(number);
        check(&disk, &geometry)?;
    }
    for (result, expected, is_read) in flying {
        let results: Vec<Completion> = result.iter().collect();
        prop_assert_eq!(results.len(), 1, "each completes once");
        if same && !is_read {
            prop_assert_eq!(results[0], expected);
        }
    }
    if same {
        prop_assert_eq!(disk.0.words(), oracle.0.words());
        for zone in 0..8 {
            let all = |disk: &Disk| disk.read(start(zone), CAPACITY);
            disk.0.hold(false);
            prop_assert_eq!(all(&disk), all(&oracle), "zone {}", zone);
        }
    }
    Ok(())
}

/// What holds at any moment.
fn check(disk: &Disk, geometry: &Geometry) -> Result<(), TestCaseError> {
    for (zone, word) in (0..).zip(disk.0.words()) {
        prop_assert_eq!(check_word(geometry, zone, word), Ok(()));
    }
    let open = (0..8)
        .filter(|&zone| disk.condition(zone).is_open())
        .count() as u32;
    prop_assert!(geometry.open_limit().is_none_or(|limit| open <= limit));
    prop_assert!(geometry
        .active_limit()
        .is_none_or(|limit| disk.active() <= limit));
    Ok(())
}

/// Without limits zones have nothing to do with each other, so what comes of a request depends on those before it in its
/// zones alone.
fn unlimited(geometry: Geometry) -> Geometry {
    Geometry {
        max_open: None,
        max_active: None,
        ..geometry
    }
}

fn smr() -> Geometry {
    Geometry {
        kind: Kind::HostManaged,
        max_active: None,
        extension_bytes: 0,
        ..zns()
    }
}

proptest! {
    #[test]
    fn any_order_of_a_zns_namespace(happens in prop::collection::vec(next(), 1..80)) {
        run(unlimited(zns()), &happens, true)?;
    }

    #[test]
    fn any_order_of_an_smr_disk(happens in prop::collection::vec(next(), 1..80)) {
        run(unlimited(smr()), &happens, true)?;
    }

    #[test]
    fn limits_hold_and_each_completes_once(happens in prop::collection::vec(next(), 1..80), kind: bool) {
        run(if kind { zns() } else { smr() }, &happens, false)?;
    }
}

#[test]
fn what_is_begun_while_all_is_released_is_not_held() {
    let blocks = Blocks { lba: 0, count: 1 };
    let read = Operation::Read {
        blocks,
        stable: false,
    };
    for _ in 0..500 {
        let disk = Disk::new(zns());
        disk.0.hold(true);
        std::thread::scope(|scope| {
            scope.spawn(|| {
                for _ in 0..200 {
                    drop(disk.submit(read, Vec::new()));
                }
            });
            while disk.0.held().len() < 10 {
                std::hint::spin_loop();
            }
            disk.0.release_all();
        });
        assert_eq!(disk.0.held(), []);
    }
}
