//! One output stream of a command: the end of its pipe that the agent reads, or its terminal.

use std::fs::File;
use std::io::{self, ErrorKind, Read};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use super::port::unblocked;
use super::protocol::{CHUNK, WINDOW};

pub struct Output {
    file: File,
    pub stream: u8,
    /// How much more the host takes now.
    pub credit: usize,
    /// After the command's exit: the bytes it left in the pipe. They still go out, and no others.
    pub left: Option<usize>,
    /// The end was told. What processes in the background still write is read and dropped.
    pub ended: bool,
}

/// What reading gave.
pub enum Data {
    Bytes(Vec<u8>),
    NothingNow,
    End,
}

impl Output {
    pub fn new(fd: OwnedFd, stream: u8) -> io::Result<Self> {
        unblocked(&fd)?;
        Ok(Self {
            file: fd.into(),
            stream,
            credit: WINDOW,
            left: None,
            ended: false,
        })
    }

    /// Whether to read on.
    pub fn is_wanted(&self) -> bool {
        self.ended || self.credit > 0
    }

    /// Return what there is to send.
    pub fn read(&mut self) -> Data {
        let wanted = if self.ended {
            CHUNK
        } else {
            self.credit.min(self.left.unwrap_or(CHUNK))
        };
        let mut data = vec![0; CHUNK.min(wanted)];
        match self.file.read(&mut data) {
            Ok(0) => Data::End,
            Ok(length) => {
                data.truncate(length);
                Data::Bytes(data)
            }
            Err(error) if error.kind() == ErrorKind::WouldBlock => Data::NothingNow,
            Err(_) => Data::End, // a terminal without users says EIO
        }
    }

    /// Return the bytes that can be read now.
    pub fn waiting(&self) -> usize {
        rustix::io::ioctl_fionread(&self.file).unwrap_or(0) as usize
    }
}

impl AsFd for Output {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.file.as_fd()
    }
}
