//! A client: it sends messages with descriptors, and waits for replies.

use std::fs::File;
use std::io::{IoSlice, Read};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::fs::FileExt;
use std::os::unix::net::UnixStream;
use std::sync::{Arc, Mutex};
use std::thread::{self, JoinHandle};

use memory::Scatter;
use nvme::{Attached, Controller, Limits, Namespace};
use rustix::event::{eventfd, poll, EventfdFlags, PollFd, PollFlags};
use rustix::fs::{ftruncate, memfd_create, MemfdFlags};
use rustix::net::{sendmsg, SendAncillaryBuffer, SendAncillaryMessage, SendFlags};
use vfio_user_nvme::{serve, Device, NvmeDevice};
use zoned::testing::RamDisk;
use zoned::{Geometry, Identity, Kind};

pub const NO_REPLY: u32 = 1 << 4;

pub const NO_ENTRY: i32 = libc_number(rustix::io::Errno::NOENT);
pub const EXISTS: i32 = libc_number(rustix::io::Errno::EXIST);
pub const INVALID: i32 = libc_number(rustix::io::Errno::INVAL);
pub const PROTOCOL: i32 = libc_number(rustix::io::Errno::PROTO);
pub const NOT_SUPPORTED: i32 = libc_number(rustix::io::Errno::NOTSUP);

const fn libc_number(error: rustix::io::Errno) -> i32 {
    error.raw_os_error()
}

pub fn dwords(values: &[u32]) -> Vec<u8> {
    values
        .iter()
        .flat_map(|value| value.to_le_bytes())
        .collect()
}

pub fn longs(values: &[u64]) -> Vec<u8> {
    values
        .iter()
        .flat_map(|value| value.to_le_bytes())
        .collect()
}

/// The body of a write of a region.
pub fn region_body(region: u32, offset: u64, data: &[u8]) -> Vec<u8> {
    let mut body = offset.to_le_bytes().to_vec();
    body.extend(dwords(&[region, data.len() as u32]));
    body.extend(data);
    body
}

pub fn shared_memory(bytes: u64) -> File {
    let file = memfd_create("client", MemfdFlags::CLOEXEC).unwrap();
    ftruncate(&file, bytes).unwrap();
    File::from(file)
}

pub fn event() -> File {
    File::from(eventfd(0, EventfdFlags::NONBLOCK | EventfdFlags::CLOEXEC).unwrap())
}

pub fn wait_for(event: &File) {
    let mut fds = [PollFd::new(event, PollFlags::IN)];
    assert_eq!(poll(&mut fds, None), Ok(1));
}

/// The client's memory.
pub struct Memory(File);

impl Memory {
    pub fn put(&self, at: u64, bytes: &[u8]) {
        self.0.write_all_at(bytes, at).unwrap();
    }

    pub fn get(&self, at: u64, len: usize) -> Vec<u8> {
        let mut bytes = vec![0; len];
        self.0.read_exact_at(&mut bytes, at).unwrap();
        bytes
    }
}

pub struct Client {
    pub stream: UnixStream,
    device: Arc<NvmeDevice>,
    /// What it says went wrong.
    pub told: Arc<serving::Client>,
    /// Written to, it ends the server.
    pub stop: UnixStream,
    serving: Mutex<Option<JoinHandle<Result<(), String>>>>,
}

impl Client {
    /// One that has said nothing yet.
    pub fn connect() -> Client {
        let disk = Arc::new(RamDisk::<Scatter>::new(Geometry {
            kind: Kind::Zns,
            block_size: 512,
            blocks: 1 << 12,
            zone_blocks: 1 << 10,
            zone_capacity: None,
            conventional_zones: 0,
            max_open: None,
            max_active: None,
            unrestricted_reads: true,
            extension_bytes: 0,
        }));
        let namespace = Arc::new(Namespace::new(disk));
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
        let told = Arc::<serving::Client>::default();
        let device = Arc::new(NvmeDevice::new(
            Controller::new(vec![attached], limits),
            limits,
            Arc::clone(&told),
        ));
        let (stream, server) = UnixStream::pair().unwrap();
        let (stop, stopped) = UnixStream::pair().unwrap();
        let served: Arc<dyn Device> = device.clone();
        let serving = thread::spawn(move || serve(&server, &served, stopped.as_fd()));
        Client {
            stream,
            device,
            told,
            stop,
            serving: Mutex::new(Some(serving)),
        }
    }

