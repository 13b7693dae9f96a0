//! A vhost-user front end and virtio-scsi driver in one: it drives a server as QEMU and a guest's kernel do, and
//! in ways that they never would. Also used by the benchmark.
#![allow(dead_code, missing_docs)]

use std::fs::File;
use std::os::fd::AsRawFd;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};

use rustix::fs::{memfd_create, MemfdFlags};
use vhost::vhost_user::message::VhostUserProtocolFeatures;
use vhost::vhost_user::{Frontend, VhostUserFrontend};
use vhost::{VhostBackend, VhostUserMemoryRegionInfo, VringConfigData};
use vm_memory::{Bytes, FileOffset, GuestAddress, GuestMemoryMmap, GuestRegionMmap, MmapRegion};

pub mod ring;

use ring::{Descriptor, Ring, WRITE};

pub const EVENT_IDX: u64 = 1 << 29;
pub const FEATURES: u64 = 1 << 32 | 1 << 30 | EVENT_IDX | 1 << 28;

/// Where guest memory starts, in the guest and in the front end.
pub const GUEST_BASE: u64 = 0x4000_0000;
pub const USER_BASE: u64 = 0x7000_0000_0000;
/// Each ring has this much room, its indirect tables included.
const RING_ROOM: u64 = 0x20000;
const MAX_RINGS: u64 = 16;
/// Buffers start here.
pub const BUFFERS: u64 = GUEST_BASE + RING_ROOM * MAX_RINGS;
/// Each command has this much room for header, answer and data.
pub const SLOT: u64 = 0x40000;
pub const ANSWER_AT: u64 = 0x100;
const DATA_AT: u64 = 0x1000;

pub const LUN0: [u8; 8] = [1, 0, 0x40, 0, 0, 0, 0, 0];

pub fn lun(number: u8) -> [u8; 8] {
    [1, 0, 0x40, number, 0, 0, 0, 0]
}

#[derive(Clone, Copy)]
pub enum Data {
    None,
    Out(u32),
    In(u32),
}

/// The answer to a command.
#[derive(Debug, PartialEq, Eq)]
pub struct Answer {
    pub used: u32,
    pub response: u8,
    pub status: u8,
    pub residual: u32,
    pub sense: Vec<u8>,
}

impl Answer {
    /// Sense key, additional code and qualifier of fixed format sense data.
    pub fn code(&self) -> (u8, u8, u8) {
        (self.sense[2] & 0xf, self.sense[12], self.sense[13])
    }
}

pub struct Guest {
    pub frontend: Frontend,
    pub memory: GuestMemoryMmap,
    file: File,
    pub rings: Vec<Ring>,
}

impl Guest {
    /// Connects and starts all rings.
    pub fn start(socket: &Path, request_queues: usize, size: u16) -> Guest {
        let mut guest = Guest::connect(socket, request_queues, size, FEATURES);
        for ring in 0..guest.rings.len() {
            guest.start_ring(ring);
        }
        guest
    }

    /// Connects, negotiates and shares memory, and starts no ring.
    pub fn connect(socket: &Path, request_queues: usize, size: u16, features: u64) -> Guest {
        let rings = request_queues + 2;
        let mut guest = Guest::of_any(socket, rings, size, features);
        assert_eq!(guest.frontend.get_queue_num().unwrap(), rings as u64);
        guest
    }

    /// The same with a server of any kind of device.
    pub fn of_any(socket: &Path, rings: usize, size: u16, features: u64) -> Guest {
        let mut frontend = Frontend::connect(socket, rings as u64).unwrap();
        frontend.set_owner().unwrap();
        let offered = frontend.get_features().unwrap();
        assert_eq!(offered & features, features);
        let protocol = frontend.get_protocol_features().unwrap();
        frontend
            .set_protocol_features(protocol & !VhostUserProtocolFeatures::REPLY_ACK)
            .unwrap();
        frontend.set_features(features).unwrap();
        let bytes = BUFFERS - GUEST_BASE + u64::from(size) * SLOT;
        let file = File::from(memfd_create("guest", MemfdFlags::CLOEXEC).unwrap());
        file.set_len(bytes).unwrap();
        let map = MmapRegion::from_file(
            FileOffset::new(file.try_clone().unwrap(), 0),
            bytes as usize,
        );
        let region = GuestRegionMmap::new(map.unwrap(), GuestAddress(GUEST_BASE)).unwrap();
        let guest = Guest {
            frontend,
            memory: GuestMemoryMmap::from_regions(vec![region]).unwrap(),
            file,
            rings: (0..rings)
                .map(|index| Ring::new(index, size, features & EVENT_IDX != 0))
                .collect(),
        };
        guest.share_memory(bytes);
        guest
    }

