//! The socket: whose it is, who gets it, and front ends that talk nonsense on it.
#![allow(missing_docs)]

mod common;
mod fake;

use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use command::Unit;
use common::{Data, Dir, Guest, FEATURES, LUN0, USER_BASE};
use fake::Fake;
use memory::Scatter;
use vhost::vhost_user::VhostUserFrontend;
use vhost::{VhostBackend, VringConfigData};
use vhost_user_scsi::{listen, Error, Server};

fn start(socket: &Path) -> Result<Server, Error> {
    listen(socket, vec![Fake::new() as Arc<dyn Unit<Scatter>>], 1)
}

fn message(result: Result<Server, Error>) -> String {
    result.err().expect("an error").to_string()
}

#[test]
fn only_its_owner_may_connect_and_it_goes_at_the_end() {
    let dir = Dir::new();
    let server = start(&dir.socket()).unwrap();
    let mode = std::fs::metadata(dir.socket())
        .unwrap()
        .permissions()
        .mode();
    assert_eq!(mode & 0o777, 0o600);
    drop(server);
    assert!(!dir.socket().exists());
}

#[test]
fn a_path_that_is_too_long_is_named() {
    let dir = Dir::new();
    let directory = dir.path().as_os_str().len() + 1;
    let longest = dir.path().join("s".repeat(107 - directory));
    drop(start(&longest).unwrap());
    let error = message(start(&dir.path().join("s".repeat(108 - directory))));
    assert!(
        error.contains("108 bytes") && error.contains("at most 107"),
        "{error}"
    );
}

#[test]
fn a_file_is_not_removed() {
    let dir = Dir::new();
    std::fs::write(dir.socket(), "precious").unwrap();
    let error = message(start(&dir.socket()));
    assert!(error.contains("not a socket"), "{error}");
    assert_eq!(std::fs::read(dir.socket()).unwrap(), b"precious");
}

#[test]
fn a_socket_in_use_is_not_removed() {
    let dir = Dir::new();
    let first = start(&dir.socket()).unwrap();
    let error = message(start(&dir.socket()));
    assert!(error.contains("another process listens"), "{error}");
    Guest::start(&dir.socket(), 1, 16).run(2, LUN0, &[fake::STORE], Data::None);
    drop(first);
}

#[test]
fn a_dead_socket_is_replaced() {
    let dir = Dir::new();
    drop(UnixListener::bind(dir.socket()).unwrap());
    assert!(dir.socket().exists());
    let _server = start(&dir.socket()).unwrap();
    Guest::start(&dir.socket(), 1, 16).run(2, LUN0, &[fake::STORE], Data::None);
}

#[test]
fn a_socket_that_another_has_put_there_is_left_alone() {
    let dir = Dir::new();
    let server = start(&dir.socket()).unwrap();
    std::fs::remove_file(dir.socket()).unwrap();
    let _other = UnixListener::bind(dir.socket()).unwrap();
    drop(server);
    assert!(dir.socket().exists());
}

#[test]
fn a_missing_directory_is_told() {
    let error = message(start(Path::new("/nonexistent/s")));
    assert!(
        error.contains("/nonexistent/s") && error.contains("No such file"),
        "{error}"
    );
}

#[test]
fn counts_out_of_range_are_told() {
    let dir = Dir::new();
    let error = message(listen(&dir.socket(), vec![], 1));
    assert!(error.contains("0 logical units"), "{error}");
    for queues in [0, 255] {
        let luns = vec![Fake::new() as Arc<dyn Unit<Scatter>>];
        let error = message(listen(&dir.socket(), luns, queues));
        assert!(
            error.contains(&format!("{queues} request queues")),
            "{error}"
        );
    }
    assert!(!dir.socket().exists());
}

#[test]
fn stopping_does_not_wait_for_a_silent_front_end() {
    let dir = Dir::new();
    let server = start(&dir.socket()).unwrap();
    let mut half = UnixStream::connect(dir.socket()).unwrap();
    half.write_all(&[1, 0, 0]).unwrap();
    std::thread::sleep(Duration::from_millis(20));
    server.stop();
}

#[test]
fn nonsense_ends_the_connection_and_nothing_else() {
    let dir = Dir::new();
    let server = start(&dir.socket()).unwrap();
    for _ in 0..3 {
        let mut stream = UnixStream::connect(dir.socket()).unwrap();
        stream.write_all(&[0xff; 64]).unwrap();
        let mut rest = Vec::new();
        // The server closes the connection: the end, or a reset because it did not read all.
        let _ = std::io::Read::read_to_end(&mut stream, &mut rest);
        assert!(server.last_error().unwrap().contains("message refused"));
    }
    Guest::start(&dir.socket(), 1, 16).run(2, LUN0, &[fake::STORE], Data::None);
    assert_eq!(server.last_error(), None);
}

#[test]
fn rings_outside_memory_or_of_a_wrong_size_end_the_connection() {
    let addresses = |available| VringConfigData {
        queue_max_size: 16,
        queue_size: 16,
        flags: 0,
        desc_table_addr: USER_BASE,
        used_ring_addr: USER_BASE + 0x6000,
        avail_ring_addr: available,
        log_addr: None,
    };
    let dir = Dir::new();
    let server = start(&dir.socket()).unwrap();
    let refused = |size: u16, available: u64, why: &str| {
        let mut guest = Guest::connect(&dir.socket(), 1, 16, FEATURES);
        guest.set_up_ring(2);
        guest.frontend.set_vring_num(2, size).unwrap();
        // The connection may have ended by now.
        let addresses = addresses(available);
        let _ = guest.frontend.set_vring_addr(2, &addresses);
        let _ = guest.frontend.set_vring_enable(2, true);
        guest.frontend.get_features().unwrap_err();
        let error = server.last_error().unwrap();
        assert!(error.contains(why), "{error}");
    };
    refused(
        16,
        0x1000,
        "front-end address 0x1000 is in no memory region",
    );
    refused(16, USER_BASE + 1, "invalid message");
    refused(12, USER_BASE + 0x4000, "size");
    refused(16, USER_BASE + 0xf0, "overlap");
    refused(16, USER_BASE + 0x6000 - 4, "overlap");
    let end = USER_BASE + Guest::connect(&dir.socket(), 1, 16, FEATURES).memory_len();
    refused(16, end - 8, "outside guest memory");
}

#[test]
fn features_that_were_not_offered_are_refused() {
    let dir = Dir::new();
    let _server = start(&dir.socket()).unwrap();
    let guest = Guest::connect(&dir.socket(), 1, 16, FEATURES);
    guest.frontend.set_features(FEATURES | 1).unwrap();
    guest.frontend.get_features().unwrap_err();
}
