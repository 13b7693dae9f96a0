//! Commands a second through a server and its rings, without a guest, beside a plain loop on the same file.
//!
//! `cargo bench -p zonevm-vhost-user-scsi [-- --json]`. The disk is a real image in the temporary directory
//! (`TMPDIR`); both sides work in the page cache. The plain loop writes where the disk has not been written
//! yet, in an image that is thrown away.

#[path = "../tests/common/mod.rs"]
mod common;
mod rows;

use std::sync::Arc;
use std::time::{Duration, Instant};

use command::Unit;
use common::{Data, Dir, Guest, LUN0};
use image::{Cache, Disk};
use memory::Scatter;
use rows::{print, scattered, Plain, Row, BLOCK, COMMANDS, ROUNDS};
use scsi::LogicalUnit;
use vhost_user_scsi::listen;
use zoned::{Geometry, Identity, Kind};

const ZONE_BLOCKS: u64 = 1 << 16;
const ZONES: u64 = 16;
const RING: usize = 2;
const READ_16: u8 = 0x88;
const WRITE_16: u8 = 0x8a;

fn main() {
    let dir = Dir::new();
    let path = dir.path().join("disk");
    let geometry = Geometry {
        kind: Kind::HostManaged,
        block_size: BLOCK as u32,
        blocks: ZONE_BLOCKS * ZONES,
        zone_blocks: ZONE_BLOCKS,
        conventional_zones: 0,
        max_open: None,
        zone_capacity: None,
        max_active: None,
        unrestricted_reads: true,
        extension_bytes: 0,
    };
    let identity = Identity {
        vendor: "zonevm".into(),
        product: "bench".into(),
        revision: "1".into(),
        serial: "1".into(),
        wwn: 0x5000_0000_0000_0001,
    };
    Disk::create(&path, &geometry, &identity).expect("an image");
    let disk = Disk::open(&path, Cache::Host).expect("the image");
    // Beside the image, with data where it is read.
    let plain = Plain::beside(&path);
    plain.write(|n| n);

    let unit = LogicalUnit::new(Arc::new(disk), identity);
    let luns: Vec<Arc<dyn Unit<Scatter>>> = vec![Arc::new(unit)];
    let server = listen(&dir.socket(), luns, 1).expect("a server");
    let mut driver = Driver::new(&dir);
    // A power-on unit attention is told to the first command.
    driver.guest.run(RING, LUN0, &[0], Data::None);

    // Sequential writes go zone by zone: a round of each depth fills a part of one of ours, then of a plain one.
    let mut rows = Vec::new();
    for (at, depth) in [1u16, 32].into_iter().enumerate() {
        let zone = |round: u32, of: u64| (at as u64 * 8 + u64::from(round) * 2 + of) * ZONE_BLOCKS;
        let mut best = [Duration::MAX; 2];
        for round in 0..ROUNDS {
            let (ours, its) = (zone(round, 0), zone(round, 1));
            best[0] = best[0].min(driver.time(WRITE_16, depth, |n| ours + n));
            best[1] = best[1].min(plain.write(|n| its + n));
        }
        rows.push(Row::new("sequential write", depth, best));
    }
    for depth in [1, 32] {
        let mut best = [Duration::MAX; 2];
        for _ in 0..ROUNDS {
            best[0] = best[0].min(driver.time(READ_16, depth, scattered));
            best[1] = best[1].min(plain.read(scattered));
        }
        rows.push(Row::new("random read", depth, best));
    }
    assert_eq!(server.last_error(), None);
    print(&rows, std::env::args().any(|argument| argument == "--json"));
}

/// A driver that keeps so many commands in flight on one ring.
struct Driver {
    guest: Guest,
}

impl Driver {
    fn new(dir: &Dir) -> Driver {
        Driver {
            guest: Guest::start(&dir.socket(), 1, 128),
        }
    }

    fn time(&mut self, opcode: u8, depth: u16, block: impl Fn(u64) -> u64) -> Duration {
        let mut cdb = [0; 16];
        cdb[0] = opcode;
        cdb[13] = 1;
        let data = match opcode {
            READ_16 => Data::In(BLOCK as u32),
            _ => Data::Out(BLOCK as u32),
        };
        let Guest { memory, rings, .. } = &self.guest;
        for slot in 0..depth {
            let chain = self.guest.prepare(slot, LUN0, &cdb, data);
            rings[RING].put_indirect(memory, slot, &chain);
        }
        let mut free: Vec<u16> = (0..depth).collect();
        let (mut sent, mut done) = (0, 0);
        let start = Instant::now();
        while done < COMMANDS {
            while let Some(slot) = (sent < COMMANDS).then(|| free.pop()).flatten() {
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
        start.elapsed()
    }
}