    /// Sends a memory table of one region, the first `bytes` of guest memory.
    pub fn share_memory(&self, bytes: u64) {
        self.frontend
            .set_mem_table(&[self.region(0, bytes)])
            .unwrap();
    }

    pub fn region(&self, offset: u64, bytes: u64) -> VhostUserMemoryRegionInfo {
        VhostUserMemoryRegionInfo {
            guest_phys_addr: GUEST_BASE + offset,
            memory_size: bytes,
            userspace_addr: USER_BASE + offset,
            mmap_offset: offset,
            mmap_handle: self.file.as_raw_fd(),
        }
    }

    /// Cuts the memory's file. Who touches [`Guest::memory`] afterwards is killed.
    pub fn cut_memory(&self, bytes: u64) {
        self.file.set_len(bytes).unwrap();
    }

    pub fn memory_len(&self) -> u64 {
        self.file.metadata().unwrap().len()
    }

    /// Waits until the server has handled all messages sent so far.
    pub fn sync(&self) {
        self.frontend.get_features().unwrap();
    }

    pub fn start_ring(&mut self, index: usize) {
        self.set_up_ring(index);
        self.set_call(index);
        self.frontend.set_vring_enable(index, true).unwrap();
    }

    pub fn set_up_ring(&mut self, index: usize) {
        let ring = &self.rings[index];
        let user = |address: u64| address - GUEST_BASE + USER_BASE;
        let frontend = &self.frontend;
        frontend.set_vring_num(index, ring.size).unwrap();
        let base = ring.stopped_at.unwrap_or(ring.next_used);
        frontend.set_vring_base(index, base).unwrap();
        let addresses = VringConfigData {
            queue_max_size: ring.size,
            queue_size: ring.size,
            flags: 0,
            desc_table_addr: user(ring.descriptors()),
            used_ring_addr: user(ring.used()),
            avail_ring_addr: user(ring.available()),
            log_addr: None,
        };
        frontend.set_vring_addr(index, &addresses).unwrap();
        frontend.set_vring_kick(index, &ring.kick).unwrap();
    }

    pub fn set_call(&self, index: usize) {
        let call = &self.rings[index].call;
        self.frontend.set_vring_call(index, call).unwrap();
    }

    /// Stops a ring as QEMU does; returns its position.
    pub fn stop_ring(&mut self, index: usize) -> u16 {
        let position = self.frontend.get_vring_base(index).unwrap() as u16;
        self.rings[index].stopped_at = Some(position);
        position
    }

    /// What a guest does when it boots: all rings are stopped, and start anew.
    pub fn reboot(&mut self) {
        for index in 0..self.rings.len() {
            self.stop_ring(index);
        }
        for index in 0..self.rings.len() {
            let (size, event_idx) = (self.rings[index].size, self.rings[index].event_idx);
            self.rings[index] = Ring::new(index, size, event_idx);
            let ring = &self.rings[index];
            self.memory
                .write_slice(&vec![0; RING_ROOM as usize], GuestAddress(ring.base))
                .unwrap();
        }
        for index in 0..self.rings.len() {
            self.start_ring(index);
        }
    }

    /// Address of a slot's data.
    pub fn data(slot: u16) -> u64 {
        BUFFERS + u64::from(slot) * SLOT + DATA_AT
    }

    pub fn write(&self, at: u64, bytes: &[u8]) {
        self.memory.write_slice(bytes, GuestAddress(at)).unwrap();
    }

    pub fn read(&self, at: u64, len: usize) -> Vec<u8> {
        let mut bytes = vec![0; len];
        self.memory
            .read_slice(&mut bytes, GuestAddress(at))
            .unwrap();
        bytes
    }

    /// Writes a command's header, and returns its buffers in a chain's order.
    pub fn prepare(&self, slot: u16, lun: [u8; 8], cdb: &[u8], data: Data) -> Vec<Descriptor> {
        let base = BUFFERS + u64::from(slot) * SLOT;
        let mut header = [0; 51];
        header[..8].copy_from_slice(&lun);
        header[8..10].copy_from_slice(&slot.to_le_bytes());
        header[19..19 + cdb.len()].copy_from_slice(cdb);
        self.write(base, &header);
        self.write(base + ANSWER_AT, &[0xee; 108]);
        let mut chain = vec![(base, 51, 0, 0)];
        if let Data::Out(len) = data {
            chain.push((base + DATA_AT, len, 0, 0));
        }
        chain.push((base + ANSWER_AT, 108, WRITE, 0));
        if let Data::In(len) = data {
            chain.push((base + DATA_AT, len, WRITE, 0));
        }
        chain
    }

