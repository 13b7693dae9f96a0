//! The control queue: every request is answered, after the commands that it is about.
#![allow(missing_docs)]

mod common;
mod fake;

use std::sync::atomic::Ordering;
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use command::Unit;
use common::{lun, task, Data, Dir, Guest, LUN0};
use fake::Fake;
use memory::Scatter;
use vhost_user_scsi::{listen, Server};

const COMPLETE: u8 = 0;
const ABORTED: u8 = 2;
const BAD_TARGET: u8 = 3;
const RESET: u8 = 4;
const FAILURE: u8 = 9;
const REJECTED: u8 = 11;
const INCORRECT_LUN: u8 = 12;

fn start() -> (Dir, Server, Guest, Vec<Arc<Fake>>) {
    let dir = Dir::new();
    let fakes = vec![Fake::new(), Fake::new()];
    let luns = fakes
        .iter()
        .map(|unit| Arc::clone(unit) as Arc<dyn Unit<Scatter>>);
    let server = listen(&dir.socket(), luns.collect(), 2).unwrap();
    let guest = Guest::start(&dir.socket(), 2, 16);
    (dir, server, guest, fakes)
}

#[test]
fn every_function_is_answered() {
    let (_dir, _server, mut guest, fakes) = start();
    for (function, code) in [
        (0, COMPLETE),
        (1, COMPLETE),
        (2, REJECTED),
        (3, COMPLETE),
        (6, COMPLETE),
        (7, COMPLETE),
        (8, REJECTED),
        (u32::MAX, REJECTED),
    ] {
        assert_eq!(
            guest.control(&task(function, LUN0, 1), 1),
            [code],
            "{function}"
        );
    }
    assert_eq!((fakes[0].resets(), fakes[1].resets()), (0, 0));
}

#[test]
fn a_reset_reaches_its_unit_and_a_nexus_reset_all() {
    let (_dir, _server, mut guest, fakes) = start();
    assert_eq!(guest.control(&task(5, lun(1), 0), 1), [COMPLETE]);
    assert_eq!((fakes[0].resets(), fakes[1].resets()), (0, 1));
    assert_eq!(guest.control(&task(4, LUN0, 0), 1), [COMPLETE]);
    assert_eq!((fakes[0].resets(), fakes[1].resets()), (1, 2));
}

#[test]
fn a_wrong_address_is_told() {
    let (_dir, _server, mut guest, _) = start();
    assert_eq!(guest.control(&task(5, lun(2), 0), 1), [INCORRECT_LUN]);
    assert_eq!(
        guest.control(&task(5, [1, 1, 0x40, 0, 0, 0, 0, 0], 0), 1),
        [BAD_TARGET]
    );
}

#[test]
fn notification_requests_get_an_empty_mask() {
    let (_dir, _server, mut guest, _) = start();
    for kind in [1u8, 2] {
        let mut request = [0; 16];
        request[0] = kind;
        request[4..12].copy_from_slice(&LUN0);
        request[12] = 0x7e;
        assert_eq!(guest.control(&request, 5), [0, 0, 0, 0, COMPLETE]);
        request[7] = 9;
        assert_eq!(guest.control(&request, 5), [0, 0, 0, 0, INCORRECT_LUN]);
    }
}

#[test]
fn requests_that_make_no_sense_fail() {
    let (_dir, _server, mut guest, _) = start();
    assert_eq!(guest.control(&[9; 24], 1), [FAILURE]);
    assert_eq!(guest.control(&[0; 10], 1), [FAILURE]);
    assert_eq!(guest.control(&[0; 1], 1), [FAILURE]);
}

#[test]
fn a_reset_waits_for_the_commands_sent_before_it() {
    let (_dir, _server, mut guest, fakes) = start();
    guest.submit(2, 0, LUN0, &[fake::SLOW], Data::None);
    guest.submit(2, 1, LUN0, &[fake::STORE], Data::None);
    guest.submit(3, 2, LUN0, &[fake::SLOW], Data::None);
    fakes[0].wait_started(2);
    guest.submit_control(15, &task(5, LUN0, 0), 1);
    thread::sleep(Duration::from_millis(50));
    assert_eq!(guest.rings[0].take(&guest.memory), None);
    assert_eq!(fakes[0].resets(), 0);
    fakes[0].open_gate();
    assert_eq!(guest.control_answer(), [COMPLETE]);
    assert_eq!(fakes[0].resets(), 1);
    // All are on the used rings by then.
    assert_eq!(guest.rings[2].take(&guest.memory), Some((0, 108)));
    assert_eq!(guest.rings[2].take(&guest.memory), Some((1, 108)));
    assert_eq!(guest.rings[3].take(&guest.memory), Some((2, 108)));
}

