//! Sessions with a client of our own: what it is told, what it can do, and what it cannot.

mod common;

use std::fs::File;
use std::io::Write;

use common::*;

#[test]
fn a_client_is_told_what_the_device_is() {
    let client = Client::open();
    let info = client.ask(4, &dwords(&[16, 0, 0, 0]), &[]).unwrap();
    assert_eq!(info, dwords(&[16, 0b11, 9, 5]));
    let region = |index: u32| {
        let body = [dwords(&[32, 0, index, 0]), vec![0; 16]].concat();
        client.ask(5, &body, &[])
    };
    let size = |index| u64::from_le_bytes(region(index).unwrap()[16..24].try_into().unwrap());
    assert_eq!((size(0), size(1), size(6), size(7)), (0x4000, 0, 0, 4096));
    assert_eq!(region(9), Err(INVALID));
    let interrupts = |index: u32| client.ask(7, &dwords(&[16, 0, index, 0]), &[]);
    assert_eq!(interrupts(2), Ok(dwords(&[16, 0b1001, 2, 3])));
    assert_eq!(interrupts(0), Ok(dwords(&[16, 0, 0, 0])));
    assert_eq!(interrupts(5), Err(INVALID));
}

#[test]
fn its_configuration_space_is_that_of_an_nvme_controller() {
    let client = Client::open();
    let space = client.read(7, 0, 256).unwrap();
    assert_eq!(space[9..12], [0x02, 0x08, 0x01]);
    assert_eq!(space[6], 0x10);
    // Each capability once, to the end of the list.
    let mut at = space[0x34];
    let mut found = Vec::new();
    while at != 0 {
        found.push(space[usize::from(at)]);
        at = space[usize::from(at) + 1];
    }
    assert_eq!(found, [0x01, 0x11, 0x10]);
    assert_eq!(
        space[0x52..0x5C],
        [2, 0, 0x00, 0x20, 0, 0, 0x00, 0x30, 0, 0]
    );
    client.write(7, 0x10, &[0xFF; 8]).unwrap();
    let bar = client.read(7, 0x10, 8).unwrap();
    assert_eq!(bar, (!0x3FFFu64 | 0b100).to_le_bytes());
    client.write(7, 0x00, &[0; 4]).unwrap();
    client.write(7, 0x04, &[0xFF; 2]).unwrap();
    assert_eq!(client.read(7, 0, 6).unwrap(), [0x58, 0x4E, 1, 0, 6, 4]);
    assert_eq!(client.read(7, 4000, 96).unwrap(), [0; 96]);
    for (region, offset, count) in [(7, 4090, 8), (0, 0x3FFF, 2), (1, 0, 4), (0, u64::MAX, 4)] {
        assert_eq!(client.read(region, offset, count), Err(INVALID));
    }
}

#[test]
fn an_nvme_command_goes_all_the_way() {
    let mut client = Client::open();
    let memory = client.map(0x10_0000, 1 << 20);
    let interrupt = client.interrupt(0);
    client.enable(0x10_0000, 0x10_1000);
    let mut identify = [0; 64];
    identify[0] = 6;
    identify[24..32].copy_from_slice(&0x10_2000u64.to_le_bytes());
    identify[40] = 1;
    memory.put(0, &identify);
    client.write(0, 0x1000, &1u32.to_le_bytes()).unwrap();
    wait_for(&interrupt);
    assert_eq!(memory.get(0x100C, 4), [0, 0, 1, 0]);
    assert_eq!(&memory.get(0x2000, 24)[4..12], b"serial-1");

    // The device is as at first after a reset; memory stays mapped.
    client.ask(13, &[], &[]).unwrap();
    assert_eq!(client.read(0, 0x1C, 4).unwrap(), [0; 4]);
    client.enable(0x10_0000, 0x10_1000);
    let unmap = [dwords(&[24, 0]), longs(&[0x10_0000, 1 << 20])].concat();
    assert_eq!(client.ask(3, &unmap, &[]).unwrap(), unmap);
    assert_eq!(client.ask(3, &unmap, &[]), Err(NO_ENTRY));
    client.write(0, 0x1000, &2u32.to_le_bytes()).unwrap();
    while client.read(0, 0x1C, 4).unwrap() != [3, 0, 0, 0] {}
    // A function level reset.
    client.write(7, 0x68, &[0, 0x80]).unwrap();
    assert_eq!(client.read(0, 0x1C, 4).unwrap(), [0; 4]);
}

#[test]
fn what_needs_no_reply_gets_none() {
    let client = Client::open();
    client.send(10, NO_REPLY, &region_body(7, 0x04, &[2, 0]), &[]);
    client.send(10, NO_REPLY, &region_body(99, 0, &[0]), &[]);
    assert_eq!(client.read(7, 4, 2).unwrap(), [2, 0]);
}