    /// Makes a command available in `slot`, and tells the device if it wants to be told.
    pub fn submit(&mut self, ring: usize, slot: u16, lun: [u8; 8], cdb: &[u8], data: Data) {
        let chain = self.prepare(slot, lun, cdb, data);
        self.rings[ring].put_indirect(&self.memory, slot, &chain);
        self.rings[ring].offer(&self.memory, slot);
        self.rings[ring].publish(&self.memory);
    }

    /// Runs one command to its end.
    pub fn run(&mut self, ring: usize, lun: [u8; 8], cdb: &[u8], data: Data) -> Answer {
        self.submit(ring, 0, lun, cdb, data);
        let used = self.rings[ring].wait(&self.memory, 1);
        self.answer(used[0])
    }

    /// The answer in a used element of a command.
    pub fn answer(&self, (slot, used): (u16, u32)) -> Answer {
        let bytes = self.read(BUFFERS + u64::from(slot) * SLOT + ANSWER_AT, 108);
        let word = |at: usize| u32::from_le_bytes(bytes[at..at + 4].try_into().unwrap());
        let sense = (word(0) as usize).min(96);
        Answer {
            used,
            response: bytes[11],
            status: bytes[10],
            residual: word(4),
            sense: bytes[12..12 + sense].to_vec(),
        }
    }

    /// Changes the LBA in the header of a prepared command with a 16-byte CDB.
    pub fn set_block(&self, slot: u16, block: u64) {
        let at = BUFFERS + u64::from(slot) * SLOT + 19 + 2;
        self.write(at, &block.to_be_bytes());
    }

    /// Status and response of a command that is done.
    pub fn code(&self, slot: u16) -> [u8; 2] {
        let at = BUFFERS + u64::from(slot) * SLOT + ANSWER_AT + 10;
        let code = self.memory.read_obj(GuestAddress(at));
        code.unwrap()
    }

    /// Sends a request on the control queue without waiting.
    pub fn submit_control(&mut self, slot: u16, request: &[u8], answer: u32) {
        let base = BUFFERS + u64::from(slot) * SLOT;
        self.write(base, request);
        self.write(base + ANSWER_AT, &[0xee; 16]);
        let chain = [
            (base, request.len() as u32, 0, 0),
            (base + ANSWER_AT, answer, WRITE, 0),
        ];
        self.rings[0].put_indirect(&self.memory, slot, &chain);
        self.rings[0].offer(&self.memory, slot);
        self.rings[0].publish(&self.memory);
    }

    /// Takes the next answer from the control queue.
    pub fn control_answer(&mut self) -> Vec<u8> {
        let (slot, used) = self.rings[0].wait(&self.memory, 1)[0];
        self.read(BUFFERS + u64::from(slot) * SLOT + ANSWER_AT, used as usize)
    }

    pub fn control(&mut self, request: &[u8], answer: u32) -> Vec<u8> {
        let slot = self.rings[0].size - 1;
        self.submit_control(slot, request, answer);
        self.control_answer()
    }
}

/// A task management request.
pub fn task(function: u32, lun: [u8; 8], tag: u64) -> [u8; 24] {
    let mut bytes = [0; 24];
    bytes[4..8].copy_from_slice(&function.to_le_bytes());
    bytes[8..16].copy_from_slice(&lun);
    bytes[16..].copy_from_slice(&tag.to_le_bytes());
    bytes
}

/// A socket path of its own, in a directory that goes with it.
pub struct Dir(PathBuf);

impl Dir {
    pub fn new() -> Dir {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let number = COUNT.fetch_add(1, Ordering::Relaxed);
        let name = format!("zonevm-vhost-{}-{number}", std::process::id());
        let path = std::env::temp_dir().join(name);
        std::fs::create_dir(&path).unwrap();
        Dir(path)
    }

    pub fn path(&self) -> &Path {
        &self.0
    }

    pub fn socket(&self) -> PathBuf {
        self.0.join("s")
    }
}

impl Drop for Dir {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}
