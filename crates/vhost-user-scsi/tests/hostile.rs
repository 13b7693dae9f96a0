//! A guest that breaks the rules gets an error or a ring that stops, and harms nobody else.
#![allow(missing_docs)]

mod common;
mod fake;

use std::sync::atomic::Ordering;
use std::sync::Arc;
use std::time::Duration;

use command::Unit;
use common::ring::{Descriptor, INDIRECT, NEXT, WRITE};
use common::{task, Data, Dir, Guest, BUFFERS, GUEST_BASE, LUN0};
use fake::Fake;
use memory::Scatter;
use vhost_user_scsi::{listen, Server};
use vm_memory::{Bytes, GuestAddress};

const OUTSIDE: u64 = 0x10;

fn start() -> (Dir, Server, Guest, Arc<Fake>) {
    let dir = Dir::new();
    let unit = Fake::new();
    let luns: Vec<Arc<dyn Unit<Scatter>>> = vec![Arc::clone(&unit) as _];
    let server = listen(&dir.socket(), luns, 2).unwrap();
    let guest = Guest::start(&dir.socket(), 2, 16);
    (dir, server, guest, unit)
}

/// Writes descriptors as they are and offers number 0; what came back must have no byte written.
fn refused(descriptors: &[Descriptor], why: &str) {
    let (_dir, server, mut guest, unit) = start();
    guest.prepare(0, LUN0, &[fake::STORE], Data::None);
    for (at, &descriptor) in descriptors.iter().enumerate() {
        let at = guest.rings[2].descriptors() + at as u64 * 16;
        guest.rings[2].put_descriptor(&guest.memory, at, descriptor);
    }
    guest.rings[2].offer(&guest.memory, 0);
    guest.rings[2].publish(&guest.memory);
    assert_eq!(guest.rings[2].wait(&guest.memory, 1), [(0, 0)]);
    assert_eq!(unit.executed(), 0);
    let error = server.last_error().unwrap();
    assert!(error.contains("ring 2") && error.contains(why), "{error}");
    // The ring goes on.
    assert_eq!(guest.run(2, LUN0, &[fake::STORE], Data::None).used, 108);
}

fn header() -> Descriptor {
    (BUFFERS, 51, NEXT, 1)
}

#[test]
fn a_buffer_outside_memory() {
    refused(
        &[header(), (OUTSIDE, 108, WRITE, 0)],
        "outside guest memory",
    );
    refused(
        &[(OUTSIDE, 51, NEXT, 1), (BUFFERS, 108, WRITE, 0)],
        "outside guest memory",
    );
}

#[test]
fn a_buffer_that_ends_outside_memory() {
    refused(
        &[header(), (BUFFERS, u32::MAX - 100, WRITE, 0)],
        "outside guest memory",
    );
    refused(
        &[header(), (u64::MAX - 10, 108, WRITE, 0)],
        "outside guest memory",
    );
}

#[test]
fn a_loop() {
    refused(&[(BUFFERS, 51, NEXT, 0)], "loop");
    refused(&[header(), (BUFFERS + 64, 8, NEXT, 0)], "loop");
}

#[test]
fn a_successor_outside_the_table() {
    refused(
        &[(BUFFERS, 51, NEXT, 16)],
        "descriptor 16 is outside its table of 16",
    );
}

#[test]
fn an_empty_buffer() {
    refused(
        &[
            header(),
            (BUFFERS + 64, 0, NEXT, 2),
            (BUFFERS + 256, 108, WRITE, 0),
        ],
        "no bytes",
    );
}

#[test]
fn a_readable_buffer_after_a_writable_one() {
    refused(
        &[(BUFFERS + 256, 108, WRITE | NEXT, 1), (BUFFERS, 51, 0, 0)],
        "readable",
    );
}

#[test]
fn more_than_4_gib() {
    let (_dir, server, mut guest, unit) = start();
    // The same 4 MiB, 1024 times.
    let bytes = 4 << 20;
    assert!(u64::from(bytes) <= guest.memory_len());
    let table = GUEST_BASE + 0x1e_0000;
    for index in 0..1024 {
        let more = if index < 1023 { NEXT } else { 0 };
        let at = table + u64::from(index) * 16;
        let descriptor = (GUEST_BASE, bytes, more, index + 1);
        guest.rings[2].put_descriptor(&guest.memory, at, descriptor);
    }
    let ring = guest.rings[2].descriptors();
    guest.rings[2].put_descriptor(&guest.memory, ring, (table, 1024 * 16, INDIRECT, 0));
    guest.rings[2].offer(&guest.memory, 0);
    guest.rings[2].publish(&guest.memory);
    assert_eq!(guest.rings[2].wait(&guest.memory, 1), [(0, 0)]);
    assert_eq!(unit.executed(), 0);
    let error = server.last_error().unwrap();
    assert!(error.contains("longer than 2^32 bytes"), "{error}");
}

