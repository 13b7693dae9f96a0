//! Other tools that serve disks over vhost-user, each on a file of its own.

use std::fs::File;
use std::path::Path;
use std::process::{Child, Command as Program, Stdio};
use std::time::{Duration, Instant};

use crate::rows::plain::{new_file, punch_zone};
use crate::rows::{Action, Command, Driver, Side};
use crate::virtio::{self, Blk, Format, Scsi};

/// Control, events, requests.
const SCSI_RINGS: usize = 3;

/// Those of them that are installed and work here, with their files in `dir`.
pub fn all(dir: &Path) -> Vec<Side> {
    let mut sides = Vec::new();
    for aio in ["threads", "io_uring"] {
        let name = format!("qemu-storage-daemon, {aio}");
        sides.extend(side(
            dir,
            name,
            &[Action::Read, Action::Write, Action::Flush],
            |file, socket| {
                let mut program = Program::new("qemu-storage-daemon");
                let node = format!("driver=file,node-name=f,filename={file},aio={aio}");
                let export = format!(
                "type=vhost-user-blk,id=e,node-name=f,writable=on,addr.type=unix,addr.path={socket}"
            );
                program.args(["--blockdev", &node, "--export", &export]);
                (program, |socket: &Path| {
                    virtio::Driver::new(socket, 1, Blk::FLUSH, Blk)
                })
            },
        ));
    }
    sides.extend(side(
        dir,
        "vhost-device-scsi".into(),
        &[Action::Read],
        |file, socket| {
            let mut program = Program::new("vhost-device-scsi");
            program.args(["--read-only", "--socket-path", socket, file]);
            (program, |socket: &Path| {
                virtio::Driver::new(socket, SCSI_RINGS, 0, Scsi::Short)
            })
        },
    ));
    sides
}

/// A program that serves a file at a socket, and how it is driven.
fn side<F: Format + 'static>(
    dir: &Path,
    name: String,
    knows: &'static [Action],
    with: impl FnOnce(&str, &str) -> (Program, fn(&Path) -> virtio::Driver<F>),
) -> Option<Side> {
    let path = dir.join(name.replace([',', ' '], ""));
    let socket = path.with_extension("sock");
    let file = new_file(&path);
    let (mut program, driver) = with(path.to_str()?, socket.to_str()?);
    program
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    let Some(process) = Process::serving(program, &socket) else {
        eprintln!("{name}: not installed, or does not work here");
        return None;
    };
    let driver = Peer {
        driver: driver(&socket),
        knows,
        file: file.try_clone().expect("a file"),
        _process: process,
    };
    Some(Side {
        name,
        driver: Box::new(driver),
        file,
    })
}

struct Peer<F> {
    driver: virtio::Driver<F>,
    knows: &'static [Action],
    file: File,
    _process: Process,
}

impl<F: Format> Driver for Peer<F> {
    fn send(&mut self, slot: u16, command: Command) {
        self.driver.send(slot, command);
    }

    fn done(&mut self) -> Option<u16> {
        self.driver.done()
    }

    fn sleep(&mut self) {
        self.driver.sleep();
    }

    fn empty(&mut self, zone: u64) {
        punch_zone(&self.file, zone);
    }

    fn knows(&self, action: Action) -> bool {
        self.knows.contains(&action)
    }
}

/// A process that ends with this.
struct Process(Child);

impl Process {
    /// Starts a program, and waits until there is its socket.
    fn serving(mut program: Program, socket: &Path) -> Option<Process> {
        let mut process = Process(program.spawn().ok()?);
        let until = Instant::now() + Duration::from_secs(20);
        while !socket.exists() {
            if process.0.try_wait().ok()?.is_some() || Instant::now() > until {
                return None;
            }
            std::thread::sleep(Duration::from_millis(10));
        }
        Some(process)
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}
