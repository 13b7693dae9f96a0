//! NVMe commands a second through a controller's queues, without a guest, beside a plain loop on the same file.
//!
//! `cargo bench -p zonevm-vfio-user-nvme [-- --json]`. The namespace is a real image in the temporary directory (`TMPDIR`);
//! both sides work in the page cache. Doorbells are calls: what QEMU's messages cost is not in it.

#[path = "../../vhost-user-scsi/benches/rows/mod.rs"]
mod rows;

use std::fs::File;
use std::sync::Arc;

use image::{Cache, Disk};
use memory::Guest;
use nvme::{Attached, Controller, Limits, Namespace};
use rows::Load;
use rustix::event::{eventfd, poll, EventfdFlags, PollFd, PollFlags};
use vfio_user_nvme::{Device, NvmeDevice};
use vm_memory::{Bytes, GuestAddress, GuestMemoryMmap};
use zoned::Kind;

const WRITE: u8 = 0x01;
const READ: u8 = 0x02;

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
    rows::run(&mut Driver::new(attached), &path);
}

const PAGE: u64 = 4096;
const ENTRIES: u64 = 64;
const ADMIN: [u64; 2] = [0, PAGE];
const IO: [u64; 2] = [2 * PAGE, 3 * PAGE];
const DATA: u64 = 4 * PAGE;
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

impl rows::Driver for Driver {
    fn carry_out(&mut self, load: Load, depth: u16, commands: u64, block: &dyn Fn(u64) -> u64) {
        let opcode = match load {
            Load::Read => READ,
            Load::Write => WRITE,
        };
        let (mut sent, mut done) = (0, 0);
        while done < commands {
            while sent < commands && sent - done < u64::from(depth) {
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
    }
}

/// Waits for an interrupt, and takes it.
fn sleep(event: &File) {
    poll(&mut [PollFd::new(event, PollFlags::IN)], None).expect("an interrupt");
    let _ = rustix::io::read(event, &mut [0; 8]);
}
