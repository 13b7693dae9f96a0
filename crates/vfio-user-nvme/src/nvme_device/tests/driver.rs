//! A driver: it has memory, puts commands into queues, rings, and waits for completions.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use memory::{Guest, Scatter};
use nvme::{Attached, Controller, Limits, Namespace};
use serving::Client;
use vm_memory::{Bytes, GuestAddress, GuestMemoryMmap};
use zoned::testing::RamDisk;
use zoned::{Geometry, Identity, Kind};

use crate::device::Device;
use crate::nvme_device::NvmeDevice;
use crate::registers::DOORBELLS;

pub const PAGE: u64 = 4096;
const MEMORY: usize = 32 << 20;
const ZONE_BLOCKS: u64 = 4096;
const ADMIN_ENTRIES: u32 = 16;

pub const WRITE: u8 = 0x01;
pub const READ: u8 = 0x02;
pub const SEND: u8 = 0x79;

/// A submission queue entry: an opcode, a namespace, and command dwords from 10 on.
pub fn entry(opcode: u8, namespace: u8, dwords: &[u32]) -> [u8; 64] {
    let mut entry = [0; 64];
    entry[0] = opcode;
    entry[4] = namespace;
    for (at, dword) in (40..).step_by(4).zip(dwords) {
        entry[at..at + 4].copy_from_slice(&dword.to_le_bytes());
    }
    entry
}

/// One of blocks, of the only namespace.
pub fn blocks(opcode: u8, lba: u64, count: u32) -> [u8; 64] {
    entry(opcode, 1, &[lba as u32, (lba >> 32) as u32, count - 1])
}

#[derive(Debug)]
pub struct Ended {
    pub command: u16,
    pub status: u16,
    pub result: u64,
}

struct Queue {
    submission: u64,
    entries: u32,
    tail: u32,
    completion: u64,
    completion_entries: u32,
    head: u32,
    phase: bool,
}

pub struct Driver {
    pub device: NvmeDevice,
    pub client: Arc<Client>,
    pub disk: Arc<RamDisk<Scatter>>,
    memory: Arc<Guest>,
    next: u64,
    next_command: u16,
    queues: BTreeMap<u16, Queue>,
    /// Where doorbells in memory are, and what is asked of them.
    shadow: Option<(u64, u64)>,
    /// How often a doorbell of I/O queues was rung.
    pub rung: u32,
}

impl Driver {
    /// Of a controller that is not enabled.
    pub fn new() -> Driver {
        let disk = Arc::new(RamDisk::new(Geometry {
            kind: Kind::Zns,
            block_size: 512,
            blocks: 8 * ZONE_BLOCKS,
            zone_blocks: ZONE_BLOCKS,
            zone_capacity: None,
            conventional_zones: 0,
            max_open: None,
            max_active: None,
            unrestricted_reads: true,
            extension_bytes: 0,
        }));
        let namespace = Arc::new(Namespace::new(disk.clone()));
        let attached = Attached {
            unit: namespace.clone(),
            namespace,
            identity: Identity {
                vendor: "ZONEVM".into(),
                product: "ZNS".into(),
                revision: "1".into(),
                serial: "serial-1".into(),
                wwn: 3 << 60,
            },
        };
        let limits = Limits {
            queues: 2,
            vectors: 3,
        };
        let map = GuestMemoryMmap::from_ranges(&[(GuestAddress(0), MEMORY)]).unwrap();
        let memory = Arc::new(Guest::new(map, Vec::new()));
        let client = Arc::<Client>::default();
        let controller = Controller::new(vec![attached], limits);
        let device = NvmeDevice::new(controller, limits, Arc::clone(&client));
        device.set_memory(Arc::clone(&memory));
        Driver {
            device,
            client,
            disk,
            memory,
            next: PAGE,
            next_command: 0,
            queues: BTreeMap::new(),
            shadow: None,
            rung: 0,
        }
    }

    pub fn enabled() -> Driver {
        let mut driver = Driver::new();
        driver.enable();
        driver
    }

    /// Enables the controller, with a new admin queue.
    pub fn enable(&mut self) {
        self.queues.clear();
        self.shadow = None;
        let queue = self.new_queue(ADMIN_ENTRIES, ADMIN_ENTRIES);
        self.place_admin_queue(queue.submission, queue.completion);
        self.queues.insert(0, queue);
        self.configure(1 | 0b110 << 4);
        self.await_status(1);
    }

