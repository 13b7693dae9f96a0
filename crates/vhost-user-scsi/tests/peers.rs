//! A front end that breaks the rules loses its connection: the server goes on, and can be stopped.
#![allow(missing_docs)]

mod common;
mod fake;

use std::fs::File;
use std::io::{Read, Write};
use std::os::fd::{FromRawFd, IntoRawFd};
use std::os::unix::net::UnixStream;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{mpsc, Arc};
use std::thread;
use std::time::Duration;

use command::Unit;
use common::{Data, Dir, Guest, FEATURES, GUEST_BASE, LUN0, USER_BASE};
use fake::Fake;
use memory::Scatter;
use vhost::vhost_user::VhostUserFrontend;
use vhost::{VhostBackend, VhostUserMemoryRegionInfo};
use vhost_user_scsi::{listen, Server};
use vmm_sys_util::eventfd::EventFd;

fn start() -> (Dir, Server, Arc<Fake>) {
    let dir = Dir::new();
    let unit = Fake::new();
    let server = listen(
        &dir.socket(),
        vec![Arc::clone(&unit) as Arc<dyn Unit<Scatter>>],
        1,
    );
    (dir, server.unwrap(), unit)
}

/// Runs `work` in a thread, and fails if it hangs.
fn in_time(work: impl FnOnce() + Send + 'static) {
    let (done, waiting) = mpsc::channel();
    let worker = thread::spawn(move || {
        work();
        done.send(()).unwrap();
    });
    let ended = waiting.recv_timeout(Duration::from_secs(120));
    assert_ne!(ended, Err(mpsc::RecvTimeoutError::Timeout), "it hangs");
    worker.join().unwrap();
}

/// The server has ended the connection for this reason, and serves the next front end.
fn is_refused(dir: &Dir, server: &Server, guest: &Guest, why: &str) {
    while guest.frontend.get_features().is_ok() {
        thread::sleep(Duration::from_millis(1));
    }
    let error = server.last_error().unwrap();
    assert!(error.contains(why), "{error}");
    let mut next = Guest::start(&dir.socket(), 1, 16);
    assert_eq!(next.run(2, LUN0, &[fake::STORE], Data::None).used, 108);
    assert_eq!(server.last_error(), None);
}

/// An event for completions whose reads and writes wait, at its limit.
fn full(guest: &mut Guest) {
    guest.rings[2].call = EventFd::new(0).unwrap();
    guest.rings[2].call.write(u64::MAX - 1).unwrap();
}

#[test]
fn a_call_descriptor_that_is_full_holds_up_nothing() {
    in_time(|| {
        let (dir, server, unit) = start();
        let mut guest = Guest::connect(&dir.socket(), 1, 16, FEATURES & !common::EVENT_IDX);
        full(&mut guest);
        guest.start_ring(2);
        for slot in 0..8 {
            guest.submit(2, slot, LUN0, &[fake::STORE], Data::None);
            while guest.rings[2].take(&guest.memory).is_none() {
                thread::sleep(Duration::from_millis(1));
            }
        }
        assert_eq!(unit.executed(), 8);
        guest.set_call(2);
        guest.stop_ring(2);
        server.stop();
    });
}

#[test]
fn a_call_descriptor_that_is_filled_at_every_moment_stops_nothing() {
    in_time(|| {
        let (dir, server, unit) = start();
        let mut guest = Guest::connect(&dir.socket(), 1, 16, FEATURES & !common::EVENT_IDX);
        full(&mut guest);
        let call = guest.rings[2].call.try_clone().unwrap();
        let over = Arc::new(AtomicBool::new(false));
        let ended = Arc::clone(&over);
        // It may wait for ever itself, once nobody empties the event any more.
        thread::spawn(move || {
            while !ended.load(Ordering::Relaxed) {
                call.read().unwrap();
                call.write(u64::MAX - 1).unwrap();
            }
        });
        guest.start_ring(2);
        for round in 0..50 {
            guest.submit(2, round % 16, LUN0, &[fake::STORE], Data::None);
            if round % 5 == 4 {
                guest.stop_ring(2);
                guest.start_ring(2);
            }
        }
        drop(guest);
        server.stop();
        over.store(true, Ordering::Relaxed);
        assert!(unit.executed() <= 50);
    });
}

#[test]
fn a_kick_descriptor_that_another_empties_holds_up_no_stop() {
    in_time(|| {
        let (dir, server, _unit) = start();
        let mut guest = Guest::connect(&dir.socket(), 1, 16, FEATURES);
        guest.rings[2].kick = EventFd::new(0).unwrap();
        guest.start_ring(2);
        let kick = guest.rings[2].kick.try_clone().unwrap();
        for _ in 0..2000 {
            kick.write(1).unwrap();
            // Without waiting: the ring may have been first.
            rustix::io::preadv2(
                file(&kick),
                &mut [std::io::IoSliceMut::new(&mut [0; 8])],
                u64::MAX,
                rustix::io::ReadWriteFlags::NOWAIT,
            )
            .ok();
        }
        guest.stop_ring(2);
        server.stop();
    });
}

fn file(event: &EventFd) -> File {
    // SAFETY: the descriptor is a new one, and the file is its only owner.
    unsafe { File::from_raw_fd(event.try_clone().unwrap().into_raw_fd()) }
}

