//! The device by its registers, doorbells and queues, without a session: a driver of our own.

mod driver;

use std::fs::File;
use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::time::{Duration, Instant};

use rustix::event::{eventfd, poll, EventfdFlags, PollFd, PollFlags, Timespec};
use zoned::{Condition, ZonedDisk};

use driver::{blocks, entry, Driver, PAGE, READ, SEND, WRITE};

use super::*;

const IDENTIFY: u8 = 0x06;
const ABORT: u8 = 0x08;
const SET_FEATURES: u8 = 0x09;
const EVENT: u8 = 0x0C;
const DELETE_SUBMISSION: u8 = 0x00;
const DELETE_COMPLETION: u8 = 0x04;

const READY: u32 = 1;
const FATAL: u32 = 2;

fn pattern(len: usize) -> Vec<u8> {
    (0..len).map(|at| (at % 251) as u8).collect()
}

#[test]
fn the_registers_say_what_it_is() {
    let driver = Driver::new();
    assert_eq!(driver.device.bytes(), 0x2000);
    assert_eq!(
        driver.register64(0x00),
        1023 | 1 << 16 | 60 << 24 | 1 << 37 | 1 << 43
    );
    assert_eq!(driver.register(0x08), 0x0001_0400);
    assert_eq!(driver.register(0x1C), 0);
    let mut bytes = [0xEE; 16];
    driver.device.read(0x38, &mut bytes);
    assert_eq!(bytes, [0; 16]);
    driver.device.read(0x1004, &mut bytes);
    assert_eq!(bytes, [0; 16]);
    driver.device.write(0x14, &[1]);
    driver.device.write(0x15, &[0; 4]);
    assert_eq!(driver.register(0x14), 0);
    for configuration in [1 | 1 << 7, 1 | 1 << 4, 1 | 1 << 11] {
        let driver = Driver::new();
        driver.configure(configuration);
        assert_eq!(driver.register(0x1C), FATAL, "{configuration:#x}");
    }
}

#[test]
fn commands_go_through_the_queues() {
    let mut driver = Driver::enabled();
    let page = driver.allocate(PAGE);
    let identify = driver.with_pages(entry(IDENTIFY, 0, &[1]), page, PAGE);
    assert_eq!(driver.run(0, identify), (0, 0));
    assert_eq!(&driver.bytes(page, 24)[4..12], b"serial-1");

    driver.create_queues(1, 8, 8);
    for len in [512, PAGE, PAGE + 512, 2 * PAGE, 9 * PAGE, 700 << 10] {
        let (from, to) = (
            driver.allocate(len + 512) + 512,
            driver.allocate(len + 4) + 4,
        );
        let data = pattern(len as usize);
        driver.fill(from, &data);
        let lba = driver.disk.zone(0).write_pointer.unwrap_or(0);
        let count = (len / 512) as u32;
        let write = driver.with_pages(blocks(WRITE, lba, count), from, len);
        assert_eq!(driver.run(1, write), (0, 0), "{len} bytes");
        let read = driver.with_pages(blocks(READ, lba, count), to, len);
        assert_eq!(driver.run(1, read), (0, 0));
        assert_eq!(driver.bytes(to, len as usize), data);
        assert_eq!(driver.run(1, entry(SEND, 1, &[0, 0, 0, 4])), (0, 0));
    }
}

