//! NVMe commands through a controller's queues, without a guest, beside a plain loop.
//!
//! `cargo bench -p zonevm-vfio-user-nvme [-- --json] [--only TEXT]`. The namespace is a real image in the temporary directory (`TMPDIR`);
//! both sides work in the page cache. Doorbells are calls: what QEMU's messages cost is not in it.

#[path = "../../vhost-user-scsi/benches/rows/mod.rs"]
mod rows;

use std::fs::File;
use std::sync::Arc;

use image::{Cache, Disk};
use memory::Guest;
use nvme::{Attached, Controller, Limits, Namespace};
use rows::plain::Plain;
use rows::{Action, Command, Side, MOST, ZONE_BLOCKS};
use rustix::event::{eventfd, poll, EventfdFlags, PollFd, PollFlags};
use vfio_user_nvme::{Device, NvmeDevice};
use vm_memory::{Bytes, GuestAddress, GuestMemoryMmap};
use zoned::Kind;

const FLUSH: u8 = 0x00;
const WRITE: u8 = 0x01;
const READ: u8 = 0x02;
const ZONE_MANAGEMENT_SEND: u8 = 0x79;
const RESET_ZONE: u32 = 4;

fn main() {
    let dir = tempfile::tempdir().expect("a directory");
    let path = dir.path().join("disk");
    let identity = image::random_identity();
    Disk::create(&path, &rows::geometry(Kind::Zns), &identity).expect("an image");
    let disk = Arc::new(Disk::open(&path, Cache::Host).expect("the image"));
    let namespace = Arc::new(Namespace::new(disk));
    let attached = Attached {
        unit: namespace.clone(),
        namespace,
        identity,
    };
    let ours = Side {
        name: "zonevm".into(),
        driver: Box::new(Driver::new(attached)),
        file: File::open(&path).expect("the image"),
    };
    let others = || vec![Plain::side(&dir.path().join("plain"))];
    rows::run(ours, others, false);
}

const PAGE: u64 = 4096;
const ENTRIES: u64 = 256;
const MOST_PAGES: u64 = 32;
const ADMIN: [u64; 2] = [0, PAGE];
const ADMIN_ENTRIES: u32 = 16;
/// Entries of 64 and 16 bytes.
const IO: [u64; 2] = [8 * PAGE, 16 * PAGE];
/// For each command a page for its PRP list, and its data.
const SLOTS: u64 = 32 * PAGE;
const SLOT: u64 = (1 + MOST_PAGES) * PAGE;
const DOORBELLS: u64 = 0x1000;
const ENABLED: u32 = 1 | 6 << 16 | 4 << 20;

/// A driver of one queue pair.
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
        let bytes = (SLOTS + u64::from(MOST) * SLOT) as usize;
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
        let admins = ADMIN_ENTRIES - 1;
        driver.write(0x24, admins | admins << 16);
        driver.device.write(0x28, &ADMIN[0].to_le_bytes());
        driver.device.write(0x30, &ADMIN[1].to_le_bytes());
        driver.write(0x14, ENABLED);
        for (number, (opcode, queue, how)) in
            [(0x05, IO[1], 1 << 16 | 0b11), (0x01, IO[0], 1 << 16 | 1)]
                .into_iter()
                .enumerate()
        {
            let number = number as u64;
            let dwords = [most << 16 | 1, how, 0, 0];
            driver.put(ADMIN[0], number, opcode, 0, [queue, 0], dwords);
            driver.write(DOORBELLS, number as u32 + 1);
            sleep(&admin);
            assert_eq!(driver.status(ADMIN[1], number) >> 17, 0);
        }
        for slot in 0..u64::from(MOST) {
            let list = SLOTS + slot * SLOT;
            let pages: Vec<u8> = (2..=MOST_PAGES)
                .flat_map(|page| (list + page * PAGE).to_le_bytes())
                .collect();
            let memory = driver.memory.map();
            memory
                .write_slice(&pages, GuestAddress(list))
                .expect("memory");
        }
        driver
    }

    /// Puts a command into place `at` of a queue.
    fn put(&self, queue: u64, at: u64, opcode: u8, id: u16, prp: [u64; 2], dwords: [u32; 4]) {
        let mut entry = [0; 64];
        entry[0] = opcode;
        entry[2..4].copy_from_slice(&id.to_le_bytes());
        entry[4] = 1;
        entry[24..40].copy_from_slice(&prp.map(u64::to_le_bytes).concat());
        entry[40..56].copy_from_slice(&dwords.map(u32::to_le_bytes).concat());
        let at = GuestAddress(queue + 64 * at);
        self.memory.map().write_slice(&entry, at).expect("memory");
    }

    /// Identifier, phase and status of the completion in place `at` of a queue.
    fn status(&self, queue: u64, at: u64) -> u32 {
        let at = GuestAddress(queue + 16 * at + 12);
        let map = self.memory.map();
        let status = map.load(at, std::sync::atomic::Ordering::Acquire);
        status.expect("memory")
    }

    fn submit(&mut self, opcode: u8, slot: u16, dwords: [u32; 4]) {
        let list = SLOTS + u64::from(slot) * SLOT;
        let second = match dwords[2] {
            0 => 0,
            1 => list + 2 * PAGE,
            _ => list,
        };
        let at = self.sent % ENTRIES;
        self.put(IO[0], at, opcode, slot, [list + PAGE, second], dwords);
        self.sent += 1;
        self.write(DOORBELLS + 8, (self.sent % ENTRIES) as u32);
    }

    fn write(&self, at: u64, value: u32) {
        self.device.write(at, &value.to_le_bytes());
    }
}

impl rows::Driver for Driver {
    fn send(&mut self, slot: u16, command: Command) {
        let Command { block, blocks, .. } = command;
        let (opcode, blocks) = match command.action {
            Action::Read => (READ, blocks - 1),
            Action::Write => (WRITE, blocks - 1),
            Action::Flush => (FLUSH, 0),
        };
        let dwords = [block as u32, (block >> 32) as u32, blocks, 0];
        self.submit(opcode, slot, dwords);
    }

    fn done(&mut self) -> Option<u16> {
        let found = self.status(IO[1], self.done % ENTRIES);
        let phase = u32::from(self.done / ENTRIES % 2 == 0);
        if found >> 16 & 1 != phase {
            return None;
        }
        assert_eq!(found >> 17, 0, "a command failed");
        self.done += 1;
        self.write(DOORBELLS + 12, (self.done % ENTRIES) as u32);
        Some(found as u16)
    }

    fn sleep(&mut self) {
        sleep(&self.told);
    }

    fn empty(&mut self, zone: u64) {
        let lba = zone * ZONE_BLOCKS;
        let dwords = [lba as u32, (lba >> 32) as u32, 0, RESET_ZONE];
        self.submit(ZONE_MANAGEMENT_SEND, 0, dwords);
        while self.done().is_none() {
            rows::Driver::sleep(self);
        }
    }
}

/// Waits for an interrupt, and takes it.
fn sleep(event: &File) {
    poll(&mut [PollFd::new(event, PollFlags::IN)], None).expect("an interrupt");
    let _ = rustix::io::read(event, &mut [0; 8]);
}
