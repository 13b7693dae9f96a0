//! A namespace with a limit of active zones: no crash of its host, and no power cut, leaves more of them active.
//!
//! What crashes is any prefix of a random workload, with any of what was not stable; what is left is opened.

use std::path::Path;
use std::sync::Arc;

use memory::Scatter;
use zoned::{
    is_active, Action, Blocks, Completion, Geometry, Kind, Operation, Refusal, Target, ZonedDisk,
};

use super::recorder::{Crashing, Order, Recorder};
use crate::disk::{Cache, Disk};
use crate::header::{Header, VERSION};
use crate::layout::Layout;
use crate::live::Boot;
use crate::power::Loss;
use crate::random::identity;
use crate::state::{fill, recover};
use crate::store::Store;
use crate::table::Table;
use ::random::Random;

const ZONE: u64 = 8;
const ZONES: u32 = 12;
const MAX_ACTIVE: u32 = 3;
const EXTENSION: u32 = 64;
const REQUESTS: usize = 60;

fn header() -> Header {
    let geometry = Geometry {
        kind: Kind::Zns,
        block_size: 512,
        blocks: u64::from(ZONES) * ZONE,
        zone_blocks: ZONE,
        conventional_zones: 0,
        max_open: Some(2),
        max_active: Some(MAX_ACTIVE),
        zone_capacity: None,
        unrestricted_reads: true,
        extension_bytes: EXTENSION,
    };
    Header {
        version: VERSION,
        uuid: [0; 16],
        created: 0,
        layout: Layout::new(&geometry).unwrap(),
        geometry,
        identity: identity(),
    }
}

fn fresh() -> Arc<Recorder> {
    let header = header();
    let store = Recorder::new(vec![0; header.layout.least_length() as usize], Order::Right);
    fill(&store, &header).unwrap();
    let image = store.state.into_inner().unwrap().0;
    Arc::new(Recorder::new(image, Order::Right))
}

fn open(store: &Arc<Recorder>, boot: u8, cache: Cache) -> Disk {
    let store = Arc::clone(store) as Arc<dyn Store>;
    let (mut header, path) = (header(), Path::new("simulated"));
    let journal = recover(&*store, &mut header, Some(Boot::number(boot)), path).unwrap();
    assert!(
        active(journal.words().iter().copied()) <= MAX_ACTIVE,
        "stable"
    );
    let table = Table::own(journal.words(), &header.geometry);
    Disk::start(store, table, journal, header, path, cache, false).unwrap()
}

fn active(words: impl Iterator<Item = u64>) -> u32 {
    words.filter(|&word| is_active(word)).count() as u32
}

fn ask(disk: &Disk, operation: Operation, data: Vec<u8>) -> Completion {
    let submitted = disk.submit(operation.into(), &Scatter::from_bytes(data));
    submitted.wait().expect("a completion")
}

/// Writes, fills, resets, finishes, opens, closes, extends and flushes zones at random. Often a limit refuses it.
fn work(disk: &Disk, chance: &mut Random) {
    let mut below = |limit: u64| chance.draw() % limit;
    let zone = below(ZONES.into()) as u32;
    let target = Target::Zones {
        first: zone,
        count: 1,
    };
    let manage = |action| Operation::Manage { action, target };
    let lba = disk.zone(zone).write_pointer.unwrap_or(0);
    let left = (u64::from(zone) + 1) * ZONE - lba.max(u64::from(zone) * ZONE);
    let count = match below(3) {
        0 => left,
        _ => 1 + below(left),
    };
    let stable = below(6) == 0;
    let blocks = Blocks { lba, count };
    let data = || vec![zone as u8 + 1; count as usize * 512];
    let (operation, data) = match below(12) {
        0..=4 => (Operation::Write { blocks, stable }, data()),
        5 => (
            Operation::Append {
                zone,
                count,
                stable,
            },
            data(),
        ),
        6 => (manage(Action::Reset), Vec::new()),
        7 => (manage(Action::Finish), Vec::new()),
        8 => (manage(Action::Open), Vec::new()),
        9 => (manage(Action::Close), Vec::new()),
        10 => (
            manage(Action::SetExtension),
            vec![zone as u8; EXTENSION as usize],
        ),
        _ => (Operation::Flush, Vec::new()),
    };
    let result = ask(disk, operation, data).result;
    let lost = [Refusal::Lost, Refusal::NotStable].map(Err);
    assert!(!lost.contains(&result), "{operation:?}: {result:?}");
}

fn live(disk: &Disk) -> u32 {
    active((0..ZONES).map(|zone| disk.word(zone)))
}

#[test]
fn no_crash_leaves_more_zones_active_than_the_limit() {
    let mut full = false;
    for seed in 0..30 {
        let store = fresh();
        let disk = open(&store, 1, Cache::Host);
        let begun = store.events().len();
        let mut state = Crashing::new(store.state.lock().unwrap().0.clone());
        let mut chance = Random::new(seed);
        for _ in 0..REQUESTS {
            work(&disk, &mut chance);
            assert!(live(&disk) <= MAX_ACTIVE, "seed {seed}");
            full |= live(&disk) == MAX_ACTIVE;
        }
        let events = store.events();
        for (count, event) in events.iter().enumerate().skip(begun) {
            let bytes = state.crash(Some(event), &mut chance);
            let left = open(
                &Arc::new(Recorder::new(bytes, Order::Right)),
                2,
                Cache::Host,
            );
            assert!(live(&left) <= MAX_ACTIVE, "seed {seed}, event {count}");
            state.apply(event);
        }
    }
    assert!(full, "the limit was never reached");
}

#[test]
fn no_power_cut_leaves_more_zones_active_than_the_limit() {
    let mut lost = 0;
    for seed in 0..60 {
        let disk = open(&fresh(), 1, Cache::Volatile);
        let mut chance = Random::new(seed);
        for number in 0..REQUESTS {
            work(&disk, &mut chance);
            if number % 7 == 6 {
                let loss = match chance.draw() % 3 {
                    0 => Loss::All,
                    _ => Loss::Random { seed },
                };
                lost += disk.power_cut(loss).unwrap().zones.len();
            }
            assert!(live(&disk) <= MAX_ACTIVE, "seed {seed}, request {number}");
        }
    }
    assert!(lost > 0, "no cut lost anything");
}

#[test]
fn an_extension_outlives_a_crash_until_its_zone_is_reset() {
    let store = fresh();
    let disk = open(&store, 1, Cache::Host);
    let target = Target::Zones { first: 5, count: 1 };
    let manage = |action| Operation::Manage { action, target };
    let data: Vec<u8> = (0..EXTENSION as u8).collect();
    assert!(ask(&disk, manage(Action::SetExtension), data.clone())
        .result
        .is_ok());
    let crashed = |store: &Arc<Recorder>, stable: Vec<u8>| {
        let mut state = Crashing::new(stable);
        store.events().iter().for_each(|event| state.apply(event));
        Arc::new(Recorder::new(state.stable, Order::Right))
    };
    let start = fresh().state.lock().unwrap().0.clone();
    let store = crashed(&store, start);
    let before = store.state.lock().unwrap().0.clone();
    let disk = open(&store, 2, Cache::Host);
    assert_eq!(disk.extension(5).unwrap(), Some(data));
    assert_eq!(disk.extension(4).unwrap(), None);
    assert!(ask(&disk, manage(Action::Reset), Vec::new()).result.is_ok());
    let disk = open(&crashed(&store, before), 3, Cache::Host);
    assert_eq!(disk.extension(5).unwrap(), None);
}
