//! Runs commands for the host: moves frames between the port and the streams of commands.
//!
//! One loop, no threads. It knows nothing of zoned disks.

mod child;
mod command;
mod output;
pub mod port;
mod protocol;

use std::collections::BTreeMap;
use std::io;
use std::thread;
use std::time::Duration;

use rustix::event::{poll, PollFd, PollFlags, Timespec};

use child::Ended;
use command::{tell_not_started, Command, Event};
use port::{Port, ABSENT};
use protocol::{Exec, Frame};

/// Serves the host: dispatches its frames, waits for all that can happen, reaps every process.
pub struct Agent {
    port: Port,
    commands: BTreeMap<u32, Command>,
    syncs: Vec<i32>,
    ended: Ended,
}

/// What the wait for all there is has found.
struct Ready {
    port: PollFlags,
    child_ended: bool,
    commands: Vec<(u32, Event)>,
}

impl Agent {
    pub fn new(port: Port) -> io::Result<Self> {
        Ok(Self {
            port,
            commands: BTreeMap::new(),
            syncs: Vec::new(),
            ended: Ended::new()?,
        })
    }

    /// Serve until the host is gone; as process 1, for ever. `clock` is what [`Port::greet`] tells.
    pub fn serve(mut self, clock: &str) -> io::Result<()> {
        self.port.greet(clock)?;
        while self.turn()? {}
        Ok(())
    }

    fn turn(&mut self) -> io::Result<bool> {
        let port = &mut self.port;
        let delay = self
            .commands
            .values_mut()
            .filter_map(|command| command.on_time(port))
            .min();
        self.commands.retain(|_, command| !command.finish(port));
        port.flush()?;
        let ready = self.wait(delay)?;
        // Commands first: the other two may close what their events are about.
        for (number, event) in ready.commands {
            if let Some(command) = self.commands.get_mut(&number) {
                command.on(event, &mut self.port);
            }
        }
        if ready.child_ended {
            self.ended.take();
            self.reap();
        }
        if ready.port.is_empty() {
            return Ok(true);
        }
        self.talk(ready.port)
    }

    fn wait(&self, delay: Option<Duration>) -> io::Result<Ready> {
        let wanted = if self.port.is_behind() {
            PollFlags::IN | PollFlags::OUT
        } else {
            PollFlags::IN
        };
        let mut polled = vec![
            PollFd::new(&self.port, wanted),
            PollFd::new(&self.ended, PollFlags::IN),
        ];
        let mut events = Vec::new();
        for (number, command) in &self.commands {
            for (fd, flags, event) in command.interests() {
                polled.push(PollFd::from_borrowed_fd(fd, flags));
                events.push((*number, event));
            }
        }
        let delay = delay.map(|delay| Timespec {
            tv_sec: delay.as_secs() as i64,
            tv_nsec: i64::from(delay.subsec_nanos()),
        });
        match poll(&mut polled, delay.as_ref()) {
            Err(rustix::io::Errno::INTR) | Ok(_) => {}
            Err(error) => return Err(error.into()),
        }
        let is_ready = |polled: &PollFd<'_>| !polled.revents().is_empty();
        let commands = polled[2..]
            .iter()
            .zip(events)
            .filter(|(polled, _)| is_ready(polled));
        Ok(Ready {
            port: polled[0].revents(),
            child_ended: is_ready(&polled[1]),
            commands: commands.map(|(_, event)| event).collect(),
        })
    }

    fn talk(&mut self, events: PollFlags) -> io::Result<bool> {
        let frames = match events {
            events if events.contains(PollFlags::IN) => self.port.receive()?,
            events if events.contains(PollFlags::OUT) => Some(Vec::new()),
            _ => None,
        };
        let Some(frames) = frames else {
            // The host is not there, or not yet.
            thread::sleep(ABSENT);
            return Ok(std::process::id() == 1);
        };
        for frame in frames {
            self.handle(&frame);
        }
        Ok(true)
    }

    fn handle(&mut self, frame: &Frame) {
        match frame.kind {
            protocol::EXEC => self.execute(frame),
            protocol::SYNC => self.sync(),
            _ => {
                if let Some(command) = self.commands.get_mut(&frame.command) {
                    pass_on(frame, command, &mut self.port);
                }
            }
        }
    }

    /// Have all written out, by a process of its own: the loop must go on meanwhile.
    fn sync(&mut self) {
        match child::fork(rustix::fs::sync) {
            Ok(pid) => self.syncs.push(pid),
            Err(_) => {
                rustix::fs::sync();
                self.port.send(protocol::SYNCED, 0, 0, &[]);
            }
        }
    }

    fn execute(&mut self, frame: &Frame) {
        let Some(exec) = Exec::decode(&frame.payload) else {
            let error = io::Error::from_raw_os_error(libc::EINVAL);
            return tell_not_started(frame.command, false, &error, &mut self.port);
        };
        match Command::start(frame.command, &exec) {
            Ok(command) => drop(self.commands.insert(frame.command, command)),
            Err(error) => {
                tell_not_started(
                    frame.command,
                    exec.terminal.is_some(),
                    &error,
                    &mut self.port,
                );
            }
        }
    }

    fn reap(&mut self) {
        while let Some((pid, code)) = child::reap() {
            if let Some(at) = self.syncs.iter().position(|sync| *sync == pid) {
                self.syncs.swap_remove(at);
                self.port.send(protocol::SYNCED, 0, 0, &[]);
            }
            for command in self.commands.values_mut() {
                command.on_exit(pid, code, &mut self.port);
            }
        }
    }
}

fn pass_on(frame: &Frame, command: &mut Command, port: &mut Port) {
    match frame.kind {
        protocol::DATA => command.feed(&frame.payload, port),
        protocol::EOF => command.end_input(),
        protocol::CREDIT => command.credit(frame.stream, frame.number()),
        protocol::CLOSE => command.refuse(frame.stream, port),
        protocol::SIGNAL => command.signal(frame.number()),
        protocol::RESIZE => command.resize(frame.size()),
        _ => {}
    }
}
