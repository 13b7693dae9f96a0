//! Rings start, stop and start again in any order; nothing is lost or done twice.
#![allow(missing_docs)]

mod common;
mod fake;

use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use command::Unit;
use common::{Data, Dir, Guest, EVENT_IDX, FEATURES, LUN0};
use fake::Fake;
use memory::Scatter;
use vhost::vhost_user::VhostUserFrontend;
use vhost::VhostBackend;
use vhost_user_scsi::{listen, Server};

const READ_10: u8 = 0x28;

fn serve(queues: u16) -> (Dir, Server, Arc<Fake>) {
    let dir = Dir::new();
    let unit = Fake::new();
    let luns: Vec<Arc<dyn Unit<Scatter>>> = vec![Arc::clone(&unit) as _];
    let server = listen(&dir.socket(), luns, queues).unwrap();
    (dir, server, unit)
}

#[test]
fn one_ring_alone_works() {
    let (dir, server, unit) = serve(2);
    let mut guest = Guest::connect(&dir.socket(), 2, 16, FEATURES);
    guest.start_ring(2);
    guest.run(2, LUN0, &[fake::STORE], Data::None);
    assert_eq!(guest.stop_ring(2), 1);
    for ring in [3, 0, 2, 1] {
        guest.start_ring(ring);
    }
    guest.run(2, LUN0, &[fake::STORE], Data::None);
    guest.run(3, LUN0, &[fake::STORE], Data::None);
    assert_eq!(unit.executed(), 3);
    assert_eq!(server.last_error(), None);
}

#[test]
fn a_disabled_ring_waits_for_being_enabled() {
    let (dir, _server, unit) = serve(1);
    let mut guest = Guest::connect(&dir.socket(), 1, 16, FEATURES);
    guest.set_up_ring(2);
    guest.set_call(2);
    guest.submit(2, 0, LUN0, &[fake::STORE], Data::None);
    guest.sync();
    thread::sleep(Duration::from_millis(20));
    assert_eq!(unit.executed(), 0);
    guest.frontend.set_vring_enable(2, true).unwrap();
    guest.rings[2].wait(&guest.memory, 1);
    guest.frontend.set_vring_enable(2, false).unwrap();
    guest.sync();
    guest.submit(2, 0, LUN0, &[fake::STORE], Data::None);
    thread::sleep(Duration::from_millis(20));
    assert_eq!(unit.executed(), 1);
    guest.frontend.set_vring_enable(2, true).unwrap();
    guest.rings[2].wait(&guest.memory, 1);
    assert_eq!(unit.executed(), 2);
}

#[test]
fn stopping_a_ring_waits_for_the_command_in_hand() {
    let (dir, _server, unit) = serve(1);
    let mut guest = Guest::start(&dir.socket(), 1, 16);
    guest.submit(2, 0, LUN0, &[fake::SLOW], Data::None);
    guest.submit(2, 1, LUN0, &[fake::STORE], Data::None);
    unit.wait_started(1);
    let opener = Arc::clone(&unit);
    let start = Instant::now();
    let opening = thread::spawn(move || {
        thread::sleep(Duration::from_millis(50));
        opener.open_gate();
    });
    // The second command was not begun: the ring goes on with it when it is started again.
    assert_eq!(guest.stop_ring(2), 1);
    assert!(start.elapsed() >= Duration::from_millis(50));
    opening.join().unwrap();
    assert_eq!(guest.rings[2].wait(&guest.memory, 1), [(0, 108)]);
    guest.start_ring(2);
    assert_eq!(guest.rings[2].wait(&guest.memory, 1), [(1, 108)]);
    assert_eq!(unit.executed(), 2);
}

#[test]
fn a_ring_that_looks_for_more_is_stopped() {
    let (dir, server, unit) = serve(1);
    let mut guest = Guest::start(&dir.socket(), 1, 16);
    for _ in 0..100 {
        // One after the other: its thread looks for the next one before it waits.
        for _ in 0..20 {
            guest.run(2, LUN0, &[fake::STORE], Data::None);
        }
        guest.stop_ring(2);
        guest.start_ring(2);
    }
    assert_eq!(unit.executed(), 2000);
    assert_eq!(server.last_error(), None);
}

