//! A command in the guest: its process, and its pipes or its terminal.
//!
//! It says what it waits for and sends frames; the loop that waits, and the port, are the agent's.

use std::collections::VecDeque;
use std::fs::File;
use std::io::{self, ErrorKind, Read, Write};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::time::{Duration, Instant};

use rustix::event::PollFlags;
use rustix::pipe::{pipe_with, PipeFlags};
use rustix::pty::{grantpt, ioctl_tiocgptpeer, openpt, unlockpt, OpenptFlags};
use rustix::termios::{tcsetwinsize, Winsize};

use super::child;
use super::output::{Data, Output};
use super::port::{unblocked, Port};
use super::protocol::{Exec, CHUNK, CLOSE, CREDIT, DATA, EOF, EXIT, FAILED, STDERR, STDIN, STDOUT};

/// How long a terminal may still deliver what its command wrote before it ended.
const SETTLE: Duration = Duration::from_millis(100);
const CTRL_D: u8 = 4;

pub struct Command {
    number: u32,
    pid: i32,
    code: Option<i32>,
    /// Tells whether the program started; closed once it has.
    start: Option<File>,
    failed: Vec<u8>,
    is_terminal: bool,
    stdin: Option<File>,
    input: VecDeque<u8>,
    input_ended: bool,
    outputs: Vec<Output>,
    /// When a terminal's last moment is over.
    settle: Option<Instant>,
    told: bool,
}

/// What a command waits for.
#[derive(Clone, Copy)]
pub enum Event {
    Start,
    Input,
    Output(u8),
}

/// The ends of a command's streams: the process's own, ours of its input, ours of its outputs.
struct Streams {
    theirs: [OwnedFd; 3],
    stdin: OwnedFd,
    outputs: Vec<Output>,
}

impl Command {
    /// Start the program.
    pub fn start(number: u32, exec: &Exec) -> io::Result<Self> {
        let (start, failed) = pipe()?;
        let Streams {
            theirs,
            stdin,
            outputs,
        } = match exec.terminal {
            Some(size) => terminal(size)?,
            None => pipes()?,
        };
        unblocked(&stdin)?;
        let pid = child::fork(|| child::become_command(exec, &theirs, failed))?;
        Ok(Self {
            number,
            pid,
            code: None,
            start: Some(start.into()),
            failed: Vec::new(),
            is_terminal: exec.terminal.is_some(),
            stdin: Some(stdin.into()),
            input: VecDeque::new(),
            input_ended: false,
            outputs,
            settle: None,
            told: false,
        })
    }

    /// Pass on data of its stdin.
    pub fn feed(&mut self, data: &[u8], port: &mut Port) {
        if self.stdin.is_none() {
            self.grant(data.len(), port);
        } else {
            self.input.extend(data);
        }
    }

    /// End its stdin after what was fed; on a terminal, type Ctrl-D.
    pub fn end_input(&mut self) {
        if self.is_terminal {
            self.input.push_back(CTRL_D);
        } else {
            self.input_ended = true;
            self.close_input_when_empty();
        }
    }

    /// Allow more data of an output stream.
    pub fn credit(&mut self, stream: u8, count: u32) {
        if let Some(output) = self.output(stream) {
            output.credit += count as usize;
        }
    }

    /// Let whoever writes to a stream get SIGPIPE, as from any closed pipe.
    pub fn refuse(&mut self, stream: u8, port: &mut Port) {
        self.end(stream, port);
        self.close(stream);
    }

    /// Send a signal to its process group.
    pub fn signal(&self, number: u32) {
        if self.code.is_none() {
            child::kill(self.pid, number);
        }
    }

    /// Set the size of its terminal; its foreground processes get SIGWINCH.
    pub fn resize(&self, size: (u16, u16)) {
        if let Some(terminal) = self.stdin.as_ref().filter(|_| self.is_terminal) {
            let _ = set_size(terminal, size); // one that hung up has no size
        }
    }

    /// Return all there is to wait for.
    pub fn interests(&self) -> Vec<(BorrowedFd<'_>, PollFlags, Event)> {
        if let Some(start) = &self.start {
            return vec![(start.as_fd(), PollFlags::IN, Event::Start)];
        }
        let wanted = self.outputs.iter().filter(|output| output.is_wanted());
        let outputs =
            wanted.map(|output| (output.as_fd(), PollFlags::IN, Event::Output(output.stream)));
        let stdin = self.stdin.as_ref().filter(|_| !self.input.is_empty());
        outputs
            .chain(stdin.map(|file| (file.as_fd(), PollFlags::OUT, Event::Input)))
            .collect()
    }

    /// Do what it waited for.
    pub fn on(&mut self, event: Event, port: &mut Port) {
        match event {
            Event::Start => self.on_start(),
            Event::Input => self.on_input(port),
            Event::Output(stream) => self.on_output(stream, port),
        }
    }

    /// Take the end of process `pid`, if it is this one's.
    pub fn on_exit(&mut self, pid: i32, code: i32, port: &mut Port) {
        if pid != self.pid || self.code.is_some() {
            return;
        }
        self.code = Some(code);
        self.input.clear();
        if self.is_terminal {
            self.settle = Some(Instant::now() + SETTLE);
            return;
        }
        self.stdin = None;
        for stream in [STDOUT, STDERR] {
            let Some(output) = self.output(stream).filter(|output| !output.ended) else {
                continue;
            };
            let left = output.waiting();
            output.left = Some(left);
            if left == 0 {
                self.end(stream, port);
            }
        }
    }

