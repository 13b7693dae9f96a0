//! Any messages as a vfio-user client's: memory, interrupts and registers that are not there, out of order, of the wrong
//! size, with any descriptors. The session refuses what is wrong, and ends when its client does.
#![no_main]

use std::fs::File;
use std::io::{IoSlice, Read};
use std::mem::MaybeUninit;
use std::net::Shutdown;
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::thread;

use libfuzzer_sys::fuzz_target;
use rustix::event::{eventfd, EventfdFlags};
use rustix::fs::{memfd_create, MemfdFlags};
use rustix::net::{sendmsg, SendAncillaryBuffer, SendAncillaryMessage, SendFlags};
use vfio_user_nvme::{serve, Device};

mod device;

const VERSION: u16 = 1;
const MAP_MEMORY: u16 = 2;
const HEADER: usize = 16;
/// Bytes of the memory that a client can share.
const SHARED: u64 = 1 << 16;
const MOST: usize = 48;

/// What a client sends: a command, how to bend it, its body.
type Step<'a> = (u8, u8, &'a [u8]);

fuzz_target!(|input: (bool, Vec<Step<'_>>)| {
    let (set_up, steps) = input;
    let (client, server) = UnixStream::pair().expect("sockets");
    let (_stop, stopped) = UnixStream::pair().expect("sockets");
    let served: Arc<dyn Device> = Arc::new(device::new());
    let session = thread::spawn(move || serve(&server, &served, stopped.as_fd()));
    client.set_nonblocking(true).expect("a socket");
    let memory = File::from(memfd_create("guest", MemfdFlags::CLOEXEC).expect("a memfd"));
    memory.set_len(SHARED).expect("memory");
    let event = File::from(eventfd(0, EventfdFlags::NONBLOCK).expect("an eventfd"));
    if set_up {
        send(&client, &message(VERSION, 0, &[0, 0, 1, 0]), &[]);
        let mut map = [32u32, 3].map(u32::to_le_bytes).concat();
        map.extend([0, 0, SHARED].map(u64::to_le_bytes).concat());
        send(&client, &message(MAP_MEMORY, 0, &map), &[memory.as_fd()]);
    }
    for (command, bend, body) in steps.into_iter().take(MOST) {
        let files = [memory.as_fd(), event.as_fd(), client.as_fd()];
        let chosen: Vec<BorrowedFd<'_>> = match bend >> 4 {
            0..=7 => Vec::new(),
            8..=10 => vec![memory.as_fd()],
            11..=13 => vec![event.as_fd(); usize::from(bend & 3)],
            _ => files[usize::from(bend & 1)..].to_vec(),
        };
        let body = &body[..body.len().min(256)];
        send(
            &client,
            &message(u16::from(command % 16), bend, body),
            &chosen,
        );
        drain(&client);
    }
    let _ = client.shutdown(Shutdown::Write);
    client.set_nonblocking(false).expect("a socket");
    drain(&client);
    let _ = session.join().expect("no panic");
});

/// Header and body; with `bend` the size is not the body's, or no reply is asked for.
fn message(command: u16, bend: u8, body: &[u8]) -> Vec<u8> {
    const NO_REPLY: u32 = 1 << 4;
    let size = (HEADER + body.len()) as u32 + u32::from(bend & 0x0C == 0x0C);
    let flags = if bend & 2 == 2 { NO_REPLY } else { 0 };
    let mut bytes = 1u16.to_le_bytes().to_vec();
    bytes.extend(command.to_le_bytes());
    bytes.extend([size, flags, 0].map(u32::to_le_bytes).concat());
    bytes.extend(body);
    bytes
}

/// What the session does not take any more is lost.
fn send(client: &UnixStream, bytes: &[u8], files: &[BorrowedFd<'_>]) {
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(4))];
    let mut control = SendAncillaryBuffer::new(&mut space);
    if !files.is_empty() {
        control.push(SendAncillaryMessage::ScmRights(files));
    }
    let _ = sendmsg(
        client,
        &[IoSlice::new(bytes)],
        &mut control,
        SendFlags::NOSIGNAL,
    );
}

/// Takes the replies that are there; all of them, once the session has ended.
fn drain(mut client: &UnixStream) {
    let mut bytes = [0; 1 << 14];
    while client.read(&mut bytes).is_ok_and(|read| read > 0) {}
}
