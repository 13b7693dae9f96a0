//! A session with one client: what it asks for, from the first message until it leaves, errs, or is to end.
//!
//! The thread that serves it waits for nothing but the next message.

use std::collections::VecDeque;
use std::fs::File;
use std::io::{self, IoSliceMut};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::time::Duration;

use rustix::event::{poll, PollFd, PollFlags};
use rustix::io::Errno;
use rustix::net::{recvmsg, RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags};

use serving::is_event;

use crate::device::Device;
use crate::dma::{Memory, MOST_REGIONS};
use crate::pci::{self, Configuration, CONFIGURATION};
use crate::wire::{Header, Request, HEADER, MOST_DATA, MOST_DESCRIPTORS};

/// Regions and interrupts of a PCI device, by their indexes (linux/vfio.h).
const BAR_0: u32 = 0;
const CONFIGURATION_SPACE: u32 = 7;
const REGIONS: u32 = 9;
const MSI_X: u32 = 2;
const INTERRUPTS: u32 = 5;

/// How long a client may take to take a reply.
const PATIENCE: Duration = Duration::from_secs(5);

/// Serves a client until it leaves, errs, or `stop` can be read. The device is reset before and after.
///
/// # Errors
/// Why the connection broke.
pub fn serve(
    stream: &UnixStream,
    device: &Arc<dyn Device>,
    stop: BorrowedFd<'_>,
) -> Result<(), String> {
    // A client that takes no replies ends its own session only.
    let patience = stream.set_write_timeout(Some(PATIENCE));
    patience.map_err(|error| error.to_string())?;
    device.reset();
    let mut session = Session {
        device: Arc::clone(device),
        memory: Memory::default(),
        configuration: Configuration::new(&**device),
        is_open: false,
    };
    let mut input = Input {
        stream,
        stop,
        files: VecDeque::new(),
    };
    let ended = session.serve(&mut input);
    for vector in 0..device.vectors() {
        device.set_interrupt(vector, None);
    }
    device.reset();
    device.set_memory(Arc::default());
    ended
}

/// What a client has made of the device.
struct Session {
    device: Arc<dyn Device>,
    memory: Memory,
    configuration: Configuration,
    /// A version was agreed on.
    is_open: bool,
}

impl Session {
    fn serve(&mut self, input: &mut Input<'_>) -> Result<(), String> {
        loop {
            let mut bytes = [0; HEADER];
            if !input.fill(&mut bytes).map_err(|error| error.to_string())? {
                return Ok(());
            }
            let header = Header::parse(&bytes);
            let header = header.ok_or("a message that is no command, or too long")?;
            let mut body = vec![0; header.size - HEADER];
            if !input.fill(&mut body).map_err(|error| error.to_string())? {
                return Ok(());
            }
            let files: Vec<File> = input.files.drain(..).collect();
            let result = Request::parse(header.command, &body)
                .and_then(|request| self.carry_out(request, files));
            if !header.wants_reply {
                continue;
            }
            let reply = header.reply(result);
            if let Err(error) = io::Write::write_all(&mut { input.stream }, &reply) {
                return match error.kind() {
                    io::ErrorKind::BrokenPipe | io::ErrorKind::ConnectionReset => Ok(()),
                    _ => Err(error.to_string()),
                };
            }
        }
    }