#[test]
fn data_are_where_an_sgl_says() {
    let mut driver = Driver::enabled();
    driver.create_queues(1, 8, 8);
    let data = pattern(4096);
    let (at, list) = (driver.allocate(16 << 10), driver.allocate(PAGE));
    driver.fill(at, &data[..1024]);
    driver.fill(at + 5000, &data[1024..]);
    let block = |address: u64, len: u32, kind: u8| -> Vec<u8> {
        let mut descriptor = address.to_le_bytes().to_vec();
        descriptor.extend(len.to_le_bytes());
        descriptor.extend([0, 0, 0, kind]);
        descriptor
    };
    let with = |mut entry: [u8; 64], descriptor: &[u8]| {
        entry[1] = 1 << 6;
        entry[24..40].copy_from_slice(descriptor);
        entry
    };
    // Two segments, of which the second is the last.
    let first = [block(at, 1024, 0), block(list + 64, 16, 0x30)].concat();
    driver.fill(list, &first);
    driver.fill(list + 64, &block(at + 5000, 3072, 0));
    let write = with(blocks(WRITE, 0, 8), &block(list, 32, 0x20));
    assert_eq!(driver.run(1, write), (0, 0));
    let read = with(blocks(READ, 0, 8), &block(at, 4096, 0));
    assert_eq!(driver.run(1, read), (0, 0));
    assert_eq!(driver.bytes(at, 4096), data);
    for (descriptor, status) in [
        (block(at, 4095, 0), 0x00F),
        (block(at, 4097, 0), 0x00F),
        (block(at, 4096, 0x50), 0x011),
        (block(list, 0, 0x20), 0x00D),
        (block(list, 24, 0x30), 0x00D),
        (block(list, 1 << 20, 0x30), 0x00E),
        (block(1 << 40, 4096, 0), 0x004),
        (block(1 << 40, 32, 0x20), 0x004),
    ] {
        let read = with(blocks(READ, 0, 8), &descriptor);
        assert_eq!(driver.run(1, read).0, status, "{descriptor:x?}");
    }
    // A segment that goes round in circles ends.
    driver.fill(list, &[block(at, 0, 0), block(list, 32, 0x20)].concat());
    let read = with(blocks(READ, 0, 8), &block(list, 32, 0x20));
    assert_eq!(driver.run(1, read).0, 0x00E);
}

#[test]
fn pages_that_cannot_be_are_refused() {
    let mut driver = Driver::enabled();
    driver.create_queues(1, 8, 8);
    let page = driver.allocate(4 * PAGE);
    let mut with = |first: u64, second: u64, count: u32| {
        let mut entry = blocks(READ, 0, count);
        entry[24..32].copy_from_slice(&first.to_le_bytes());
        entry[32..40].copy_from_slice(&second.to_le_bytes());
        driver.run(1, entry).0
    };
    assert_eq!(with(page + 2, 0, 1), 0x013);
    assert_eq!(with(page, page + 8, 16), 0x013);
    assert_eq!(with(page, page + 4, 24), 0x013);
    assert_eq!(with(1 << 40, 0, 1), 0x004);
    assert_eq!(with(page, 1 << 40, 24), 0x004);
    assert_eq!(with(page, 0, 4096), 0x002, "more than the largest transfer");
    assert_eq!(with(page, page + PAGE, 16), 0);
}

#[test]
fn a_full_completion_queue_holds_nothing_up_for_good() {
    let mut driver = Driver::enabled();
    driver.create_queues(1, 16, 2);
    let page = driver.allocate(PAGE);
    for _ in 0..12 {
        let read = driver.with_pages(blocks(READ, 0, 1), page, 512);
        driver.put(1, read);
    }
    driver.ring(1);
    for _ in 0..12 {
        assert_eq!(driver.await_completion(1).status, 0);
    }
}

#[test]
fn doorbells_in_memory_are_enough() {
    let mut driver = Driver::enabled();
    driver.create_queues(1, 16, 4);
    driver.use_shadow_doorbells();
    let page = driver.allocate(PAGE);
    for round in 0..40 {
        let read = driver.with_pages(blocks(READ, 0, 1), page, 512);
        driver.put(1, read);
        driver.ring(1);
        assert_eq!(driver.await_completion(1).status, 0, "round {round}");
        if round % 7 == 0 {
            std::thread::sleep(Duration::from_millis(2));
        }
    }
    assert!(driver.rung < 80, "it need not ring each time");
}

