//! Who has which slot, and what a read meets whose slot is given away.

use std::cell::Cell;

use zoned::{placed, Kind};

use super::*;
use crate::store::FileStore;

/// Eight zones of 8 KiB.
fn slots(words: &[u64]) -> Slots {
    let geometry = Geometry {
        kind: Kind::HostManaged,
        block_size: 4096,
        blocks: 16,
        zone_blocks: 2,
        conventional_zones: 0,
        max_open: None,
        zone_capacity: None,
        max_active: None,
        unrestricted_reads: true,
        extension_bytes: 0,
    };
    let store = FileStore::new(tempfile::tempfile().unwrap(), true);
    let layout = Layout::new(&geometry).unwrap();
    store.grow(64 << 20).unwrap();
    let words = (0..).zip(words.iter().copied());
    Slots::new(Arc::new(store), &layout, &geometry, words)
}

fn give(slots: &Slots) -> u32 {
    let mut given = 0;
    let gave = slots.give(8192, false, || false, |place| given = place);
    gave.unwrap();
    given
}

/// A closed zone with this place.
fn word(place: u32) -> u64 {
    placed(0x104, place)
}

#[test]
fn the_lowest_free_slot_is_given() {
    let slots = slots(&[word(2), word(0), word(4)]);
    assert_eq!([(); 3].map(|()| give(&slots)), [1, 3, 5]);
    slots.take_back([4, 2].into_iter());
    assert_eq!([(); 3].map(|()| give(&slots)), [2, 4, 6]);
    assert_eq!(slots.length(), slots.offset(7));
}

#[test]
fn many_slots_are_given_in_turn() {
    let slots = slots(&[]);
    for place in 1..=200 {
        assert_eq!(give(&slots), place);
    }
    slots.take_back([150, 70].into_iter());
    assert_eq!([(); 3].map(|()| give(&slots)), [70, 150, 201]);
}

#[test]
fn a_zone_that_has_a_slot_gets_no_other() {
    let slots = slots(&[]);
    let gave = slots.give(8192, false, || true, |_| panic!("a second slot"));
    gave.unwrap();
    assert_eq!(give(&slots), 1);
}

#[test]
fn a_read_is_done_again_if_a_slot_was_given_back_meanwhile() {
    let slots = slots(&[word(1)]);
    let times = Cell::new(0);
    let read = |last: bool| {
        slots.reading(|| {
            times.set(times.get() + 1);
            match times.get() {
                1 if !last => slots.take_back([1].into_iter()),
                // Nothing is given or given back while it is done again.
                2 => assert!(slots.taken.try_lock().is_err()),
                _ => {}
            }
        });
        times.replace(0)
    };
    assert_eq!(read(false), 2);
    assert_eq!(read(true), 1);
}

#[test]
fn two_zones_with_one_slot_are_found() {
    assert_eq!(shared(&[word(3), 1, word(1), word(2), 1]), None);
    assert_eq!(shared(&[word(3), 1, word(1), word(3)]), Some((0, 3)));
}
