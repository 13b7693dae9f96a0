//! Commands a second through a server and its rings, without a guest, beside a plain loop on the same file.
//!
//! `cargo bench -p zonevm-vhost-user-scsi [-- --json]`. The disk is a real image in the temporary directory
//! (`TMPDIR`); both sides work in the page cache. The plain loop writes where the disk has not been written
//! yet, in an image that is thrown away.

#[path = "../tests/common/mod.rs"]
mod common;
mod rows;

use std::sync::Arc;
use std::time::Duration;

use command::Unit;
use common::{Data, Dir, Guest, LUN0};
use image::{Cache, Disk};
use memory::Scatter;
use rows::{Load, BLOCK};
use scsi::LogicalUnit;
use vhost_user_scsi::listen;
use zoned::{Identity, Kind};

const RING: usize = 2;
const READ_16: u8 = 0x88;
const WRITE_16: u8 = 0x8a;

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
    let mut driver = Driver::new(&dir);
    // A power-on unit attention is told to the first command.
    driver.guest.run(RING, LUN0, &[0], Data::None);
    rows::run(&mut driver, &path);
    assert_eq!(server.last_error(), None);
}

/// A driver of one ring.
struct Driver {
    guest: Guest,
}

impl Driver {
    fn new(dir: &Dir) -> Driver {
        Driver {
            guest: Guest::start(&dir.socket(), 1, 128),
        }
    }
}

impl rows::Driver for Driver {
    fn carry_out(&mut self, load: Load, depth: u16, commands: u64, block: &dyn Fn(u64) -> u64) {
        let (opcode, data) = match load {
            Load::Read => (READ_16, Data::In(BLOCK as u32)),
            Load::Write => (WRITE_16, Data::Out(BLOCK as u32)),
        };
        let mut cdb = [0; 16];
        cdb[0] = opcode;
        cdb[13] = 1;
        let Guest { memory, rings, .. } = &self.guest;
        for slot in 0..depth {
            let chain = self.guest.prepare(slot, LUN0, &cdb, data);
            rings[RING].put_indirect(memory, slot, &chain);
        }
        let mut free: Vec<u16> = (0..depth).collect();
        let (mut sent, mut done) = (0, 0);
        while done < commands {
            while let Some(slot) = (sent < commands).then(|| free.pop()).flatten() {
                self.guest.set_block(slot, block(sent));
                let Guest { memory, rings, .. } = &mut self.guest;
                rings[RING].offer(memory, slot);
                rings[RING].publish(memory);
                sent += 1;
            }
            let Guest { memory, rings, .. } = &mut self.guest;
            let ring = &mut rings[RING];
            let Some(used) = ring.take(memory) else {
                ring.sleep(memory, Duration::from_secs(10));
                continue;
            };
            let answer = self.guest.code(used.0);
            assert_eq!(answer, [0, 0], "command {done}: status and response");
            free.push(used.0);
            done += 1;
        }
    }
}