    /// Does what is asked for; the body of the reply.
    fn carry_out(&mut self, request: Request, files: Vec<File>) -> Result<Vec<u8>, Errno> {
        match request {
            Request::Version { major, minor } => self.agree(major, minor),
            // Nothing is done for who did not say what it speaks.
            _ if !self.is_open => Err(Errno::PROTO),
            Request::MapMemory {
                region,
                offset,
                writeable,
            } => {
                let file = files.into_iter().next();
                self.memory.map(region, file, offset, writeable)?;
                self.device.set_memory(Arc::clone(self.memory.guest()));
                Ok(Vec::new())
            }
            Request::UnmapMemory { region, all } => {
                match all {
                    true => self.memory.clear(),
                    false => self.memory.unmap(region)?,
                }
                self.device.set_memory(Arc::clone(self.memory.guest()));
                let mut reply = 24u32.to_le_bytes().to_vec();
                reply.extend([0; 4]);
                reply.extend(region.address.to_le_bytes());
                reply.extend(region.size.to_le_bytes());
                Ok(reply)
            }
            Request::DeviceInfo => {
                const CAN_RESET: u32 = 1 << 0;
                const PCI: u32 = 1 << 1;
                Ok(dwords(&[16, CAN_RESET | PCI, REGIONS, INTERRUPTS]))
            }
            Request::RegionInfo { index } => self.region_info(index),
            Request::InterruptInfo { index } => match index {
                MSI_X => {
                    const EVENT: u32 = 1 << 0;
                    const NO_RESIZE: u32 = 1 << 3;
                    let count = self.device.vectors().into();
                    Ok(dwords(&[16, EVENT | NO_RESIZE, index, count]))
                }
                _ if index < INTERRUPTS => Ok(dwords(&[16, 0, index, 0])),
                _ => Err(Errno::INVAL),
            },
            Request::SetInterrupts {
                flags,
                index,
                start,
                count,
            } => self.set_interrupts(flags, index, start, count, files),
            Request::Read {
                offset,
                region,
                count,
            } => {
                self.check(region, offset, count)?;
                let mut reply = offset.to_le_bytes().to_vec();
                reply.extend(dwords(&[region, count as u32]));
                reply.resize(16 + count, 0);
                match region {
                    BAR_0 => self.read(offset, &mut reply[16..]),
                    _ => self.configuration.read(offset, &mut reply[16..]),
                }
                Ok(reply)
            }
            Request::Write {
                offset,
                region,
                data,
            } => {
                self.check(region, offset, data.len())?;
                match region {
                    BAR_0 => self.write(offset, &data),
                    _ => {
                        if self.configuration.write(offset, &data) == pci::Asked::Reset {
                            self.device.reset();
                        }
                    }
                }
                let mut reply = offset.to_le_bytes().to_vec();
                reply.extend(dwords(&[region, data.len() as u32]));
                Ok(reply)
            }
            Request::Reset => {
                self.device.reset();
                self.configuration = Configuration::new(&*self.device);
                Ok(Vec::new())
            }
        }
    }

    /// Agrees on version 0.0 or 0.1: no later one is known.
    fn agree(&mut self, major: u16, minor: u16) -> Result<Vec<u8>, Errno> {
        if self.is_open || major != 0 {
            return Err(Errno::PROTO);
        }
        self.is_open = true;
        let mut reply = major.to_le_bytes().to_vec();
        reply.extend(minor.min(1).to_le_bytes());
        let capabilities = format!(
            "{{\"capabilities\":{{\"max_msg_fds\":{MOST_DESCRIPTORS},\
             \"max_data_xfer_size\":{MOST_DATA},\"max_dma_maps\":{MOST_REGIONS}}}}}\0"
        );
        reply.extend(capabilities.into_bytes());
        Ok(reply)
    }

    fn region_info(&self, index: u32) -> Result<Vec<u8>, Errno> {
        const READ_AND_WRITE: u32 = 0b11;
        let size = match index {
            BAR_0 => pci::bar_bytes(&*self.device),
            CONFIGURATION_SPACE => CONFIGURATION,
            _ if index < REGIONS => 0,
            _ => return Err(Errno::INVAL),
        };
        let flags = if size > 0 { READ_AND_WRITE } else { 0 };
        let mut reply = dwords(&[32, flags, index, 0]);
        reply.extend(size.to_le_bytes());
        reply.extend(0u64.to_le_bytes());
        Ok(reply)
    }

    /// Refuses what is not inside a region.
    fn check(&self, region: u32, offset: u64, count: usize) -> Result<(), Errno> {
        let size = match region {
            BAR_0 => pci::bar_bytes(&*self.device),
            CONFIGURATION_SPACE => CONFIGURATION,
            _ => return Err(Errno::INVAL),
        };
        let end = offset.checked_add(count as u64);
        end.filter(|&end| end <= size).map(drop).ok_or(Errno::INVAL)
    }

