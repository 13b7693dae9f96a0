//! NVMe commands a second through a controller's queues, without a guest, beside a plain loop on the same file.
//!
//! `cargo bench -p zonevm-vfio-user-nvme [-- --json]`. The namespace is a real image in the temporary directory (`TMPDIR`);
//! both sides work in the page cache. Doorbells are calls: what QEMU's messages cost is not in it.

#[path = "../../vhost-user-scsi/benches/rows/mod.rs"]
mod rows;

use std::fs::File;
use std::sync::Arc;
use std::time::{Duration, Instant};

use image::{Cache, Disk};
use memory::Guest;
use nvme::{Attached, Controller, Limits, Namespace};
use rows::{print, scattered, Plain, Row, BLOCK, COMMANDS, ROUNDS};
use rustix::event::{eventfd, poll, EventfdFlags, PollFd, PollFlags};
use vfio_user_nvme::{Device, NvmeDevice};
use vm_memory::{Bytes, GuestAddress, GuestMemoryMmap};
use zoned::{Geometry, Kind};

const ZONE_BLOCKS: u64 = 1 << 16;
const ZONES: u64 = 16;
const WRITE: u8 = 0x01;
const READ: u8 = 0x02;

fn main() {
    let dir = tempfile::tempdir().expect("a directory");
    let path = dir.path().join("disk");
    let geometry = Geometry {
        kind: Kind::Zns,
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
    let identity = image::random_identity();
    Disk::create(&path, &geometry, &identity).expect("an image");
    let disk = Arc::new(Disk::open(&path, Cache::Host).expect("the image"));
    // Beside the image, with data where it is read.
    let plain = Plain::beside(&path);
    plain.write(|n| n);
    let namespace = Arc::new(Namespace::new(disk));
    let attached = Attached {
        unit: namespace.clone(),
        namespace,
        identity,
    };
    let mut driver = Driver::new(attached);

    let mut rows = Vec::new();
    for (at, depth) in [1u16, 32].into_iter().enumerate() {
        let zone = |round: u32, of: u64| (at as u64 * 8 + u64::from(round) * 2 + of) * ZONE_BLOCKS;
        let mut best = [Duration::MAX; 2];
        for round in 0..ROUNDS {
            let (ours, its) = (zone(round, 0), zone(round, 1));
            best[0] = best[0].min(driver.time(WRITE, depth, |n| ours + n));
            best[1] = best[1].min(plain.write(|n| its + n));
        }
        rows.push(Row::new("sequential write", depth, best));
    }
    for depth in [1, 32] {
        let mut best = [Duration::MAX; 2];
        for _ in 0..ROUNDS {
            best[0] = best[0].min(driver.time(READ, depth, scattered));
            best[1] = best[1].min(plain.read(scattered));
        }
        rows.push(Row::new("random read", depth, best));
    }
    print(&rows, std::env::args().any(|argument| argument == "--json"));
}

const PAGE: u64 = 4096;
const ENTRIES: u64 = 64;
const ADMIN: [u64; 2] = [0, PAGE];
const IO: [u64; 2] = [2 * PAGE, 3 * PAGE];
const DATA: u64 = 4 * PAGE;
const DOORBELLS: u64 = 0x1000;
const ENABLED: u32 = 1 | 6 << 16 | 4 << 20;

/// A driver that keeps so many commands in flight on one queue pair.
struct Driver {
    device: NvmeDevice,
    memory: Arc<Guest>,
    told: Arc<File>,
    sent: u64,
    done: u64,
}

impl Driver {
    fn new(namespace: Attached<memory::Scatter>) -> Driver {
        let limits = Limits {
            queues: 1,
            vectors: 2,
        };
        let controller = Controller::new(vec![namespace], limits);
        let device = NvmeDevice::new(controller, limits, Arc::default());
        let bytes = (DATA + ENTRIES * PAGE) as usize;
        let map = GuestMemoryMmap::<()>::from_ranges(&[(GuestAddress(0), bytes)]).expect("memory");
        let memory = Arc::new(Guest::new(map, Vec::new()));
        device.set_memory(Arc::clone(&memory));
        let [admin, told] = [(); 2].map(|()| {
            let event = eventfd(0, EventfdFlags::NONBLOCK).expect("an eventfd");
            Arc::new(File::from(event))
        });
        device.set_interrupt(0, Some(Arc::clone(&admin)));
        device.set_interrupt(1, Some(Arc::clone(&told)));
        let driver = Driver {
            device,
            memory,
            told,
            sent: 0,
            done: 0,
        };
        let most = (ENTRIES - 1) as u32;
        driver.write(0x24, most | most << 16);
        driver.device.write(0x28, &ADMIN[0].to_le_bytes());
        driver.device.write(0x30, &ADMIN[1].to_le_bytes());
        driver.write(0x14, ENABLED);
        for (number, (opcode, queue, how)) in
            [(0x05, IO[1], 1 << 16 | 0b11), (0x01, IO[0], 1 << 16 | 1)]
                .into_iter()
                .enumerate()
        {
            let number = number as u64;
            driver.put(ADMIN[0], number, opcode, queue, [most << 16 | 1, how, 0]);
            driver.write(DOORBELLS, number as u32 + 1);
            sleep(&admin);
            assert_eq!(driver.status(ADMIN[1], number) >> 1, 0);
        }
        driver
    }

    fn time(&mut self, opcode: u8, depth: u16, block: impl Fn(u64) -> u64) -> Duration {
        let start = Instant::now();
        let (mut sent, mut done) = (0, 0);
        while done < COMMANDS {
            while sent < COMMANDS && sent - done < u64::from(depth) {
                let lba = block(sent);
                let slot = self.sent % ENTRIES;
                let dwords = [lba as u32, (lba >> 32) as u32, 0];
                self.put(IO[0], slot, opcode, DATA + slot * PAGE, dwords);
                self.sent += 1;
                self.write(DOORBELLS + 8, (self.sent % ENTRIES) as u32);
                sent += 1;
            }
            let phase = u16::from(self.done / ENTRIES % 2 == 0);
            let status = self.status(IO[1], self.done % ENTRIES);
            if status & 1 != phase {
                sleep(&self.told);
                continue;
            }
            assert_eq!(status >> 1, 0, "command {done}");
            self.done += 1;
            self.write(DOORBELLS + 12, (self.done % ENTRIES) as u32);
            done += 1;
        }
        start.elapsed()
    }

    fn put(&self, queue: u64, slot: u64, opcode: u8, data: u64, dwords: [u32; 3]) {
        let mut entry = [0; 64];
        entry[0] = opcode;
        entry[4] = 1;
        entry[24..32].copy_from_slice(&data.to_le_bytes());
        entry[40..52].copy_from_slice(&dwords.map(u32::to_le_bytes).concat());
        let at = GuestAddress(queue + 64 * slot);
        self.memory.map().write_slice(&entry, at).expect("memory");
    }

    fn status(&self, queue: u64, slot: u64) -> u16 {
        let at = GuestAddress(queue + 16 * slot + 14);
        let status = self
            .memory
            .map()
            .load(at, std::sync::atomic::Ordering::Acquire);
        status.expect("memory")
    }

    fn write(&self, at: u64, value: u32) {
        self.device.write(at, &value.to_le_bytes());
    }
}

/// Waits for an interrupt, and takes it.
fn sleep(event: &File) {
    poll(&mut [PollFd::new(event, PollFlags::IN)], None).expect("an interrupt");
    let _ = rustix::io::read(event, &mut [0; 8]);
}