#[test]
fn a_reboot_starts_all_rings_from_nothing() {
    let (dir, server, unit) = serve(2);
    let mut guest = Guest::start(&dir.socket(), 2, 16);
    for _ in 0..3 {
        for ring in [2, 3, 2] {
            guest.run(ring, LUN0, &[fake::STORE], Data::None);
        }
        guest.reboot();
    }
    guest.run(3, LUN0, &[fake::STORE], Data::None);
    assert_eq!(unit.executed(), 10);
    assert_eq!(server.last_error(), None);
}

#[test]
fn the_next_front_end_starts_from_nothing() {
    let (dir, server, unit) = serve(1);
    for _ in 0..3 {
        let mut guest = Guest::start(&dir.socket(), 1, 16);
        guest.run(2, LUN0, &[fake::STORE], Data::None);
    }
    assert_eq!(unit.executed(), 3);
    assert_eq!(server.last_error(), None);
}

#[test]
fn a_front_end_that_leaves_with_commands_under_way_does_no_harm() {
    let (dir, _server, unit) = serve(1);
    let mut guest = Guest::start(&dir.socket(), 1, 16);
    guest.submit(2, 0, LUN0, &[fake::SLOW], Data::None);
    unit.wait_started(1);
    drop(guest);
    unit.open_gate();
    let mut guest = Guest::start(&dir.socket(), 1, 16);
    guest.run(2, LUN0, &[fake::STORE], Data::None);
    assert_eq!(unit.executed(), 2);
}

#[test]
fn stopping_the_server_waits_for_the_command_in_hand() {
    let (dir, server, unit) = serve(1);
    let mut guest = Guest::start(&dir.socket(), 1, 16);
    guest.submit(2, 0, LUN0, &[fake::SLOW], Data::None);
    unit.wait_started(1);
    let stopping = thread::spawn(move || server.stop());
    thread::sleep(Duration::from_millis(30));
    assert!(!stopping.is_finished());
    unit.open_gate();
    stopping.join().unwrap();
    assert_eq!(guest.rings[2].wait(&guest.memory, 1), [(0, 108)]);
    assert!(!dir.socket().exists());
}

#[test]
fn memory_can_change_under_running_rings() {
    let (dir, server, unit) = serve(1);
    let mut guest = Guest::start(&dir.socket(), 1, 16);
    let bytes = guest.memory_len();
    for _ in 0..5 {
        guest.submit(2, 0, LUN0, &[fake::STORE], Data::None);
        guest.share_memory(bytes);
        guest.rings[2].wait(&guest.memory, 1);
    }
    // In two regions that meet within a buffer.
    let cut = Guest::data(0) + 0x1000 - common::GUEST_BASE;
    let regions = [guest.region(0, cut), guest.region(cut, bytes - cut)];
    guest.frontend.set_mem_table(&regions).unwrap();
    let answer = guest.run(2, LUN0, &[fake::FILL, 9], Data::In(0x2000));
    assert_eq!(answer.used, 108 + 0x2000);
    assert_eq!(guest.read(Guest::data(0), 0x2000), [9; 0x2000]);
    // The second region goes and comes.
    guest.frontend.remove_mem_region(&regions[1]).unwrap();
    let answer = guest.run(2, LUN0, &[fake::STORE], Data::None);
    assert_eq!(answer.used, 108);
    guest.frontend.add_mem_region(&regions[1]).unwrap();
    guest.sync();
    let answer = guest.run(2, LUN0, &[fake::FILL, 8], Data::In(0x2000));
    assert_eq!(answer.used, 108 + 0x2000);
    assert_eq!(unit.executed(), 8);
    assert_eq!(server.last_error(), None);
}