#[test]
fn a_command_that_waits_is_aborted() {
    let mut driver = Driver::enabled();
    let event = driver.put(0, entry(EVENT, 0, &[]));
    driver.ring(0);
    let abort = |command: u16| entry(ABORT, 0, &[u32::from(command) << 16]);
    let sent = driver.put(0, abort(event));
    driver.ring(0);
    let ended = [driver.await_completion(0), driver.await_completion(0)];
    let find = |id: u16| ended.iter().find(|one| one.command == id).unwrap();
    assert_eq!(find(event).status & 0x7FF, 0x007);
    assert_eq!((find(sent).status, find(sent).result), (0, 0));
    assert_eq!(driver.run(0, abort(99)), (0, 1));
}

#[test]
fn queues_are_deleted_in_order() {
    let mut driver = Driver::enabled();
    driver.create_queues(1, 8, 8);
    assert_eq!(driver.run(0, entry(DELETE_COMPLETION, 0, &[1])).0, 0x10C);
    assert_eq!(driver.run(0, entry(DELETE_SUBMISSION, 0, &[2])).0, 0x101);
    assert_eq!(driver.run(0, entry(DELETE_SUBMISSION, 0, &[1])), (0, 0));
    assert_eq!(driver.run(0, entry(DELETE_COMPLETION, 0, &[1])), (0, 0));
    assert_eq!(driver.run(0, entry(DELETE_COMPLETION, 0, &[1])).0, 0x101);
    driver.create_queues(1, 8, 8);
    let page = driver.allocate(PAGE);
    let read = driver.with_pages(blocks(READ, 0, 1), page, 512);
    assert_eq!(driver.run(1, read), (0, 0));
}

#[test]
fn a_reset_waits_for_what_is_in_flight() {
    let mut driver = Driver::enabled();
    driver.create_queues(1, 8, 8);
    driver.run(0, entry(SET_FEATURES, 0, &[0x06, 0]));
    driver.put(0, entry(EVENT, 0, &[]));
    driver.ring(0);
    let page = driver.allocate(PAGE);
    driver.disk.hold(true);
    let write = driver.with_pages(blocks(WRITE, 0, 1), page, 512);
    driver.put(1, write);
    driver.ring(1);
    while driver.disk.held().is_empty() {
        std::thread::yield_now();
    }
    driver.configure(0);
    // The write was not begun: it is taken back, and nothing of it is done.
    driver.await_status(0);
    driver.disk.release_all();
    assert_eq!(driver.disk.zone(0).condition, Condition::Empty);
    driver.enable();
    assert_eq!(driver.run(0, entry(0x0A, 0, &[0x06])), (0, 1));
}

#[test]
fn a_shutdown_ends_and_a_device_reset_leaves_nothing() {
    let mut driver = Driver::enabled();
    driver.create_queues(1, 8, 8);
    driver.configure(driver.register(0x14) | 1 << 14);
    driver.await_status(READY | 2 << 2);
    driver.device.reset();
    for offset in [0x14, 0x1C, 0x24, 0x28, 0x30] {
        assert_eq!(driver.register(offset), 0);
    }
    driver.enable();
    driver.create_queues(1, 8, 8);
}

/// What the vectors 0 and 1 signal.
fn events(driver: &Driver) -> [Arc<File>; 2] {
    [0, 1].map(|vector| {
        let event: OwnedFd = eventfd(0, EventfdFlags::NONBLOCK).unwrap();
        let event = Arc::new(File::from(event));
        driver
            .device
            .set_interrupt(vector, Some(Arc::clone(&event)));
        event
    })
}

fn is_told(event: &Arc<File>, patience: i64) -> bool {
    let mut fds = [PollFd::new(event, PollFlags::IN)];
    let time = Timespec {
        tv_sec: patience,
        tv_nsec: 0,
    };
    poll(&mut fds, Some(&time)).unwrap() == 1
}

