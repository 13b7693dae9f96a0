//! The region in which the front end keeps what is in flight: what a back end that crashed left is carried out by the
//! next one, once, in its order.

mod common;
mod fake;

use std::fs::File;
use std::os::fd::AsRawFd;
use std::os::unix::fs::FileExt;
use std::sync::Arc;

use command::Unit;
use common::{Data, Dir, Guest, FEATURES, LUN0};
use fake::Fake;
use memory::Scatter;
use vhost::vhost_user::message::VhostUserInflight;
use vhost::vhost_user::VhostUserFrontend;
use vhost_user_scsi::{listen, Server};

const SIZE: u16 = 16;
/// The first request queue, of two rings that are none.
const RING: usize = 2;
/// A ring's part: 16 bytes, and 16 for each descriptor.
const PART: u64 = 16 + 16 * SIZE as u64 + 48;

fn start() -> (Dir, Server, Guest, Arc<Fake>) {
    let dir = Dir::new();
    let unit = Fake::new();
    let units = vec![Arc::clone(&unit) as Arc<dyn Unit<Scatter>>];
    let server = listen(&dir.socket(), units, 1).unwrap();
    let guest = Guest::connect(&dir.socket(), 1, SIZE, FEATURES);
    (dir, server, guest, unit)
}

fn region(guest: &mut Guest) -> (VhostUserInflight, File) {
    let wanted = VhostUserInflight::new(0, 0, 3, SIZE);
    guest.frontend.get_inflight_fd(&wanted).unwrap()
}

fn share(guest: &mut Guest, region: &(VhostUserInflight, File)) {
    let set = guest
        .frontend
        .set_inflight_fd(&region.0, region.1.as_raw_fd());
    set.unwrap();
}

struct Part<'a>(&'a File);

impl Part<'_> {
    fn at(&self, at: u64) -> u64 {
        RING as u64 * PART + at
    }

    fn word(&self, at: u64) -> u16 {
        let mut bytes = [0; 2];
        self.0.read_exact_at(&mut bytes, self.at(at)).unwrap();
        u16::from_le_bytes(bytes)
    }

    fn set_word(&self, at: u64, value: u16) {
        self.0
            .write_all_at(&value.to_le_bytes(), self.at(at))
            .unwrap();
    }

    fn flies(&self, head: u64) -> bool {
        let mut byte = [0];
        self.0
            .read_exact_at(&mut byte, self.at(16 + 16 * head))
            .unwrap();
        byte[0] == 1
    }

    /// As a back end leaves it that began `head` as the `order`th and crashed.
    fn leave(&self, head: u64, order: u64) {
        let at = self.at(16 + 16 * head);
        self.0.write_all_at(&[1], at).unwrap();
        self.0.write_all_at(&order.to_le_bytes(), at + 8).unwrap();
    }
}

#[test]
fn the_region_tells_what_is_in_flight() {
    let (_dir, _server, mut guest, unit) = start();
    let region = region(&mut guest);
    assert_eq!((region.0.mmap_offset, region.0.mmap_size), (0, 3 * PART));
    share(&mut guest, &region);
    (0..3).for_each(|ring| guest.start_ring(ring));
    let part = Part(&region.1);
    for slot in 0..3 {
        guest.submit(RING, slot, LUN0, &[fake::LATER], Data::None);
    }
    unit.wait_started(3);
    assert_eq!((part.word(8), part.word(10)), (1, SIZE));
    assert!((0..3).all(|head| part.flies(head)));
    assert!(unit.complete_later(1));
    assert_eq!(guest.rings[RING].wait(&guest.memory, 1), [(1, 108)]);
    guest.submit(RING, 5, LUN0, &[fake::STORE], Data::None);
    assert_eq!(guest.rings[RING].wait(&guest.memory, 1), [(5, 108)]);
    assert_eq!(
        [0, 1, 2, 3].map(|head| part.flies(head)),
        [true, false, true, false]
    );
    assert_eq!(part.word(14), 2, "as the used ring's index");
    while unit.complete_later(0) {}
    guest.rings[RING].wait(&guest.memory, 2);
    assert!(!(0..SIZE.into()).any(|head| part.flies(head)));
}

#[test]
fn what_a_back_end_left_is_carried_out_first_and_in_its_order() {
    let (_dir, _server, mut guest, unit) = start();
    let region = region(&mut guest);
    let part = Part(&region.1);
    part.set_word(8, 1);
    part.set_word(10, SIZE);
    // Taken off the available ring, and never used: 0 to 3.
    for slot in 0..4u8 {
        let chain = guest.prepare(slot.into(), LUN0, &[fake::LATER, slot], Data::None);
        guest.rings[RING].put_indirect(&guest.memory, slot.into(), &chain);
        guest.rings[RING].offer(&guest.memory, slot.into());
    }
    part.leave(3, 10);
    part.leave(0, 12);
    part.leave(2, 11);
    part.leave(1, 13);
    share(&mut guest, &region);
    guest.rings[RING].publish(&guest.memory);
    (0..3).for_each(|ring| guest.start_ring(ring));
    unit.wait_started(4);
    assert_eq!(unit.order(), [3, 2, 0, 1]);
    while unit.complete_later(0) {}
    let mut used = guest.rings[RING].wait(&guest.memory, 4);
    used.sort_unstable();
    assert_eq!(used, [0, 1, 2, 3].map(|head| (head, 108)));
    // And then what is new.
    guest.submit(RING, 5, LUN0, &[fake::STORE], Data::None);
    assert_eq!(guest.rings[RING].wait(&guest.memory, 1), [(5, 108)]);
    assert_eq!(unit.executed(), 5);
}

#[test]
fn a_ring_that_begins_anew_has_nothing_in_flight() {
    let (_dir, _server, mut guest, unit) = start();
    let region = region(&mut guest);
    let part = Part(&region.1);
    part.set_word(8, 1);
    part.set_word(10, SIZE);
    part.set_word(14, 77);
    part.leave(5, 1);
    share(&mut guest, &region);
    (0..3).for_each(|ring| guest.start_ring(ring));
    guest.run(RING, LUN0, &[fake::STORE], Data::None);
    assert_eq!(unit.executed(), 1);
    assert!(!part.flies(5));
}

#[test]
fn regions_that_make_no_sense_are_refused() {
    for (rings, size) in [(0, SIZE), (3, 0), (257, SIZE), (3, 1025)] {
        let (_dir, _server, mut guest, _) = start();
        let wanted = VhostUserInflight::new(0, 0, rings, size);
        assert!(
            guest.frontend.get_inflight_fd(&wanted).is_err(),
            "{rings} {size}"
        );
    }
    for (offset, len) in [
        (0, PART),
        (u64::MAX, 3 * PART),
        (4096, 3 * PART),
        (1, 3 * PART),
    ] {
        let (_dir, server, mut guest, _) = start();
        let (mut info, file) = region(&mut guest);
        (info.mmap_offset, info.mmap_size) = (offset, len);
        let _ = guest.frontend.set_inflight_fd(&info, file.as_raw_fd());
        for _ in 0..1000 {
            if server.gone() == 1 {
                break;
            }
            std::thread::sleep(std::time::Duration::from_millis(5));
        }
        assert_eq!(server.gone(), 1, "offset {offset}, length {len}");
    }
}