#[test]
fn no_room_for_an_answer() {
    let (_dir, _server, mut guest, unit) = start();
    let short = [(BUFFERS, 51, 0, 0), (BUFFERS + 256, 107, WRITE, 0)];
    guest.rings[2].put_chain(&guest.memory, 0, &short);
    guest.rings[2].offer(&guest.memory, 0);
    guest.rings[2].put_chain(&guest.memory, 4, &short[..1]);
    guest.rings[2].offer(&guest.memory, 4);
    guest.rings[2].publish(&guest.memory);
    assert_eq!(guest.rings[2].wait(&guest.memory, 2), [(0, 0), (4, 0)]);
    assert_eq!(unit.executed(), 0);
}

#[test]
fn a_header_cut_short_fails() {
    let (_dir, _server, mut guest, unit) = start();
    for header in [50, 1] {
        let chain = [(BUFFERS, header, 0, 0), (BUFFERS + 256, 108, WRITE, 0)];
        guest.rings[2].put_chain(&guest.memory, 0, &chain);
        guest.rings[2].offer(&guest.memory, 0);
        guest.rings[2].publish(&guest.memory);
        let used = guest.rings[2].wait(&guest.memory, 1)[0];
        let answer = guest.answer(used);
        assert_eq!((answer.response, answer.used), (9, 108));
    }
    assert_eq!(unit.executed(), 0);
}

#[test]
fn indirect_tables() {
    let table = BUFFERS + 0x8000;
    refused(
        &[(table, 17, INDIRECT, 0)],
        "an indirect table has 17 bytes",
    );
    refused(&[(table, 0, INDIRECT, 0)], "an indirect table has 0 bytes");
    refused(&[(table, 16 * 1025, INDIRECT, 0)], "an indirect table has");
    refused(&[(table, 32, INDIRECT | NEXT, 1)], "successor");
    refused(&[(OUTSIDE, 32, INDIRECT, 0)], "outside guest memory");
    refused(&[(u64::MAX - 8, 32, INDIRECT, 0)], "outside guest memory");
    // The ring's own table, whose first descriptor is this one.
    refused(
        &[(GUEST_BASE + 0x40000, 256, INDIRECT, 0)],
        "inside an indirect table",
    );
}

#[test]
fn a_head_outside_the_table_breaks_the_ring_and_only_it() {
    let (_dir, server, mut guest, _) = start();
    guest.rings[2].offer(&guest.memory, 16);
    guest.rings[2].publish(&guest.memory);
    broken(&server, "ring 2");
    assert_eq!(guest.run(3, LUN0, &[fake::STORE], Data::None).used, 108);
    // A reset of the device repairs it.
    guest.reboot();
    assert_eq!(guest.run(2, LUN0, &[fake::STORE], Data::None).used, 108);
}

#[test]
fn an_available_index_that_runs_ahead_breaks_the_ring() {
    let (_dir, server, mut guest, unit) = start();
    guest.rings[2].next_available = 17;
    guest.rings[2].publish(&guest.memory);
    broken(&server, "ring 2");
    assert_eq!(unit.executed(), 0);
    // It holds up no task management, and can be stopped.
    assert_eq!(guest.control(&task(5, LUN0, 0), 1), [0]);
    assert_eq!(guest.stop_ring(2), 0);
}

#[test]
fn an_available_index_that_goes_back_holds_up_no_stop() {
    let (_dir, _server, mut guest, unit) = start();
    guest.submit(2, 0, LUN0, &[fake::SLOW], Data::None);
    unit.wait_started(1);
    let index = GuestAddress(guest.rings[2].available() + 2);
    guest.memory.store(9u16, index, Ordering::Release).unwrap();
    guest.submit_control(15, &task(5, LUN0, 0), 1);
    std::thread::sleep(Duration::from_millis(20));
    guest.memory.store(1u16, index, Ordering::Release).unwrap();
    unit.open_gate();
    guest.rings[2].wait(&guest.memory, 1);
    // The control queue waits for commands that never come; it stops all the same.
    guest.stop_ring(0);
    guest.start_ring(0);
    assert_eq!(guest.control_answer(), [0]);
}

#[test]
fn a_unit_that_panics_stops_its_ring_only() {
    let (_dir, server, mut guest, _) = start();
    guest.submit(2, 0, LUN0, &[fake::PANIC], Data::None);
    broken(&server, "panicked");
    assert_eq!(guest.run(3, LUN0, &[fake::STORE], Data::None).used, 108);
    assert_eq!(guest.control(&task(5, LUN0, 0), 1), [0]);
    guest.stop_ring(2);
}

#[test]
fn control_requests_without_room_for_an_answer() {
    let (_dir, _server, mut guest, _) = start();
    let chain = [(BUFFERS, 24, 0, 0)];
    guest.rings[0].put_chain(&guest.memory, 0, &chain);
    guest.rings[0].offer(&guest.memory, 0);
    guest.rings[0].publish(&guest.memory);
    assert_eq!(guest.rings[0].wait(&guest.memory, 1), [(0, 0)]);
}

fn broken(server: &Server, why: &str) {
    for _ in 0..5000 {
        if let Some(error) = server.last_error() {
            assert!(error.contains(why), "{error}");
            return;
        }
        std::thread::sleep(Duration::from_millis(1));
    }
    panic!("nothing broke");
}