    /// One that has agreed on a version.
    pub fn open() -> Client {
        let client = Client::connect();
        client.ask(1, &[0, 0, 1, 0], &[]).unwrap();
        client
    }

    pub fn send(&self, command: u16, flags: u32, body: &[u8], files: &[&File]) {
        let mut message = 7u16.to_le_bytes().to_vec();
        message.extend(command.to_le_bytes());
        message.extend(dwords(&[16 + body.len() as u32, flags, 0]));
        message.extend(body);
        let fds: Vec<BorrowedFd<'_>> = files.iter().map(|file| file.as_fd()).collect();
        let mut space = vec![MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(32))];
        let mut control = SendAncillaryBuffer::new(&mut space);
        if !fds.is_empty() {
            assert!(control.push(SendAncillaryMessage::ScmRights(&fds)));
        }
        let pieces = [IoSlice::new(&message)];
        let sent = sendmsg(&self.stream, &pieces, &mut control, SendFlags::empty());
        assert_eq!(sent, Ok(message.len()));
    }

    /// The body of the reply, or the error that it is.
    pub fn ask(&self, command: u16, body: &[u8], files: &[&File]) -> Result<Vec<u8>, i32> {
        self.send(command, 0, body, files);
        let mut header = [0; 16];
        (&self.stream).read_exact(&mut header).unwrap();
        let dword = |at: usize| u32::from_le_bytes(header[at..at + 4].try_into().unwrap());
        assert_eq!(header[..2], 7u16.to_le_bytes());
        assert_eq!(header[2..4], command.to_le_bytes());
        let mut reply = vec![0; dword(4) as usize - 16];
        (&self.stream).read_exact(&mut reply).unwrap();
        match dword(8) {
            1 => Ok(reply),
            0x21 => Err(dword(12) as i32),
            flags => panic!("flags {flags:#x}"),
        }
    }

    pub fn read(&self, region: u32, offset: u64, count: u32) -> Result<Vec<u8>, i32> {
        let body = [longs(&[offset]), dwords(&[region, count])].concat();
        let reply = self.ask(9, &body, &[])?;
        assert_eq!(reply[..16], body);
        Ok(reply[16..].to_vec())
    }

    pub fn write(&self, region: u32, offset: u64, data: &[u8]) -> Result<(), i32> {
        self.ask(10, &region_body(region, offset, data), &[])
            .map(drop)
    }

    /// Maps new memory.
    pub fn map(&self, address: u64, size: u64) -> Memory {
        let file = shared_memory(size);
        let body = [dwords(&[32, 3]), longs(&[0, address, size])].concat();
        self.ask(2, &body, &[&file]).unwrap();
        Memory(file)
    }

    /// What is signalled for a vector.
    pub fn interrupt(&self, vector: u32) -> File {
        let event = event();
        self.ask(8, &dwords(&[20, 0x24, 2, vector, 1]), &[&event])
            .unwrap();
        event
    }

    /// Enables the controller, with an admin queue of 16 entries.
    pub fn enable(&mut self, submission: u64, completion: u64) {
        self.write(0, 0x24, &dwords(&[15 << 16 | 15])).unwrap();
        self.write(0, 0x28, &longs(&[submission])).unwrap();
        self.write(0, 0x30, &longs(&[completion])).unwrap();
        self.write(0, 0x14, &dwords(&[1])).unwrap();
        while self.read(0, 0x1C, 4).unwrap() != [1, 0, 0, 0] {}
    }

    /// Leaves; how the session ended.
    pub fn ends(self, how: Result<(), String>) {
        self.stream.shutdown(std::net::Shutdown::Write).unwrap();
        self.ended(how);
    }

    /// How the session ended.
    pub fn ended(&self, how: Result<(), String>) {
        let serving = self.serving.lock().unwrap().take().unwrap();
        assert_eq!(serving.join().unwrap(), how);
        let mut bytes = [0; 4];
        self.device.read(0x1C, &mut bytes);
        assert_eq!(bytes, [0; 4]);
    }
}