    pub fn place_admin_queue(&self, submission: u64, completion: u64) {
        let entries = ADMIN_ENTRIES - 1;
        self.device
            .write(0x24, &(entries << 16 | entries).to_le_bytes());
        self.device.write(0x28, &submission.to_le_bytes());
        self.device.write(0x30, &completion.to_le_bytes());
    }

    pub fn configure(&self, value: u32) {
        self.device.write(0x14, &value.to_le_bytes());
    }

    pub fn register(&self, offset: u64) -> u32 {
        let mut bytes = [0; 4];
        self.device.read(offset, &mut bytes);
        u32::from_le_bytes(bytes)
    }

    pub fn register64(&self, offset: u64) -> u64 {
        let mut bytes = [0; 8];
        self.device.read(offset, &mut bytes);
        u64::from_le_bytes(bytes)
    }

    pub fn await_status(&self, status: u32) {
        patiently(|| (self.register(0x1C) == status).then_some(()));
    }

    /// Memory that nothing else uses, from a page on.
    pub fn allocate(&mut self, len: u64) -> u64 {
        let at = self.next;
        self.next = (at + len).next_multiple_of(PAGE);
        assert!(self.next <= MEMORY as u64);
        at
    }

    pub fn fill(&self, at: u64, bytes: &[u8]) {
        let map = self.memory.map();
        map.write_slice(bytes, GuestAddress(at)).unwrap();
    }

    pub fn bytes(&self, at: u64, len: usize) -> Vec<u8> {
        let mut bytes = vec![0; len];
        let map = self.memory.map();
        map.read_slice(&mut bytes, GuestAddress(at)).unwrap();
        bytes
    }

    fn dword(&self, at: u64) -> u32 {
        let bytes = self.bytes(at, 4);
        u32::from_le_bytes([bytes[0], bytes[1], bytes[2], bytes[3]])
    }

    /// An entry whose data are at `at`: by PRPs, in lists of a page where there are more than two.
    pub fn with_pages(&mut self, mut entry: [u8; 64], at: u64, len: u64) -> [u8; 64] {
        let first_len = (PAGE - at % PAGE).min(len);
        let rest: Vec<u64> = (at + first_len..at + len).step_by(PAGE as usize).collect();
        let second = match rest[..] {
            [] => 0,
            [only] => only,
            // The list begins near the end of its page, so that it goes on in another.
            _ => {
                let list = self.allocate(2 * PAGE);
                let start = list + PAGE - 24;
                let (here, there) = match rest.len() {
                    0..=3 => (&rest[..], &[][..]),
                    _ => rest.split_at(2),
                };
                let mut bytes: Vec<u8> = here.iter().flat_map(|page| page.to_le_bytes()).collect();
                if !there.is_empty() {
                    bytes.extend((list + PAGE).to_le_bytes());
                    bytes.extend(there.iter().flat_map(|page| page.to_le_bytes()));
                }
                self.fill(start, &bytes);
                start
            }
        };
        entry[24..32].copy_from_slice(&at.to_le_bytes());
        entry[32..40].copy_from_slice(&second.to_le_bytes());
        entry
    }

    fn new_queue(&mut self, entries: u32, completion_entries: u32) -> Queue {
        let submission = self.allocate(u64::from(entries) * 64);
        let completion = self.allocate(u64::from(completion_entries) * 16);
        self.fill(completion, &vec![0; completion_entries as usize * 16]);
        Queue {
            submission,
            entries,
            tail: 0,
            completion,
            completion_entries,
            head: 0,
            phase: true,
        }
    }

    /// Creates a queue pair; its vector is its number.
    pub fn create_queues(&mut self, id: u16, entries: u32, completion_entries: u32) {
        let queue = self.new_queue(entries, completion_entries);
        let id_and = |entries: u32| u32::from(id) | (entries - 1) << 16;
        let with = |mut entry: [u8; 64], at: u64| {
            entry[24..32].copy_from_slice(&at.to_le_bytes());
            entry
        };
        let both = u32::from(id) << 16;
        let completion = entry(0x05, 0, &[id_and(completion_entries), both | 0b11]);
        assert_eq!(self.run(0, with(completion, queue.completion)), (0, 0));
        let submission = entry(0x01, 0, &[id_and(entries), both | 0b01]);
        assert_eq!(self.run(0, with(submission, queue.submission)), (0, 0));
        self.queues.insert(id, queue);
    }

