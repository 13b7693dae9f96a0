//! What is saved is what was there before, or all of what came after, however a write ends.

use super::*;
use crate::store::FileStore;

const AREA: Area = Area {
    offset: 4096,
    size: 8192,
};

fn store() -> Arc<FileStore> {
    let store = FileStore::new(tempfile::tempfile().unwrap(), true);
    store.grow(AREA.offset + AREA.size).unwrap();
    Arc::new(store)
}

fn save(saved: &Saved, kind: u32, entry: &[u8]) {
    saved.write(saved.put(kind, entry.to_vec())).unwrap();
}

fn load(store: &Arc<FileStore>) -> Saved {
    Saved::load(store.clone(), AREA).unwrap()
}

#[test]
fn what_is_saved_is_there_when_it_is_opened_again() {
    let store = store();
    let saved = load(&store);
    assert_eq!(saved.get(1), []);
    for round in 1..=5 {
        save(&saved, 1, &[round; 5]);
        save(&saved, 9, b"longer than eight bytes");
        let again = load(&store);
        assert_eq!(again.get(1), [round; 5]);
        assert_eq!(again.get(9), b"longer than eight bytes");
    }
    save(&load(&store), 1, b"");
    assert_eq!(load(&store).get(1), []);
    assert!(broken(&*store, AREA).unwrap().is_empty());
}

#[test]
fn a_torn_write_leaves_what_was_saved_before() {
    let store = store();
    let saved = load(&store);
    save(&saved, 1, b"first");
    save(&saved, 1, b"second");
    let half = halves(AREA)[1];
    let mut third = encode(3, &Entries::from([(1, b"the third".to_vec())]));
    for torn in (0..third.len()).step_by(8) {
        store
            .write_at(half.offset, &encode(1, &Entries::new()))
            .unwrap();
        store.write_at(half.offset, &third[..torn]).unwrap();
        let left = load(&store).get(1);
        assert_eq!(left, b"second", "{torn} bytes of the third");
    }
    assert_eq!(broken(&*store, AREA).unwrap(), [half]);
    store.write_at(half.offset, &third).unwrap();
    assert_eq!(load(&store).get(1), b"the third");
    for at in 0..third.len() {
        third[at] ^= 0x10;
        assert!(decode(&third).is_none(), "byte {at}");
        third[at] ^= 0x10;
    }
}

#[test]
fn changes_that_were_written_with_another_are_not_written_again() {
    let store = store();
    let saved = load(&store);
    let first = saved.put(1, b"first".to_vec());
    let second = saved.put(2, b"second".to_vec());
    saved.write(second).unwrap();
    saved.write(first).unwrap();
    assert_eq!(locked(&saved.stable).generation, 1);
    assert_eq!(load(&store).get(1), b"first");
}

#[test]
fn more_than_the_area_has_room_for_is_an_error_and_changes_nothing() {
    let store = store();
    let saved = load(&store);
    save(&saved, 1, b"first");
    let change = saved.put(2, vec![1; 5000]);
    assert!(saved.write(change).is_err());
    assert_eq!(load(&store).get(1), b"first");
    let none = Saved::load(store, Area::NONE).unwrap();
    assert!(none.write(none.put(1, Vec::new())).is_err());
}
