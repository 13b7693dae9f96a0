//! SCSI commands through a server and its rings, without a guest, beside other tools and a plain loop.
//!
//! `cargo bench -p zonevm-vhost-user-scsi [-- --json] [--only TEXT]`. The disk is a real image in the temporary directory
//! (`TMPDIR`), and so are the files of the others; all work in the page cache. The other tools are those that are
//! installed: qemu-storage-daemon, vhost-device-scsi.

mod peers;
mod rows;
mod virtio;

use std::fs::File;
use std::sync::Arc;

use command::Unit;
use image::{Cache, Disk};
use memory::Scatter;
use rows::plain::Plain;
use rows::{Command, Side, ZONE_BLOCKS};
use scsi::LogicalUnit;
use vhost_user_scsi::listen;
use virtio::common::{Data, Dir, LUN0};
use virtio::{Driver, Scsi};
use zoned::{Identity, Kind};

/// Of control, events and requests.
const RINGS: usize = 3;

fn main() {
    let dir = Dir::new();
    let path = dir.path().join("disk");
    let identity = Identity {
        vendor: "zonevm".into(),
        product: "bench".into(),
        revision: "1".into(),
        serial: "1".into(),
        wwn: 0x5000_0000_0000_0001,
    };
    Disk::create(&path, &rows::geometry(Kind::HostManaged), &identity).expect("an image");
    let disk = Disk::open(&path, Cache::Host).expect("the image");
    let unit = LogicalUnit::new(Arc::new(disk), identity);
    let luns: Vec<Arc<dyn Unit<Scatter>>> = vec![Arc::new(unit)];
    let server = listen(&dir.socket(), luns, 1).expect("a server");
    let mut driver = Driver::new(&dir.socket(), RINGS, 0, Scsi::Long);
    // A power-on unit attention is told to the first command.
    driver.guest.run(RINGS - 1, LUN0, &[0], Data::None);
    let ours = Side {
        name: "zonevm".into(),
        driver: Box::new(Ours(driver)),
        file: File::open(&path).expect("the image"),
    };
    let others = || {
        let mut others = peers::all(dir.path());
        others.push(Plain::side(&dir.path().join("plain")));
        others
    };
    rows::run(ours, others, true);
    assert_eq!(server.last_error(), None);
}

struct Ours(Driver<Scsi>);

impl rows::Driver for Ours {
    fn send(&mut self, slot: u16, command: Command) {
        self.0.send(slot, command);
    }

    fn done(&mut self) -> Option<u16> {
        self.0.done()
    }

    fn sleep(&mut self) {
        self.0.sleep();
    }

    /// RESET WRITE POINTER.
    fn empty(&mut self, zone: u64) {
        let mut cdb = [0; 16];
        cdb[..2].copy_from_slice(&[0x94, 4]);
        cdb[2..10].copy_from_slice(&(zone * ZONE_BLOCKS).to_be_bytes());
        self.0.command(LUN0, &cdb);
    }
}
