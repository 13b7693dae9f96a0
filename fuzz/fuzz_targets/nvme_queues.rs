//! Any contents of an NVMe driver's memory: entries of queues, PRP lists, SGL descriptors, doorbells in memory; and any
//! registers. The controller neither panics nor hangs, and what it cannot go on with is fatal to it until a reset.
#![no_main]

use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use libfuzzer_sys::fuzz_target;
use memory::Guest;
use vfio_user_nvme::{Device, NvmeDevice};
use vm_memory::{Bytes, GuestAddress, GuestMemoryMmap};

mod device;

const PAGE: u64 = 4096;
/// Two stretches of memory with a hole between.
const MEMORY: [(GuestAddress, usize); 2] = [
    (GuestAddress(0), 24 << 12),
    (GuestAddress(32 << 12), 16 << 12),
];
const ENTRIES: u64 = 16;
const ADMIN: [u64; 2] = [PAGE, 2 * PAGE];
const IO: [u64; 2] = [3 * PAGE, 4 * PAGE];
const DOORBELLS: u64 = 0x1000;
const ENABLED: u32 = 1 | 6 << 16 | 4 << 20;
/// How long a command may take that ends.
const PATIENCE: Duration = Duration::from_millis(2);

/// What a driver does.
#[derive(arbitrary::Arbitrary, Debug)]
enum Step {
    /// Sends a command: the queue (admin or I/O), opcode, flags, command dwords 10 to 13, and where its data are.
    Command(bool, u8, u8, [u32; 4], [u64; 2]),
    /// Puts these anywhere into its memory.
    Memory(u32, [u64; 4]),
    /// Writes a register, or a doorbell.
    Register(u8, u32),
}

fuzz_target!(|steps: Vec<Step>| {
    let device = device::new();
    let map = GuestMemoryMmap::<()>::from_ranges(&MEMORY).expect("memory");
    let guest = Arc::new(Guest::new(map, Vec::new()));
    device.set_memory(Arc::clone(&guest));
    let mut driver = Driver {
        device,
        guest,
        tails: [0; 2],
    };
    driver.set_up();
    for step in steps.into_iter().take(24) {
        driver.take(step);
    }
    driver.device.reset();
});

struct Driver {
    device: NvmeDevice,
    guest: Arc<Guest>,
    tails: [u64; 2],
}

impl Driver {
    fn set_up(&mut self) {
        let entries = (ENTRIES - 1) as u32;
        self.write(0x24, entries | entries << 16);
        self.write64(0x28, ADMIN[0]);
        self.write64(0x30, ADMIN[1]);
        self.write(0x14, ENABLED);
        self.send(0, 0x05, 0, [entries << 16 | 1, 1, 0, 0], [IO[1], 0]);
        self.send(
            0,
            0x01,
            0,
            [entries << 16 | 1, 1 << 16 | 1, 0, 0],
            [IO[0], 0],
        );
    }

    fn take(&mut self, step: Step) {
        match step {
            Step::Command(admin, opcode, flags, dwords, data) => self.send(
                usize::from(!admin),
                opcode,
                flags & 0xC0,
                dwords,
                data.map(place),
            ),
            Step::Memory(at, words) => {
                let bytes = words.map(place).map(u64::to_le_bytes).concat();
                let at = GuestAddress(u64::from(at) % (48 << 12));
                let _ = self.guest.map().write_slice(&bytes, at);
            }
            Step::Register(place, value) if place < 0x80 => {
                self.write(u64::from(place & !3), value)
            }
            Step::Register(place, value) => {
                self.write(DOORBELLS + 4 * u64::from(place & 0x0F), value % 64)
            }
        }
    }

    fn send(&mut self, queue: usize, opcode: u8, flags: u8, dwords: [u32; 4], data: [u64; 2]) {
        let mut entry = [0; 64];
        entry[..2].copy_from_slice(&[opcode, flags]);
        entry[4] = 1;
        entry[24..40].copy_from_slice(&data.map(u64::to_le_bytes).concat());
        entry[40..56].copy_from_slice(&dwords.map(u32::to_le_bytes).concat());
        let [submissions, completions] = [ADMIN, IO][queue];
        let tail = self.tails[queue];
        self.tails[queue] = (tail + 1) % ENTRIES;
        let map = self.guest.map();
        map.write_slice(&entry, GuestAddress(submissions + 64 * tail))
            .expect("memory");
        let status = GuestAddress(completions + 16 * tail + 14);
        let phase = |bytes: u16| bytes & 1;
        let before: u16 = map.read_obj(status).expect("memory");
        self.write(DOORBELLS + 8 * queue as u64, self.tails[queue] as u32);
        let end = Instant::now() + PATIENCE;
        let answered = || {
            map.read_obj::<u16>(status)
                .is_ok_and(|now| phase(now) != phase(before))
        };
        while !answered() && Instant::now() < end {
            thread::yield_now();
        }
        self.write(DOORBELLS + 8 * queue as u64 + 4, self.tails[queue] as u32);
    }

    fn write(&self, at: u64, value: u32) {
        self.device.write(at, &value.to_le_bytes());
    }

    fn write64(&self, at: u64, value: u64) {
        self.device.write(at, &value.to_le_bytes());
    }
}

/// An address, mostly one in memory; a length in its upper half stays.
fn place(value: u64) -> u64 {
    match value >> 62 {
        0 => value,
        _ => value & 0x7F00_0FFF_0003_FFFF,
    }
}