#[test]
fn completions_are_told_by_interrupts() {
    let mut driver = Driver::enabled();
    let events = events(&driver);
    driver.create_queues(1, 8, 8);
    assert!(is_told(&events[0], 60), "the admin queue's is vector 0");
    assert!(!is_told(&events[1], 0));
    let page = driver.allocate(PAGE);
    let read = driver.with_pages(blocks(READ, 0, 1), page, 512);
    driver.run(1, read);
    assert!(is_told(&events[1], 60));
    assert!(!driver.device.0.alarms.has_thread());
    driver.device.set_interrupt(7, None);
}

#[test]
fn interrupts_are_put_together_as_the_features_say() {
    const COALESCING: u32 = 0x08;
    const VECTOR: u32 = 0x09;
    const WITHOUT: u32 = 1 << 16;
    let mut driver = Driver::enabled();
    let events = events(&driver);
    driver.create_queues(1, 8, 8);
    let page = driver.allocate(PAGE);
    let read = driver.with_pages(blocks(READ, 0, 1), page, 512);
    let set = |feature: u32, value| entry(SET_FEATURES, 0, &[feature, value]);
    driver.run(0, set(COALESCING, 100 << 8 | 7));
    driver.run(0, set(VECTOR, WITHOUT | 1));
    driver.run(1, read);
    assert!(is_told(&events[1], 60), "not this vector");
    assert!(is_told(&events[0], 60), "never the admin queue");
    assert!(!driver.device.0.alarms.has_thread());

    driver.run(0, set(VECTOR, 1));
    let event = self::events(&driver)[1].clone();
    let begun = Instant::now();
    driver.run(1, read);
    assert!(is_told(&event, 60));
    assert!(begun.elapsed() >= Duration::from_millis(10));
}

#[test]
fn queues_that_are_not_in_memory_are_fatal_until_a_reset() {
    let mut driver = Driver::new();
    driver.place_admin_queue(1 << 40, 1 << 41);
    driver.configure(1);
    driver.ring_value(0, 1);
    driver.await_status(READY | FATAL);
    let why = "a submission queue is not in the client's memory";
    assert_eq!(driver.client.error().as_deref(), Some(why));
    driver.configure(0);
    driver.await_status(0);
    // What went wrong is told after it was mended, too.
    assert_eq!(driver.client.error().as_deref(), Some(why));
    driver.enable();
    driver.create_queues(1, 8, 8);
    // Doorbells of no queue, and of no entry.
    for (place, value) in [(0, 64), (2, 9), (3, 8), (4, 1), (200, 1)] {
        driver
            .device
            .write(DOORBELLS + 4 * place, &u32::to_le_bytes(value));
    }
    driver.device.write(DOORBELLS + 8, &[0; 3]);
    let page = driver.allocate(PAGE);
    let read = driver.with_pages(blocks(READ, 0, 1), page, 512);
    assert_eq!(driver.run(1, read), (0, 0));
}

#[test]
fn enabling_before_a_reset_is_over_hangs_nowhere() {
    for round in 0..200 {
        let mut driver = Driver::enabled();
        // The admin queue's thread is in the middle of something.
        let address = driver.allocate(PAGE);
        let create = entry(0x05, 0, &[7 << 16 | 1, 1 << 16 | 1]);
        let create = driver.with_pages(create, address, PAGE);
        driver.put(0, create);
        driver.ring(0);
        driver.configure(0);
        driver.configure(1);
        if round % 2 == 0 {
            driver.device.reset();
        }
        // The reset may have been over before: then it is enabled.
        driver.configure(0);
        driver.await_status(0);
        driver.enable();
        driver.create_queues(1, 8, 8);
    }
}

#[test]
fn one_thread_resets_however_often_a_client_asks() {
    let mut driver = Driver::enabled();
    let inner = Arc::clone(&driver.device.0);
    let turn = locked(&inner.turn);
    driver.configure(0);
    let users = Arc::strong_count(&inner);
    for _ in 0..20 {
        driver.configure(1);
        driver.configure(0);
    }
    assert_eq!(Arc::strong_count(&inner), users);
    drop(turn);
    driver.await_status(0);
    driver.enable();
}