#[test]
fn a_descriptor_that_is_no_event_is_refused() {
    for set in [
        VhostBackend::set_vring_kick as fn(&_, usize, &EventFd) -> vhost::Result<()>,
        VhostBackend::set_vring_call,
        VhostBackend::set_vring_err,
    ] {
        let (dir, server, _unit) = start();
        let (socket, _other) = UnixStream::pair().unwrap();
        // SAFETY: the descriptor is owned by nobody else.
        let socket = unsafe { EventFd::from_raw_fd(socket.into_raw_fd()) };
        let guest = Guest::connect(&dir.socket(), 1, 16, FEATURES);
        set(&guest.frontend, 2, &socket).unwrap();
        is_refused(&dir, &server, &guest, "not an eventfd");
    }
}

#[test]
fn a_memory_file_that_is_too_short_is_refused() {
    let (dir, server, _unit) = start();
    let guest = Guest::connect(&dir.socket(), 1, 16, FEATURES);
    guest.sync();
    guest.cut_memory(8192);
    guest.share_memory(12288);
    is_refused(
        &dir,
        &server,
        &guest,
        "a memory region ends at byte 12288 of a file of 8192 bytes",
    );
}

#[test]
fn memory_that_is_cut_before_its_rings_start() {
    let (dir, server, _unit) = start();
    let mut guest = Guest::connect(&dir.socket(), 1, 16, FEATURES);
    guest.sync();
    guest.cut_memory(0);
    guest.set_up_ring(2);
    guest.frontend.set_vring_enable(2, true).unwrap();
    is_refused(&dir, &server, &guest, "memory was made shorter");
}

#[test]
fn memory_that_is_cut_under_a_ring() {
    let (dir, server, _unit) = start();
    let guest = Guest::start(&dir.socket(), 1, 16);
    guest.sync();
    guest.cut_memory(0);
    guest.rings[2].kick.write(1).unwrap();
    is_refused(&dir, &server, &guest, "memory was made shorter");
}

#[test]
fn memory_that_is_cut_during_a_command() {
    let (dir, server, unit) = start();
    let mut guest = Guest::start(&dir.socket(), 1, 16);
    guest.submit(2, 0, LUN0, &[fake::SLOW], Data::In(4096));
    unit.wait_started(1);
    guest.cut_memory(0);
    unit.open_gate();
    is_refused(&dir, &server, &guest, "memory was made shorter");
}

#[test]
fn regions_without_end_are_refused() {
    let (dir, server, _unit) = start();
    let guest = Guest::connect(&dir.socket(), 1, 16, FEATURES);
    let mut frontend = guest.frontend.clone();
    for number in 0..256 {
        let region = VhostUserMemoryRegionInfo {
            guest_phys_addr: GUEST_BASE + (1 << 40) + number * 4096,
            memory_size: 4096,
            userspace_addr: USER_BASE + (1 << 40) + number * 4096,
            mmap_offset: number * 4096,
            mmap_handle: guest.region(0, 4096).mmap_handle,
        };
        // The last one may find the connection closed.
        let _ = frontend.add_mem_region(&region);
    }
    is_refused(&dir, &server, &guest, "more than 256 memory regions");
}

#[test]
fn a_region_of_absurd_size_is_refused() {
    let (dir, server, _unit) = start();
    let guest = Guest::connect(&dir.socket(), 1, 16, FEATURES);
    guest.share_memory(1 << 62);
    is_refused(&dir, &server, &guest, "of a file of");
}

#[test]
fn a_second_front_end_is_refused_at_once() {
    let (dir, server, _unit) = start();
    let mut guest = Guest::start(&dir.socket(), 1, 16);
    for count in 1..=3 {
        let mut second = UnixStream::connect(dir.socket()).unwrap();
        assert_eq!(second.read(&mut [0; 8]).unwrap(), 0, "closed");
        assert_eq!(server.refused(), count);
    }
    assert_eq!(guest.run(2, LUN0, &[fake::STORE], Data::None).used, 108);
    assert_eq!((server.gone(), server.last_error()), (0, None));
}

#[test]
fn a_front_end_waits_for_the_commands_of_one_that_left() {
    in_time(|| {
        let (dir, server, unit) = start();
        let mut first = Guest::start(&dir.socket(), 1, 16);
        first.submit(2, 0, LUN0, &[fake::SLOW], Data::None);
        unit.wait_started(1);
        drop(first);
        let gate = Arc::clone(&unit);
        let opener = thread::spawn(move || {
            thread::sleep(Duration::from_millis(200));
            gate.open_gate();
        });
        let mut second = Guest::start(&dir.socket(), 1, 16);
        assert_eq!(second.run(2, LUN0, &[fake::STORE], Data::None).used, 108);
        assert_eq!((server.gone(), server.refused()), (1, 0));
        opener.join().unwrap();
    });
}

#[test]
fn who_says_nothing_has_not_been_there() {
    let (dir, server, _unit) = start();
    drop(UnixStream::connect(dir.socket()).unwrap());
    Guest::start(&dir.socket(), 1, 16).sync();
    let _next = Guest::start(&dir.socket(), 1, 16);
    assert_eq!(server.gone(), 1);
}

#[test]
fn half_a_message_is_waited_for_a_while_only() {
    let header = [1u8, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0];
    let begun = [&header[..3], &[&header[..8], &[200, 0, 0, 0, 1]].concat()].map(|half| {
        let (dir, server, _unit) = start();
        let mut stream = UnixStream::connect(dir.socket()).unwrap();
        stream.write_all(half).unwrap();
        (dir, server, stream)
    });
    for (dir, server, mut stream) in begun {
        let mut rest = Vec::new();
        let _ = stream.read_to_end(&mut rest);
        let error = server.last_error().unwrap();
        assert!(error.contains("did not come within"), "{error}");
        Guest::start(&dir.socket(), 1, 16).sync();
    }
}
