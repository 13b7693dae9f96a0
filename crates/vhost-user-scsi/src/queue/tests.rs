//! A queue against a driver's side written here.

use vm_memory::{Bytes, GuestMemoryMmap};

use super::*;

const SIZE: u16 = 4;
const PLACES: Places = Places {
    descriptors: GuestAddress(0x1000),
    available: GuestAddress(0x2000),
    used: GuestAddress(0x3000),
};
const USED_EVENT: u64 = 0x2000 + 4 + 2 * SIZE as u64;
const AVAIL_EVENT: u64 = 0x3000 + 4 + 8 * SIZE as u64;

/// Memory in two regions that meet at 2800h.
fn guest() -> Guest {
    let ranges = [(GuestAddress(0), 0x2800), (GuestAddress(0x2800), 0x2000)];
    Guest::new(GuestMemoryMmap::from_ranges(&ranges).unwrap(), Vec::new())
}

fn put(guest: &Guest, at: u64, value: u16) {
    let place = GuestAddress(at);
    guest.map().write_obj(value.to_le(), place).unwrap();
}

fn get(guest: &Guest, at: u64) -> u16 {
    u16::from_le(guest.map().read_obj(GuestAddress(at)).unwrap())
}

/// Offers `head` at a position of the available ring.
fn offer(guest: &Guest, position: u16, head: u16) {
    put(guest, 0x2004 + 2 * u64::from(position % SIZE), head);
    put(guest, 0x2002, position.wrapping_add(1));
}

#[test]
fn positions_go_round() {
    let guest = guest();
    let start = u16::MAX - 2;
    put(&guest, 0x2002, start);
    put(&guest, 0x3002, start);
    let mut queue = Queue::new(&guest, SIZE, PLACES, false, start).unwrap();
    let parts = queue.parts(&guest).unwrap();
    for turn in 0..7 {
        let position = start.wrapping_add(turn);
        assert_eq!(queue.take(&parts), Ok(None));
        offer(&guest, position, turn % SIZE);
        assert!(queue.is_offered(&parts));
        assert_eq!(queue.take(&parts), Ok(Some(turn % SIZE)));
        queue.put_back();
        assert_eq!(queue.take(&parts), Ok(Some(turn % SIZE)));
        queue.put_used(&parts, turn % SIZE, 7).unwrap();
        let entry = GuestAddress(0x3004 + 8 * u64::from(position % SIZE));
        let written: [u32; 2] = guest.map().read_obj(entry).unwrap();
        assert_eq!(written, [u32::from(turn % SIZE).to_le(), 7u32.to_le()]);
        assert_eq!(get(&guest, 0x3002), position.wrapping_add(1));
    }
    assert_eq!(
        queue.put_used(&parts, SIZE, 0),
        Err(Fault::Head(SIZE, SIZE))
    );
    put(
        &guest,
        0x2002,
        queue.next_available().wrapping_add(SIZE + 1),
    );
    assert_eq!(queue.take(&parts), Err(Fault::Offered(SIZE + 1, SIZE)));
}

#[test]
fn without_event_indices_flags_say_who_wants_to_be_told() {
    let guest = guest();
    let mut queue = Queue::new(&guest, SIZE, PLACES, false, 0).unwrap();
    let parts = queue.parts(&guest).unwrap();
    queue.need_not_be_told(&parts);
    assert_eq!(get(&guest, 0x3000), 1);
    assert!(!queue.wants_to_be_told(&parts));
    assert_eq!(get(&guest, 0x3000), 0);
    offer(&guest, 0, 0);
    assert!(queue.wants_to_be_told(&parts));
    assert!(queue.tells(&parts));
    put(&guest, 0x2000, 1);
    assert!(!queue.tells(&parts));
}

#[test]
fn with_event_indices_a_driver_is_told_when_its_position_is_passed() {
    let guest = guest();
    let mut queue = Queue::new(&guest, SIZE, PLACES, true, 0).unwrap();
    let parts = queue.parts(&guest).unwrap();
    let mut use_one = |event| {
        queue.put_used(&parts, 0, 0).unwrap();
        put(&guest, USED_EVENT, event);
        queue.tells(&parts)
    };
    assert!(use_one(0));
    assert!(!use_one(2));
    assert!(use_one(2));
    assert!(!queue.tells(&parts));
    offer(&guest, 0, 3);
    queue.take(&parts).unwrap();
    queue.need_not_be_told(&parts);
    assert!(!queue.wants_to_be_told(&parts));
    assert_eq!((get(&guest, 0x3000), get(&guest, AVAIL_EVENT)), (0, 1));
}

#[test]
fn what_is_wrong_with_a_ring() {
    let guest = guest();
    let fault = |size, change: fn(&mut Places)| {
        let mut places = PLACES;
        change(&mut places);
        Queue::new(&guest, size, places, false, 0).err()
    };
    assert_eq!(fault(4, |_| ()), None);
    assert_eq!(fault(3, |_| ()), Some(Fault::Size(3)));
    assert_eq!(fault(0, |_| ()), Some(Fault::Size(0)));
    assert_eq!(fault(2048, |_| ()), Some(Fault::Size(2048)));
    let wrong = fault(4, |places| places.descriptors.0 += 8);
    assert_eq!(wrong, Some(Fault::Alignment(0x1008, 16)));
    let wrong = fault(4, |places| places.available.0 += 1);
    assert_eq!(wrong, Some(Fault::Alignment(0x2001, 2)));
    let wrong = fault(4, |places| places.used.0 += 2);
    assert_eq!(wrong, Some(Fault::Alignment(0x3002, 4)));
    let wrong = fault(4, |places| places.used.0 = 0x1030);
    assert_eq!(wrong, Some(Fault::Overlap));
    let wrong = fault(4, |places| places.available.0 = 0x27fc);
    assert_eq!(wrong, Some(Fault::Outside(0x27fc, 14)));
    let wrong = fault(4, |places| places.used.0 = 0x47f0);
    assert_eq!(wrong, Some(Fault::Outside(0x47f0, 38)));
}