#[test]
fn a_full_ring_is_drained_at_one_kick() {
    for features in [FEATURES, FEATURES & !EVENT_IDX] {
        let (dir, _server, unit) = serve(1);
        let mut guest = Guest::connect(&dir.socket(), 1, 16, features);
        for ring in 0..3 {
            guest.start_ring(ring);
        }
        for _ in 0..100 {
            for slot in 0..16 {
                let chain = guest.prepare(slot, LUN0, &[fake::STORE], Data::None);
                guest.rings[2].put_indirect(&guest.memory, slot, &chain);
                guest.rings[2].offer(&guest.memory, slot);
            }
            guest.rings[2].publish(&guest.memory);
            let heads: Vec<u16> = guest.rings[2]
                .wait(&guest.memory, 16)
                .iter()
                .map(|used| used.0)
                .collect();
            assert_eq!(heads, (0..16).collect::<Vec<_>>());
        }
        assert_eq!(unit.executed(), 1600);
    }
}

#[test]
fn positions_wrap_around() {
    let (dir, server, unit) = serve(1);
    let mut guest = Guest::start(&dir.socket(), 1, 128);
    for _ in 0..66_000 / 120 {
        for slot in 0..120 {
            guest.submit(2, slot, LUN0, &[fake::STORE], Data::None);
        }
        guest.rings[2].wait(&guest.memory, 120);
    }
    assert_eq!(unit.executed(), 66_000);
    assert_eq!(server.last_error(), None);
}

#[test]
fn rings_run_beside_each_other() {
    let (dir, _server, unit) = serve(4);
    let mut guest = Guest::start(&dir.socket(), 4, 16);
    guest.submit(2, 0, LUN0, &[fake::SLOW], Data::None);
    unit.wait_started(1);
    for ring in [3, 4, 5] {
        guest.submit(ring, ring as u16, LUN0, &[fake::STORE], Data::None);
        guest.rings[ring].wait(&guest.memory, 1);
    }
    assert_eq!(unit.executed(), 3);
    unit.open_gate();
    guest.rings[2].wait(&guest.memory, 1);
}

#[test]
fn without_protocol_features_rings_are_enabled_from_the_start() {
    let (dir, _server, unit) = serve(1);
    let mut guest = Guest::connect(&dir.socket(), 1, 16, FEATURES);
    guest.frontend.set_features(FEATURES & !(1 << 30)).unwrap();
    guest.set_up_ring(2);
    guest.set_call(2);
    guest.run(2, LUN0, &[fake::STORE], Data::None);
    assert_eq!(unit.executed(), 1);
}

#[test]
fn no_completion_waits_for_a_slow_command_after_it() {
    let (dir, _server, unit) = serve(1);
    let mut guest = Guest::start(&dir.socket(), 1, 16);
    for (slot, opcode) in [(0, READ_10), (1, READ_10), (2, fake::SLOW), (3, READ_10)] {
        let chain = guest.prepare(slot, LUN0, &[opcode], Data::In(4096));
        guest.rings[2].put_indirect(&guest.memory, slot, &chain);
        guest.rings[2].offer(&guest.memory, slot);
    }
    guest.rings[2].publish(&guest.memory);
    assert!(guest.rings[2].sleep(&guest.memory, Duration::from_secs(10)));
    assert_eq!(guest.rings[2].wait(&guest.memory, 2), [(0, 108), (1, 108)]);
    unit.open_gate();
    assert_eq!(guest.rings[2].wait(&guest.memory, 2), [(2, 108), (3, 108)]);
}

#[test]
fn completions_before_the_call_descriptor_came_are_told_when_it_comes() {
    let (dir, _server, unit) = serve(1);
    let mut guest = Guest::connect(&dir.socket(), 1, 16, FEATURES);
    guest.set_up_ring(2);
    guest.frontend.set_vring_enable(2, true).unwrap();
    guest.submit(2, 0, LUN0, &[fake::STORE], Data::None);
    unit.wait_started(1);
    guest.sync();
    assert!(guest.rings[2].call.read().is_err());
    guest.set_call(2);
    assert!(guest.rings[2].called(Duration::from_secs(10)));
}