#[test]
fn memory_is_mapped_once_and_as_it_is() {
    let client = Client::open();
    let file = shared_memory(1 << 20);
    let map = |flags: u32, offset: u64, address: u64, size: u64, files: &[&File]| {
        let body = [dwords(&[32, flags]), longs(&[offset, address, size])].concat();
        client.ask(2, &body, files)
    };
    assert_eq!(map(3, 0, 0x1000, 0x2000, &[&file]), Ok(Vec::new()));
    for (address, size) in [(0x1000, 0x2000), (0x2000, 0x2000), (0, 0x1001)] {
        assert_eq!(map(3, 0, address, size, &[&file]), Err(EXISTS));
    }
    assert_eq!(
        map(1, 0, 0x8000, 0x1000, &[&file]),
        Ok(Vec::new()),
        "only to be read"
    );
    assert_eq!(
        map(3, 0, 0xA000, 0x1000, &[]),
        Ok(Vec::new()),
        "not to be mapped"
    );
    for (offset, address, size) in [
        (0, 0x10_0000, 0),
        (0, u64::MAX, 0x1000),
        (1 << 20, 0x10_0000, 0x1000),
        (u64::MAX, 0x10_0000, 0x1000),
        (12, 0x10_0000, 0x1000),
    ] {
        assert_eq!(map(3, offset, address, size, &[&file]), Err(INVALID));
    }
    let all = [dwords(&[24, 2]), longs(&[0, 0])].concat();
    client.ask(3, &all, &[]).unwrap();
    assert_eq!(map(3, 0, 0x2000, 0x2000, &[&file]), Ok(Vec::new()));
}

#[test]
fn interrupts_are_events_and_nothing_else() {
    let client = Client::open();
    let event = event();
    let set = |flags: u32, index: u32, start: u32, count: u32, files: &[&File]| {
        client.ask(8, &dwords(&[20, flags, index, start, count]), files)
    };
    assert_eq!(set(0x24, 2, 0, 2, &[&event, &event]), Ok(Vec::new()));
    assert_eq!(set(0x24, 2, 0, 2, &[]), Ok(Vec::new()));
    assert_eq!(set(0x21, 2, 0, 0, &[]), Ok(Vec::new()));
    assert_eq!(set(0x24, 2, 0, 2, &[&event]), Err(INVALID));
    assert_eq!(set(0x24, 2, 2, 2, &[&event, &event]), Err(INVALID));
    assert_eq!(set(0x24, 2, u32::MAX, 2, &[&event, &event]), Err(INVALID));
    assert_eq!(set(0x24, 0, 0, 1, &[&event]), Err(INVALID));
    let (socket, _other) = std::os::unix::net::UnixStream::pair().unwrap();
    let socket = File::from(std::os::fd::OwnedFd::from(socket));
    assert_eq!(set(0x24, 2, 0, 1, &[&socket]), Err(INVALID));
    assert_eq!(set(0x2C, 2, 0, 1, &[&event]), Err(NOT_SUPPORTED));
}

#[test]
fn nothing_is_done_before_a_version_is_agreed_on() {
    let client = Client::connect();
    assert_eq!(client.ask(4, &dwords(&[16, 0, 0, 0]), &[]), Err(PROTOCOL));
    assert_eq!(client.ask(1, &[1, 0, 0, 0], &[]), Err(PROTOCOL));
    let reply = client.ask(1, &[0, 0, 9, 0], &[]).unwrap();
    assert_eq!(reply[..4], [0, 0, 1, 0]);
    assert!(reply[4..].starts_with(b"{\"capabilities\":{\"max_msg_fds\":16,"));
    assert_eq!(reply.last(), Some(&0));
    assert_eq!(client.ask(1, &[0, 0, 9, 0], &[]), Err(PROTOCOL));
}

#[test]
fn messages_that_cannot_be_are_errors() {
    let client = Client::open();
    for command in [1, 2, 3, 4, 5, 7, 8, 9, 10] {
        assert_eq!(client.ask(command, &[], &[]), Err(INVALID), "{command}");
    }
    for command in [0, 6, 11, 12, 14, 15, 16, 99] {
        assert_eq!(client.ask(command, &[0; 64], &[]), Err(NOT_SUPPORTED));
    }
    assert_eq!(client.read(7, 0, 1 << 20), Err(INVALID));
    let mut short = region_body(7, 4, &[0; 8]);
    short.truncate(20);
    assert_eq!(client.ask(10, &short, &[]), Err(INVALID));
    assert_eq!(client.read(7, 9, 3).unwrap(), [2, 8, 1]);
}

#[test]
fn a_session_ends_by_itself_and_nothing_is_left() {
    // The client leaves: between messages, and in the middle of one.
    Client::open().ends(Ok(()));
    let client = Client::open();
    (&client.stream).write_all(&[1, 0, 4, 0, 32]).unwrap();
    client.ends(Ok(()));
    // What is no command ends it: a reply, a message that is too long, or too short.
    for (flags, size) in [(1u32, 16u32), (0, 1 << 20), (0, 15), (0, 0)] {
        let client = Client::open();
        let mut header = vec![1, 0, 4, 0];
        header.extend(dwords(&[size, flags, 0]));
        (&client.stream).write_all(&header).unwrap();
        client.ends(Err("a message that is no command, or too long".into()));
    }
    // Too many descriptors.
    let client = Client::open();
    let event = event();
    client.send(8, 0, &dwords(&[20, 0x24, 2, 0, 17]), &[&event; 17]);
    client.ends(Err("too many descriptors with a message".into()));
    // The server is to end.
    let client = Client::open();
    (&client.stop).write_all(&[1]).unwrap();
    client.ended(Ok(()));
    assert!(client.told.error().is_none());
}
