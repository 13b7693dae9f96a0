//! One front end's connection: its messages, whole ones, until it leaves, errs, or is to end.

use std::io;
use std::os::unix::net::UnixStream;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use rustix::event::PollFlags;
use rustix::io::ioctl_fionread;
use rustix::net::{recv, RecvFlags};
use vhost::vhost_user::{BackendReqHandler, Error};

use crate::device::Device;
use crate::session::Session;
use serving::Stop;
use serving::{is, wait, Ended, Woken};

/// How long a message may take that has begun to come. QEMU sends each in one call.
const MESSAGE_TIME: Duration = Duration::from_secs(5);
/// A message's header: request, flags, and the length of what follows, 32 bits each.
const HEADER: usize = 12;
/// The longest message there is.
const MAX_MESSAGE: u64 = 4096;

/// Serves one front end.
pub(crate) fn serve(
    stream: UnixStream,
    device: &Arc<Device>,
    request_queues: u16,
    stop: &Stop,
) -> Ended {
    let mut any = false;
    let broken = converse(stream, device, request_queues, stop, &mut any).err();
    Ended { any, broken }
}

/// Takes messages; `any`: one was taken.
fn converse(
    stream: UnixStream,
    device: &Arc<Device>,
    request_queues: u16,
    stop: &Stop,
    any: &mut bool,
) -> Result<(), String> {
    let input = stream.try_clone().map_err(|error| error.to_string())?;
    let session = Session::new(Arc::clone(device), request_queues);
    let mut handler = BackendReqHandler::from_stream(stream, Arc::new(Mutex::new(session)));
    loop {
        match next_message(&input, stop).map_err(|error| error.to_string())? {
            Next::Message => {}
            Next::Stopped => return Ok(()),
            Next::TooSlow => {
                let time = MESSAGE_TIME.as_secs();
                return Err(format!(
                    "the rest of a vhost-user message did not come within {time} s"
                ));
            }
        }
        match handler.handle_request() {
            Ok(()) => *any = true,
            Err(Error::Disconnected | Error::SocketBroken(_)) => return Ok(()),
            Err(_) if stop.requested() => return Ok(()),
            Err(error) => return Err(format!("vhost-user message refused: {error}")),
        }
    }
}

enum Next {
    /// A message is there, or the front end has left.
    Message,
    Stopped,
    TooSlow,
}

/// Waits for as long as the front end sends nothing, then for the whole of what it sends: to take a message that is
/// there cannot wait.
fn next_message(input: &UnixStream, stop: &Stop) -> io::Result<Next> {
    if wait(input, None, &stop.event)? == Woken::Stopped {
        return Ok(Next::Stopped);
    }
    let end = Instant::now() + MESSAGE_TIME;
    let mut pause = Duration::from_micros(20);
    loop {
        if stop.requested() {
            return Ok(Next::Stopped);
        }
        if ioctl_fionread(input)? >= needed(input)? || is(input, PollFlags::RDHUP) {
            return Ok(Next::Message);
        }
        if Instant::now() > end {
            return Ok(Next::TooSlow);
        }
        stop.sleep(pause);
        pause = (pause * 2).min(Duration::from_millis(10));
    }
}

/// How many bytes the message has, as far as that is known.
fn needed(input: &UnixStream) -> io::Result<u64> {
    let mut header = [0; HEADER];
    let seen = match recv(input, &mut header, RecvFlags::PEEK | RecvFlags::DONTWAIT) {
        Ok((_, seen)) => seen,
        Err(rustix::io::Errno::AGAIN | rustix::io::Errno::INTR) => 0,
        Err(error) => return Err(error.into()),
    };
    let body = match header.last_chunk() {
        Some(length) if seen == HEADER => u64::from(u32::from_ne_bytes(*length)),
        _ => 0,
    };
    // A longer one is refused by its header.
    Ok(HEADER as u64 + if body > MAX_MESSAGE { 0 } else { body })
}
