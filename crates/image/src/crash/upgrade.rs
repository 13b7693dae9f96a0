//! An image of version 1 that becomes one of today's: whenever the host crashes in that, nothing is lost.

use std::path::Path;
use std::sync::Arc;

use zoned::{word_of, Condition, Geometry, Kind};

use super::recorder::{Crashing, Order, Recorder};
use super::{block, cdb, BLOCK};
use crate::disk::{Cache, Disk};
use crate::header::{Access, Header, Page, LINEAR, VERSION};
use crate::journal::Journal;
use crate::layout::{Area, Layout, COPY, PAGE};
use crate::live::{self, Boot};
use crate::random::identity;
use crate::state::{fill, recover};
use crate::store::Store;
use crate::table::{self, Table};
use crate::unit::Unit;
use ::random::Random;

const ZONE: u64 = 8;
const SIMULATED: &str = "simulated";
/// Each zone's condition, and how much of it is written.
const ZONES: [(Condition, u32); 6] = [
    (Condition::NotWritePointer, 0),
    (Condition::Closed, 3),
    (Condition::Empty, 0),
    (Condition::Full, 8),
    (Condition::Full, 0),
    (Condition::ReadOnly, 2),
];

fn linear() -> Header {
    let geometry = Geometry {
        kind: Kind::HostManaged,
        block_size: BLOCK,
        blocks: ZONES.len() as u64 * ZONE,
        zone_blocks: ZONE,
        conventional_zones: 1,
        max_open: None,
        zone_capacity: None,
        max_active: None,
        unrestricted_reads: true,
        extension_bytes: 0,
    };
    let layout = Layout {
        extensions: Area::NONE,
        saved: Area::NONE,
        ..Layout::new(&geometry).unwrap()
    };
    Header {
        version: LINEAR,
        uuid: [0; 16],
        created: 0,
        geometry,
        identity: identity(),
        layout,
    }
}

/// What a read of the whole disk gets.
fn contents() -> Vec<u8> {
    let zones = (0..).zip(ZONES);
    let blocks = zones.flat_map(|(zone, (condition, written))| {
        (0..ZONE).map(move |at| {
            let lba = zone * ZONE + at;
            let there = at < written.into() || condition == Condition::NotWritePointer;
            match there {
                true => block(lba, 1),
                false => vec![0; BLOCK as usize],
            }
        })
    });
    blocks.flatten().collect()
}

/// The image as its last user left it: cleanly, or killed in this boot of the host, after which the live table counts.
fn image(header: &Header, killed: bool) -> Vec<u8> {
    let Header {
        layout, geometry, ..
    } = header;
    let length = layout.data.offset + geometry.bytes();
    let store = Recorder::new(vec![0; length as usize], Order::Right);
    fill(&store, header).unwrap();
    let words = (0..)
        .zip(ZONES)
        .map(|(zone, (condition, written))| word_of(geometry, zone, condition, written).unwrap());
    let words: Vec<u64> = words.collect();
    if killed {
        live::stamp(&store, layout.journal.offset, Some(Boot::number(1))).unwrap();
    } else {
        let mut journal = Journal::load(&store, layout, geometry).unwrap();
        let changes: Vec<_> = (0..).zip(words.iter().copied()).collect();
        journal.commit(&store, &changes).unwrap();
    }
    table::write(&store, layout.table, &words).unwrap();
    store.write_at(layout.data.offset, &contents()).unwrap();
    store.state.into_inner().unwrap().0
}

/// The header, or its copy where a crash tore it.
fn header_of(store: &dyn Store) -> Header {
    let page = |at| {
        let mut page: Page = [0; PAGE as usize];
        store.read_at(at, &mut page).unwrap();
        Header::decode(&page, Path::new(SIMULATED), Access::Write)
    };
    page(0).or_else(|_| page(COPY)).unwrap()
}

/// Opens the image in a boot of the host; what it holds, and how its zones are.
fn look(store: &Arc<Recorder>, boot: u8) -> (Vec<u8>, Vec<Condition>) {
    let path = Path::new(SIMULATED);
    let mut header = header_of(&**store);
    let journal = recover(&**store, &mut header, Some(Boot::number(boot)), path).unwrap();
    assert_eq!(header.version, VERSION);
    let words = table::read(&**store, header.layout.table, &header.geometry).unwrap();
    let table = Table::own(&words, &header.geometry);
    let store = Arc::clone(store) as Arc<dyn Store>;
    let disk = Disk::start(store, table, journal, header, path, Cache::Host, false).unwrap();
    let disk = Unit::new(disk);
    disk.run(&[0; 6], &[], 0);
    let data = (0..ZONES.len() as u64).flat_map(|zone| {
        let read = cdb(0x88, 0, zone * ZONE, ZONE as u32);
        disk.run(&read, &[], ZONE as usize * BLOCK as usize).1
    });
    let conditions = disk.zones().iter().map(|zone| zone.condition).collect();
    (data.collect(), conditions)
}

#[test]
fn no_crash_in_an_upgrade_loses_anything() {
    let conditions = ZONES.map(|(condition, _)| condition);
    let mut crashes = 0;
    for (killed, seed) in [(false, 1), (false, 2), (true, 3)] {
        let header = linear();
        let before = image(&header, killed);
        let store = Arc::new(Recorder::new(before.clone(), Order::Right));
        assert_eq!(header_of(&*store).version, LINEAR);
        let (data, found) = look(&store, 1);
        assert_eq!(found, conditions, "killed: {killed}");
        assert!(data == contents(), "killed: {killed}");
        let events = store.events();
        let mut state = Crashing::new(before);
        let mut chance = Random::new(seed);
        for count in 0..=events.len() {
            for _ in 0..8 {
                crashes += 1;
                let bytes = match killed {
                    // The process is killed: all that it did is there.
                    true => all_of(&state, &events[..count]),
                    false => state.crash(events.get(count), &mut chance),
                };
                let boot = if killed { 1 } else { 2 };
                let left = Arc::new(Recorder::new(bytes, Order::Right));
                assert!(
                    look(&left, boot) == (contents(), conditions.to_vec()),
                    "killed: {killed}, after event {count}"
                );
            }
            if !killed {
                events
                    .get(count)
                    .into_iter()
                    .for_each(|event| state.apply(event));
            }
        }
    }
    assert!(crashes > 100);
}

fn all_of(state: &Crashing, events: &[super::recorder::Event]) -> Vec<u8> {
    let mut all = state.clone();
    events.iter().for_each(|event| all.apply(event));
    all.apply(&super::recorder::Event::Sync);
    all.stable
}