    /// The MSI-X table is the client's business, which has one of its own; nothing is ever pending.
    fn read(&self, offset: u64, into: &mut [u8]) {
        if offset < self.device.bytes() {
            self.device.read(offset, into);
        }
    }

    fn write(&self, offset: u64, from: &[u8]) {
        if offset < self.device.bytes() {
            self.device.write(offset, from);
        }
    }

    /// Which event each vector signals. Masks are the client's business.
    fn set_interrupts(
        &self,
        flags: u32,
        index: u32,
        start: u32,
        count: u32,
        files: Vec<File>,
    ) -> Result<Vec<u8>, Errno> {
        const NO_DATA: u32 = 1 << 0;
        const EVENTS: u32 = 1 << 2;
        const TRIGGER: u32 = 1 << 5;
        let vectors = u32::from(self.device.vectors());
        let end = start.checked_add(count).filter(|&end| end <= vectors);
        let end = end.filter(|_| index == MSI_X).ok_or(Errno::INVAL)?;
        let (first, last) = match flags {
            flags if flags == NO_DATA | TRIGGER && count == 0 => (0, vectors),
            flags if flags == EVENTS | TRIGGER => (start, end),
            _ => return Err(Errno::NOTSUP),
        };
        if !files.is_empty() && files.len() != count as usize {
            return Err(Errno::INVAL);
        }
        if !files.iter().all(|file| is_event(file).unwrap_or(false)) {
            return Err(Errno::INVAL);
        }
        let mut events = files.into_iter().map(Arc::new);
        for vector in first..last {
            self.device.set_interrupt(vector as u16, events.next());
        }
        Ok(Vec::new())
    }
}

fn dwords(values: &[u32]) -> Vec<u8> {
    values
        .iter()
        .flat_map(|value| value.to_le_bytes())
        .collect()
}

/// What a client sends.
struct Input<'a> {
    stream: &'a UnixStream,
    stop: BorrowedFd<'a>,
    /// Descriptors that came with the bytes read since the last message.
    files: VecDeque<File>,
}

impl Input<'_> {
    /// Fills `buffer`; `false`: the client has left, or it is to end.
    fn fill(&mut self, buffer: &mut [u8]) -> io::Result<bool> {
        let mut done = 0;
        while done < buffer.len() {
            if !self.wait()? {
                return Ok(false);
            }
            let mut space = [MaybeUninit::uninit(); SPACE];
            let mut control = RecvAncillaryBuffer::new(&mut space);
            let mut pieces = [IoSliceMut::new(&mut buffer[done..])];
            let flags = RecvFlags::DONTWAIT | RecvFlags::CMSG_CLOEXEC;
            let received = match recvmsg(self.stream, &mut pieces, &mut control, flags) {
                Ok(received) => received,
                Err(Errno::AGAIN | Errno::INTR) => continue,
                Err(Errno::CONNRESET) => return Ok(false),
                Err(error) => return Err(error.into()),
            };
            for message in control.drain() {
                if let RecvAncillaryMessage::ScmRights(descriptors) = message {
                    self.files.extend(descriptors.map(File::from));
                }
            }
            if self.files.len() > MOST_DESCRIPTORS {
                return Err(io::Error::other("too many descriptors with a message"));
            }
            if received.bytes == 0 {
                return Ok(false);
            }
            done += received.bytes;
        }
        Ok(true)
    }

    /// Waits until something can be read; `false`: it is to end.
    fn wait(&self) -> io::Result<bool> {
        loop {
            let mut fds = [
                PollFd::new(&self.stop, PollFlags::IN),
                PollFd::from_borrowed_fd(self.stream.as_fd(), PollFlags::IN),
            ];
            match poll(&mut fds, None) {
                Ok(_) => return Ok(fds[0].revents().is_empty()),
                Err(Errno::INTR) => {}
                Err(error) => return Err(error.into()),
            }
        }
    }
}

/// Room for the descriptors of a message, and one more that shows that there are too many.
const SPACE: usize = rustix::cmsg_space!(ScmRights(MOST_DESCRIPTORS + 1));