    /// Do what the time has come for; return how long it is to the next such moment, if there is one.
    pub fn on_time(&mut self, port: &mut Port) -> Option<Duration> {
        let settle = self.settle.filter(|_| !self.outputs.is_empty())?;
        let left = settle.saturating_duration_since(Instant::now());
        if left.is_zero() {
            self.refuse(STDOUT, port);
            return None;
        }
        Some(left)
    }

    /// Tell the exit once all before it was told; return whether there is nothing more to do.
    pub fn finish(&mut self, port: &mut Port) -> bool {
        let ended = self.start.is_none() && self.outputs.iter().all(|output| output.ended);
        let Some(code) = self.code.filter(|_| ended) else {
            return false;
        };
        if !self.told {
            self.told = true;
            self.stdin = None;
            if self.failed.is_empty() {
                port.send(EXIT, 0, self.number, &code.to_le_bytes());
            } else {
                port.send(FAILED, 0, self.number, &self.failed);
            }
        }
        self.outputs.is_empty()
    }

    fn on_start(&mut self) {
        if let Some(mut start) = self.start.take() {
            let _ = start.read_to_end(&mut self.failed);
        }
    }

    fn on_input(&mut self, port: &mut Port) {
        let Some(stdin) = &mut self.stdin else { return };
        let next = self.input.as_slices().0;
        match stdin.write(&next[..next.len().min(CHUNK)]) {
            Ok(done) => {
                self.input.drain(..done);
                self.grant(done, port);
                self.close_input_when_empty();
            }
            Err(error) if error.kind() == ErrorKind::WouldBlock => {}
            Err(_) => {
                // Nobody reads it any more.
                self.grant(self.input.len(), port);
                self.input.clear();
                self.stdin = None;
                port.send(CLOSE, STDIN, self.number, &[]);
            }
        }
    }

    fn on_output(&mut self, stream: u8, port: &mut Port) {
        let number = self.number;
        let Some(output) = self.output(stream) else {
            return;
        };
        match output.read() {
            Data::NothingNow => {}
            Data::End => self.refuse(stream, port),
            Data::Bytes(_) if output.ended => {}
            Data::Bytes(data) => {
                output.credit -= data.len();
                output.left = output.left.map(|left| left - data.len());
                port.send(DATA, stream, number, &data);
                if output.left == Some(0) {
                    self.end(stream, port);
                }
            }
        }
    }

    fn output(&mut self, stream: u8) -> Option<&mut Output> {
        self.outputs
            .iter_mut()
            .find(|output| output.stream == stream)
    }

    /// Tell the end of an output, once.
    fn end(&mut self, stream: u8, port: &mut Port) {
        let number = self.number;
        if let Some(output) = self.output(stream).filter(|output| !output.ended) {
            output.ended = true;
            port.send(EOF, stream, number, &[]);
        }
    }

    fn close(&mut self, stream: u8) {
        self.outputs.retain(|output| output.stream != stream);
    }

    fn close_input_when_empty(&mut self) {
        if self.input_ended && self.input.is_empty() {
            self.stdin = None;
        }
    }

    fn grant(&self, count: usize, port: &mut Port) {
        port.send(CREDIT, STDIN, self.number, &(count as u32).to_le_bytes());
    }
}

/// Say that a command did not start, for want of what it needs.
pub fn tell_not_started(number: u32, has_terminal: bool, error: &io::Error, port: &mut Port) {
    let streams = if has_terminal {
        &[STDOUT][..]
    } else {
        &[STDOUT, STDERR]
    };
    for stream in streams {
        port.send(EOF, *stream, number, &[]);
    }
    let errno = error.raw_os_error().unwrap_or(libc::EINVAL);
    port.send(FAILED, 0, number, format!("{errno} exec").as_bytes());
}

fn pipe() -> io::Result<(OwnedFd, OwnedFd)> {
    Ok(pipe_with(PipeFlags::CLOEXEC)?)
}

fn pipes() -> io::Result<Streams> {
    let (stdin, ours) = pipe()?;
    let (out, stdout) = pipe()?;
    let (error, stderr) = pipe()?;
    let outputs = vec![Output::new(out, STDOUT)?, Output::new(error, STDERR)?];
    Ok(Streams {
        theirs: [stdin, stdout, stderr],
        stdin: ours,
        outputs,
    })
}

fn terminal(size: (u16, u16)) -> io::Result<Streams> {
    let flags = OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC;
    let ours = openpt(flags)?;
    grantpt(&ours)?;
    unlockpt(&ours)?;
    set_size(&ours, size)?;
    let stdin = ioctl_tiocgptpeer(&ours, flags)?;
    let theirs = [stdin.try_clone()?, stdin.try_clone()?, stdin];
    Ok(Streams {
        theirs,
        outputs: vec![Output::new(ours.try_clone()?, STDOUT)?],
        stdin: ours,
    })
}

fn set_size(terminal: impl AsFd, (rows, columns): (u16, u16)) -> io::Result<()> {
    let size = Winsize {
        ws_row: rows,
        ws_col: columns,
        ws_xpixel: 0,
        ws_ypixel: 0,
    };
    Ok(tcsetwinsize(terminal, size)?)
}