#[test]
fn the_control_ring_can_be_stopped_while_it_waits() {
    let (_dir, _server, mut guest, fakes) = start();
    guest.submit(2, 0, LUN0, &[fake::SLOW], Data::None);
    fakes[0].wait_started(1);
    guest.submit_control(15, &task(0, LUN0, 0), 1);
    thread::sleep(Duration::from_millis(20));
    assert_eq!(guest.stop_ring(0), 0);
    guest.start_ring(0);
    fakes[0].open_gate();
    assert_eq!(guest.control_answer(), [COMPLETE]);
}

#[test]
fn a_stopped_ring_holds_up_no_reset() {
    let (_dir, _server, mut guest, fakes) = start();
    guest.stop_ring(2);
    guest.submit(2, 0, LUN0, &[fake::STORE], Data::None);
    assert_eq!(guest.control(&task(5, LUN0, 0), 1), [COMPLETE]);
    assert_eq!(fakes[0].executed(), 0);
}

#[test]
fn a_command_without_an_answer_holds_up_nothing() {
    let (dir, server, mut guest, fakes) = start();
    guest.submit(2, 0, LUN0, &[fake::SILENT], Data::None);
    guest.submit(2, 1, LUN0, &[fake::STORE], Data::None);
    // The ring goes on, and only the second command is ever answered.
    assert_eq!(guest.rings[2].wait(&guest.memory, 1), [(1, 108)]);
    // A task management function that is about it gives its chain back.
    for (function, slot, response) in [(0, 0, ABORTED), (5, 2, RESET)] {
        assert_eq!(guest.control(&task(function, LUN0, 0), 1), [COMPLETE]);
        assert_eq!(guest.rings[2].take(&guest.memory), Some((slot, 108)));
        assert_eq!(guest.code(slot), [0, response]);
        guest.submit(2, 2, LUN0, &[fake::SILENT], Data::None);
        fakes[0].wait_started(if slot == 0 { 3 } else { 4 });
    }
    assert_eq!(fakes[0].resets(), 1);
    // To the front end the position has moved on: it does not start again with the command.
    assert_eq!(guest.stop_ring(2), 4);
    guest.start_ring(2);
    guest.submit(2, 2, LUN0, &[fake::STORE], Data::None);
    assert_eq!(guest.rings[2].wait(&guest.memory, 1), [(2, 108)]);
    assert_eq!(fakes[0].started.load(Ordering::SeqCst), 5);
    // A front end that leaves is followed by the next one.
    guest.submit(2, 3, LUN0, &[fake::SILENT], Data::None);
    drop(guest);
    let mut guest = Guest::start(&dir.socket(), 2, 16);
    assert_eq!(guest.control(&task(0, LUN0, 0), 1), [COMPLETE]);
    server.stop();
}

#[test]
fn a_pause_ends_when_its_ring_is_to_stop() {
    let (_dir, server, mut guest, fakes) = start();
    let long = [fake::PAUSE];
    let begun = Instant::now();
    guest.submit(2, 0, LUN0, &[fake::STORE], Data::None);
    guest.submit(2, 1, LUN0, &long, Data::None);
    fakes[0].wait_started(2);
    // The driver is told of what was completed before.
    assert!(guest.rings[2].sleep(&guest.memory, Duration::from_secs(5)));
    assert_eq!(guest.rings[2].take(&guest.memory), Some((0, 108)));
    assert_eq!(guest.rings[2].take(&guest.memory), None);
    assert_eq!(guest.stop_ring(2), 2);
    assert_eq!(guest.rings[2].take(&guest.memory), Some((1, 108)));
    guest.submit(3, 2, LUN0, &long, Data::None);
    fakes[0].wait_started(3);
    server.stop();
    assert!(begun.elapsed() < Duration::from_secs(3));
}