    pub fn use_shadow_doorbells(&mut self) {
        let (values, events) = (self.allocate(PAGE), self.allocate(PAGE));
        for queue in 1..=2 {
            let Some(queue_state) = self.queues.get(&queue) else {
                continue;
            };
            for (number, value) in [
                (2 * queue, queue_state.tail),
                (2 * queue + 1, queue_state.head),
            ] {
                let at = 4 * u64::from(number);
                self.fill(values + at, &value.to_le_bytes());
                self.fill(events + at, &value.to_le_bytes());
            }
        }
        let mut config = entry(0x7C, 0, &[]);
        config[24..32].copy_from_slice(&values.to_le_bytes());
        config[32..40].copy_from_slice(&events.to_le_bytes());
        assert_eq!(self.run(0, config), (0, 0));
        self.shadow = Some((values, events));
    }

    /// Puts a command into a queue; its identifier.
    pub fn put(&mut self, queue: u16, mut entry: [u8; 64]) -> u16 {
        let command = self.next_command;
        self.next_command += 1;
        entry[2..4].copy_from_slice(&command.to_le_bytes());
        let state = self.queues.get_mut(&queue).unwrap();
        let at = state.submission + 64 * u64::from(state.tail);
        state.tail = (state.tail + 1) % state.entries;
        self.fill(at, &entry);
        command
    }

    /// Tells the device of what was put.
    pub fn ring(&mut self, queue: u16) {
        let tail = self.queues[&queue].tail;
        self.tell(2 * queue, tail);
    }

    /// Rings a queue's tail doorbell.
    pub fn ring_value(&mut self, queue: u16, value: u32) {
        self.tell(2 * queue, value);
    }

    /// A doorbell, as Linux does it: in memory, and if it passes what was asked for, by the register.
    fn tell(&mut self, number: u16, value: u32) {
        let at = 4 * u64::from(number);
        if let Some((values, events)) = self.shadow.filter(|_| number >= 2) {
            let old = self.dword(values + at);
            self.fill(values + at, &value.to_le_bytes());
            std::sync::atomic::fence(std::sync::atomic::Ordering::SeqCst);
            let event = self.dword(events + at);
            let [new, old, event] = [value, old, event].map(|value| value as u16);
            if new.wrapping_sub(event).wrapping_sub(1) >= new.wrapping_sub(old) {
                return;
            }
        }
        self.rung += u32::from(number >= 2);
        self.device.write(DOORBELLS + at, &value.to_le_bytes());
    }

    pub fn await_completion(&mut self, queue: u16) -> Ended {
        let state = &self.queues[&queue];
        let (at, phase) = (state.completion + 16 * u64::from(state.head), state.phase);
        let last = patiently(|| {
            let last = self.dword(at + 12);
            (last >> 16 & 1 == u32::from(phase)).then_some(last)
        });
        let result = self
            .bytes(at, 8)
            .try_into()
            .map(u64::from_le_bytes)
            .unwrap();
        let state = self.queues.get_mut(&queue).unwrap();
        state.head = (state.head + 1) % state.completion_entries;
        state.phase ^= state.head == 0;
        let head = state.head;
        self.tell(2 * queue + 1, head);
        Ended {
            command: last as u16,
            status: (last >> 17) as u16,
            result,
        }
    }

    /// Runs one command: status without DNR, and result.
    pub fn run(&mut self, queue: u16, entry: [u8; 64]) -> (u16, u64) {
        let command = self.put(queue, entry);
        self.ring(queue);
        let ended = self.await_completion(queue);
        assert_eq!(ended.command, command);
        (ended.status & 0x7FF, ended.result)
    }
}

/// Waits for something that comes soon, on whatever machine.
fn patiently<T>(mut look: impl FnMut() -> Option<T>) -> T {
    let begun = Instant::now();
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(begun.elapsed() < Duration::from_secs(120), "it never comes");
        std::thread::sleep(Duration::from_micros(100));
    }
}
