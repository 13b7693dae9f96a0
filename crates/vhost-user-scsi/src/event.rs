//! Event file descriptors: how threads of this crate, and QEMU, wake each other.

use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::time::{Duration, Instant};

use rustix::event::{eventfd, poll, EventfdFlags, PollFd, PollFlags, Timespec};

/// An event that stays signalled once it was.
pub(crate) struct Event(OwnedFd);

impl Event {
    pub(crate) fn new() -> io::Result<Event> {
        Ok(Event(eventfd(
            0,
            EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK,
        )?))
    }

    pub(crate) fn signal(&self) {
        signal(&self.0);
    }

    /// Waits until it is signalled, or for `time`.
    pub(crate) fn wait(&self, time: Duration) {
        let end = Instant::now() + time;
        loop {
            let left = end.saturating_duration_since(Instant::now());
            let timeout = Timespec::try_from(left).ok();
            let polled = poll(&mut [PollFd::new(self, PollFlags::IN)], timeout.as_ref());
            if polled != Err(rustix::io::Errno::INTR) {
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

/// Adds 1 to an eventfd. The only failure, a counter at its limit, means that it is signalled already.
pub(crate) fn signal(fd: impl AsFd) {
    let _ = rustix::io::write(fd, &1u64.to_ne_bytes());
}

/// What ended [`wait`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Woken {
    /// `fd` can be read.
    Ready,
    /// The stop event was signalled.
    Stopped,
}

/// Waits until `fd` can be read or `stop` is signalled, which wins.
pub(crate) fn wait(fd: impl AsFd, stop: &Event) -> io::Result<Woken> {
    let mut fds = [
        PollFd::new(&fd, PollFlags::IN),
        PollFd::new(stop, PollFlags::IN),
    ];
    while let Err(error) = poll(&mut fds, None) {
        if error != rustix::io::Errno::INTR {
            return Err(error.into());
        }
    }
    if !fds[1].revents().is_empty() {
        Ok(Woken::Stopped)
    } else if fds[0].revents().contains(PollFlags::IN) {
        Ok(Woken::Ready)
    } else {
        Err(io::ErrorKind::BrokenPipe.into())
    }
}

/// Takes an eventfd's count, so that it can be waited for again.
pub(crate) fn clear(fd: impl AsFd) {
    let mut count = [0; 8];
    let _ = rustix::io::read(fd, &mut count);
}
