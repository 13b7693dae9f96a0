//! Messages of the vfio-user protocol as bytes (QEMU, docs/interop/vfio-user.rst). Pure: knows no socket.

use rustix::io::Errno;

/// Length of a message's header: identifier, command, size with the header, flags, error.
pub(crate) const HEADER: usize = 16;
/// The most data of a read or write of a region, as we tell the client.
pub(crate) const MOST_DATA: usize = 64 << 10;
/// The longest message that we take.
pub(crate) const MOST_MESSAGE: usize = HEADER + 16 + MOST_DATA;
/// The most descriptors that may come with a message, as we tell the client.
pub(crate) const MOST_DESCRIPTORS: usize = 16;

/// The header of a command.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Header {
    pub id: u16,
    pub command: u16,
    /// With the header.
    pub size: usize,
    pub wants_reply: bool,
}

impl Header {
    /// The header of a command of a length that we take; `None`: it is none.
    pub fn parse(bytes: &[u8; HEADER]) -> Option<Header> {
        const TYPE: u32 = 0xF;
        const NO_REPLY: u32 = 1 << 4;
        let flags = number(bytes, 8)?;
        let size = number(bytes, 4)? as usize;
        let is_command = flags & TYPE == 0 && (HEADER..=MOST_MESSAGE).contains(&size);
        is_command.then(|| Header {
            id: u16::from_le_bytes([bytes[0], bytes[1]]),
            command: u16::from_le_bytes([bytes[2], bytes[3]]),
            size,
            wants_reply: flags & NO_REPLY == 0,
        })
    }

    /// The reply to it: with this body, or that it failed.
    pub fn reply(self, result: Result<Vec<u8>, Errno>) -> Vec<u8> {
        const REPLY: u32 = 1;
        const ERROR: u32 = 1 << 5;
        let (flags, error, body) = match result {
            Ok(body) => (REPLY, 0, body),
            Err(error) => (REPLY | ERROR, error.raw_os_error(), Vec::new()),
        };
        let mut bytes = Vec::with_capacity(HEADER + body.len());
        bytes.extend(self.id.to_le_bytes());
        bytes.extend(self.command.to_le_bytes());
        bytes.extend(((HEADER + body.len()) as u32).to_le_bytes());
        bytes.extend(flags.to_le_bytes());
        bytes.extend(error.to_le_bytes());
        bytes.extend(body);
        bytes
    }
}

/// What a client asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Request {
    Version {
        major: u16,
        minor: u16,
    },
    MapMemory {
        region: Region,
        /// In the file that came with it.
        offset: u64,
        writeable: bool,
    },
    UnmapMemory {
        region: Region,
        all: bool,
    },
    DeviceInfo,
    RegionInfo {
        index: u32,
    },
    InterruptInfo {
        index: u32,
    },
    SetInterrupts {
        flags: u32,
        index: u32,
        start: u32,
        count: u32,
    },
    Read {
        offset: u64,
        region: u32,
        count: usize,
    },
    Write {
        offset: u64,
        region: u32,
        data: Vec<u8>,
    },
    Reset,
}

/// A stretch of the client's memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Region {
    pub address: u64,
    pub size: u64,
}

impl Request {
    /// What a command with this body asks for.
    ///
    /// # Errors
    /// `NOTSUP` for a command that is not known, `INVAL` for a body that is not as long as it has to be.
    pub fn parse(command: u16, body: &[u8]) -> Result<Request, Errno> {
        Request::of(command, body).ok_or(match command {
            1..=5 | 7..=10 | 13 => Errno::INVAL,
            _ => Errno::NOTSUP,
        })
    }

    fn of(command: u16, body: &[u8]) -> Option<Request> {
        const WRITEABLE: u32 = 1 << 1;
        const ALL: u32 = 1 << 1;
        let dword = |at| number(body, at);
        Some(match command {
            1 => Request::Version {
                major: dword(0)? as u16,
                minor: (dword(0)? >> 16) as u16,
            },
            2 => Request::MapMemory {
                offset: long(body, 8)?,
                region: Region {
                    address: long(body, 16)?,
                    size: long(body, 24)?,
                },
                writeable: dword(4)? & WRITEABLE != 0,
            },
            3 => Request::UnmapMemory {
                all: dword(4)? & ALL != 0,
                region: Region {
                    address: long(body, 8)?,
                    size: long(body, 16)?,
                },
            },
            4 => dword(12).map(|_| Request::DeviceInfo)?,
            5 => Request::RegionInfo {
                index: long(body, 24).and(dword(8))?,
            },
            7 => Request::InterruptInfo {
                index: dword(12).and(dword(8))?,
            },
            8 => Request::SetInterrupts {
                flags: dword(4)?,
                index: dword(8)?,
                start: dword(12)?,
                count: dword(16)?,
            },
            9 => Request::Read {
                offset: long(body, 0)?,
                region: dword(8)?,
                count: Some(dword(12)? as usize).filter(|&count| count <= MOST_DATA)?,
            },
            10 => Request::Write {
                offset: long(body, 0)?,
                region: dword(8)?,
                data: body.get(16..16 + dword(12)? as usize)?.to_vec(),
            },
            13 => Request::Reset,
            _ => return None,
        })
    }
}

fn number(bytes: &[u8], at: usize) -> Option<u32> {
    let bytes = bytes.get(at..at + 4)?;
    Some(u32::from_le_bytes(bytes.try_into().ok()?))
}

fn long(bytes: &[u8], at: usize) -> Option<u64> {
    let bytes = bytes.get(at..at + 8)?;
    Some(u64::from_le_bytes(bytes.try_into().ok()?))
}
