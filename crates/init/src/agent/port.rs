//! The way to the host: frames in, frames out, neither of which ever blocks.

use std::collections::VecDeque;
use std::fs::{self, File, OpenOptions};
use std::io::{self, ErrorKind, Read, Write};
use std::os::fd::{AsFd, BorrowedFd};
use std::thread;
use std::time::Duration;

use rustix::fs::{fcntl_getfl, fcntl_setfl, OFlags};

use crate::uptime::uptime;

use super::protocol::{Decoder, Frame, CHUNK, HELLO, MAGIC, PORT_NAME, VERSION};

/// How often to look for the port: a turn takes longer on a busy host, as does the port.
const TURNS: usize = 2000;
pub const ABSENT: Duration = Duration::from_millis(5);

pub struct Port {
    file: File,
    decoder: Decoder,
    out: VecDeque<u8>,
}

impl Port {
    pub fn new(file: File) -> io::Result<Self> {
        unblocked(&file)?;
        Ok(Self {
            file,
            decoder: Decoder::default(),
            out: VecDeque::new(),
        })
    }

    /// Say hello; `clock` has the uptimes at which stage 1 began and ended, or nothing.
    pub fn greet(&mut self, clock: &str) -> io::Result<()> {
        let uname = rustix::system::uname();
        let mut words = format!("{VERSION} {}", uname.release().to_string_lossy());
        if !clock.is_empty() {
            words = format!("{words} {clock} {}", uptime()?);
        }
        self.out.extend(MAGIC);
        self.send(HELLO, 0, 0, words.as_bytes());
        Ok(())
    }

    /// Have a frame sent, some time soon.
    pub fn send(&mut self, kind: u8, stream: u8, command: u32, payload: &[u8]) {
        Frame::write(kind, stream, command, payload, &mut self.out);
    }

    /// Whether there is something to send.
    pub fn is_behind(&self) -> bool {
        !self.out.is_empty()
    }

    /// Return the frames that have arrived; None when the host is not there.
    pub fn receive(&mut self) -> io::Result<Option<Vec<Frame>>> {
        let mut data = [0; 64 * 1024];
        match self.file.read(&mut data) {
            Ok(0) => Ok(None),
            Ok(length) => Ok(Some(self.decoder.feed(&data[..length]))),
            Err(error) if error.kind() == ErrorKind::WouldBlock => Ok(Some(Vec::new())),
            Err(error) => Err(error),
        }
    }

    /// Send what can be sent now.
    pub fn flush(&mut self) -> io::Result<()> {
        while !self.out.is_empty() {
            let next = self.out.as_slices().0;
            match self.file.write(&next[..next.len().min(CHUNK)]) {
                Ok(done) => drop(self.out.drain(..done)),
                Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }
}

impl AsFd for Port {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.file.as_fd()
    }
}

/// Have reads and writes of `file` return at once.
pub fn unblocked(file: impl AsFd) -> io::Result<()> {
    Ok(fcntl_setfl(&file, fcntl_getfl(&file)? | OFlags::NONBLOCK)?)
}

/// Open the virtio-serial port of ours, which appears some time after the driver was loaded.
pub fn open() -> Result<File, String> {
    for _ in 0..TURNS {
        if let Some(name) = find() {
            let path = format!("/dev/{name}");
            let opened = OpenOptions::new().read(true).write(true).open(&path);
            return opened.map_err(|error| format!("cannot open the agent's port {path}: {error}"));
        }
        thread::sleep(ABSENT);
    }
    Err(format!("no virtio-serial port {PORT_NAME} in the guest"))
}

fn find() -> Option<String> {
    let ports = fs::read_dir("/sys/class/virtio-ports").ok()?;
    let names = ports.filter_map(|port| port.ok()?.file_name().into_string().ok());
    names.into_iter().find(|port| {
        let name = fs::read_to_string(format!("/sys/class/virtio-ports/{port}/name"));
        name.is_ok_and(|name| name.trim_end() == PORT_NAME)
    })
}
