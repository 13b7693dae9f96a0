//! Event file descriptors: how threads of a server, and its client, wake each other.
//!
//! Those of a client are never waited for: it decides whether they block, and may have filled or emptied them.

use std::fs::{self, File};
use std::io::{self, IoSliceMut};
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::path::Path;
use std::time::{Duration, Instant};

use rustix::event::{eventfd, poll, EventfdFlags, PollFd, PollFlags, Timespec};
use rustix::io::{preadv2, Errno, ReadWriteFlags};

/// An event that stays signalled once it was.
pub struct Event(OwnedFd);

impl Event {
    pub fn new() -> io::Result<Event> {
        Ok(Event(eventfd(
            0,
            EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK,
        )?))
    }

    pub fn signal(&self) {
        add_one(&self.0);
    }

    /// Makes it one that was not signalled.
    pub fn clear(&self) {
        clear(&self.0);
    }

    /// Waits until it is signalled, or for `time`.
    pub fn wait(&self, time: Duration) {
        let end = Instant::now() + time;
        loop {
            let left = end.saturating_duration_since(Instant::now());
            let timeout = Timespec::try_from(left).ok();
            let polled = poll(&mut [PollFd::new(self, PollFlags::IN)], timeout.as_ref());
            if polled != Err(Errno::INTR) {
                return;
            }
        }
    }
}

impl AsFd for Event {
    fn as_fd(&self) -> std::os::fd::BorrowedFd<'_> {
        self.0.as_fd()
    }
}

/// Whether a descriptor is an eventfd's. What else there is may wait at a read or a write for as long as it likes.
pub fn is_event(file: &File) -> io::Result<bool> {
    let target = fs::read_link(format!("/proc/self/fd/{}", file.as_raw_fd()))?;
    Ok(target == Path::new("anon_inode:[eventfd]"))
}

/// Signals an eventfd. One at its limit, where a write would wait, is signalled already.
///
/// It can still wait where the client fills the eventfd at this very moment: until [`make_room`].
pub fn signal(fd: impl AsFd) {
    if is(&fd, PollFlags::OUT) {
        add_one(fd);
    }
}

/// Empties an eventfd that is at its limit.
pub fn make_room(fd: impl AsFd) {
    if !is(&fd, PollFlags::OUT) {
        clear(fd);
    }
}

fn add_one(fd: impl AsFd) {
    // The only failure, a counter at its limit, means that it is signalled already.
    let _ = rustix::io::write(fd, &1u64.to_ne_bytes());
}

/// Whether a descriptor is in one of these states now.
pub fn is(fd: impl AsFd, states: PollFlags) -> bool {
    let mut fds = [PollFd::new(&fd, states)];
    let now = Timespec::default();
    poll(&mut fds, Some(&now)).is_ok() && fds[0].revents().intersects(states)
}

/// What ended [`wait`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Woken {
    /// `fd` can be read.
    Ready,
    /// One of the other events was signalled.
    Called,
    /// The stop event was signalled.
    Stopped,
}

/// Waits until `fd` can be read, `other` is signalled or `stop` is, of which the last wins.
pub fn wait(fd: impl AsFd, other: Option<&Event>, stop: &Event) -> io::Result<Woken> {
    let mut fds = [
        PollFd::new(stop, PollFlags::IN),
        PollFd::new(&fd, PollFlags::IN),
        PollFd::new(other.unwrap_or(stop), PollFlags::IN),
    ];
    let count = if other.is_some() { 3 } else { 2 };
    while let Err(error) = poll(&mut fds[..count], None) {
        if error != Errno::INTR {
            return Err(error.into());
        }
    }
    let is_set = |at: usize| !fds[at].revents().is_empty();
    if is_set(0) {
        Ok(Woken::Stopped)
    } else if fds[1].revents().contains(PollFlags::IN) {
        Ok(Woken::Ready)
    } else if is_set(1) {
        Err(io::ErrorKind::BrokenPipe.into())
    } else {
        Ok(Woken::Called)
    }
}

/// Takes an eventfd's count, if it has one, so that it can be waited for again.
pub fn clear(fd: impl AsFd) {
    const NO_OFFSET: u64 = u64::MAX;
    let mut count = [0; 8];
    let mut pieces = [IoSliceMut::new(&mut count)];
    let read = preadv2(&fd, &mut pieces, NO_OFFSET, ReadWriteFlags::NOWAIT);
    // Linux before 5.8 cannot read an eventfd without waiting.
    if read == Err(Errno::OPNOTSUPP) {
        let _ = rustix::io::read(fd, &mut count);
    }
}
