//! What is ahead of write pointers has a bound, and is never what is being written.

use std::os::unix::fs::MetadataExt;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use super::*;
use crate::store::{gives_parts_back, FileStore};

const BLOCK: u64 = 4096;
/// Bytes of a zone.
const ZONE: u64 = 4 * STEP;

fn store(zones: u64) -> Arc<FileStore> {
    let file = tempfile::tempfile().unwrap();
    file.set_len(zones * ZONE).unwrap();
    Arc::new(FileStore::new(file, true))
}

fn zone(number: u64) -> Range<u64> {
    number * ZONE..(number + 1) * ZONE
}

#[test]
fn however_many_zones_are_written_what_is_ahead_has_a_bound() {
    let most = MOST as u64;
    let zones = most + 10;
    let store = store(zones);
    if !gives_parts_back(&store.file) {
        return;
    }
    let ahead = Ahead::new(Arc::clone(&store) as Arc<dyn Store>);
    for number in 0..zones {
        let at = zone(number).start + STEP;
        store.write_at(at, &[1; BLOCK as usize]).unwrap();
        ahead.reach(at..at + BLOCK, || zone(number));
    }
    let taken = || store.file.metadata().unwrap().blocks() * 512;
    let its_own = 256 << 10;
    assert!((most * STEP..most * STEP + 10 * BLOCK + its_own).contains(&taken()));
    ahead.give_back(0..u64::MAX);
    assert!((zones * BLOCK..zones * BLOCK + its_own).contains(&taken()));
}

#[test]
fn what_is_given_back_is_nothing_that_is_being_written() {
    const WRITERS: u64 = 4;
    let store = store(WRITERS);
    let ahead = Ahead::new(Arc::clone(&store) as Arc<dyn Store>);
    let (left, ahead, held) = (&AtomicUsize::new(WRITERS as usize), &ahead, &store);
    thread::scope(|scope| {
        for number in 0..WRITERS {
            scope.spawn(move || {
                for at in zone(number).step_by(BLOCK as usize) {
                    ahead.reach(at..at + BLOCK, || zone(number));
                    held.write_at(at, &[1; BLOCK as usize]).unwrap();
                }
                left.fetch_sub(1, Ordering::Relaxed);
            });
        }
        while left.load(Ordering::Relaxed) > 0 {
            ahead.give_back(0..u64::MAX);
        }
    });
    let mut data = vec![0; (WRITERS * ZONE) as usize];
    store.read_at(0, &mut data).unwrap();
    assert!(data.iter().all(|byte| *byte == 1));
}
