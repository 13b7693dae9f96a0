//! Admin commands: what a controller says of itself and of its namespaces, what a host sets, and what it is told.

mod common;

use std::time::Duration;

use command::Command;
use common::host::*;
use common::*;
use nvme::{Admin, QueueCommand};
use zoned::testing::Bytes;
use zoned::{Condition, Data, Event, Submitted, ZonedDisk};

#[test]
fn a_controller_is_identified() {
    let host = host();
    let data = host.data(&of(IDENTIFY, 0, &[0x01]));
    assert_eq!(data.len(), 4096);
    assert_eq!(&data[4..24], b"serial-1            ");
    assert_eq!(&data[24..34], b"ZONEVM ZNS");
    assert_eq!(number(&data[80..84]), 0x0001_0400);
    assert_eq!(data[77], 8, "a megabyte");
    assert_eq!((data[111], data[512], data[513]), (1, 0x66, 0x44));
    assert_eq!(number(&data[516..520]), 2);
    let name = data[768..1024].split(|&byte| byte == 0).next().unwrap();
    assert!(name.starts_with(b"nqn.2014-08.org.nvmexpress:uuid:7a6f6e65-766d-8"));
    for (cns, csi) in [(0x06, 0), (0x06, 2)] {
        assert_eq!(host.data(&of(IDENTIFY, 0, &[cns, csi << 24])), [0; 4096]);
    }
    let sets = host.data(&of(IDENTIFY, 0, &[0x1C]));
    assert_eq!(number(&sets[..8]), 0b101);
    for (cns, csi) in [(0x04, 0), (0x08, 0), (0x10, 0), (0x06, 1), (0x07, 1)] {
        assert_eq!(host.status(&of(IDENTIFY, 0, &[cns, csi << 24])), 0x002);
    }
}

#[test]
fn namespaces_are_identified() {
    let host = host();
    let list = |cns: u32, after, csi: u32| {
        let data = host.data(&of(IDENTIFY, after, &[cns, csi << 24]));
        let numbers = data.chunks(4).map(number);
        numbers.take_while(|&number| number > 0).collect::<Vec<_>>()
    };
    assert_eq!(list(0x02, 0, 0), [1, 2]);
    assert_eq!(list(0x02, 1, 0), [2]);
    assert_eq!(list(0x07, 0, 0), [2]);
    assert_eq!(list(0x07, 0, 2), [1]);
    assert_eq!(host.status(&of(IDENTIFY, u32::MAX - 1, &[0x02])), 0x00B);

    let zoned = host.data(&of(IDENTIFY, 1, &[0x00]));
    let capacity = ZONES * CAPACITY;
    for (at, value) in [
        (0, ZONES * ZONE),
        (8, capacity),
        (16, capacity),
        (48, capacity * 512),
    ] {
        assert_eq!(number(&zoned[at..at + 8]), value, "byte {at}");
    }
    assert_eq!((zoned[33], zoned[130]), (0b1001, 9));
    let plain = host.data(&of(IDENTIFY, 2, &[0x00]));
    assert_eq!(number(&plain[8..16]), ZONES * ZONE);
    let zones = host.data(&of(IDENTIFY, 1, &[0x05, 2 << 24]));
    assert_eq!(number(&zones[2..4]), 1, "reads cross zones");
    assert_eq!((number(&zones[4..8]), number(&zones[8..12])), (4, 2));
    assert_eq!(number(&zones[2816..2824]), ZONE);
    assert_eq!(zones[2824], 1);
    assert_eq!(host.status(&of(IDENTIFY, 2, &[0x05, 2 << 24])), 0x002);
    assert_eq!(host.data(&of(IDENTIFY, 2, &[0x05])), [0; 4096]);
    let descriptors = host.data(&of(IDENTIFY, 1, &[0x03]));
    assert_eq!(descriptors[..4], [1, 8, 0, 0]);
    assert_eq!(descriptors[12..14], [2, 16]);
    assert_eq!(descriptors[32..38], [4, 1, 0, 0, 2, 0]);
    for cns in [0x00, 0x03, 0x05] {
        for namespace in [0, 3, ALL_NAMESPACES] {
            assert_eq!(host.status(&of(IDENTIFY, namespace, &[cns])), 0x00B);
        }
    }
}

#[test]
fn features_are_set_and_got() {
    let host = host();
    let get = |select: u32, id: u32| host.ask(&of(GET_FEATURES, 0, &[id | select << 8])).0.result;
    let set = |id: u32, value: u32| host.ask(&of(SET_FEATURES, 0, &[id, value])).0;
    assert_eq!(get(0, 0x07), 0x0003_0003);
    assert_eq!(set(0x07, 0x0009_0000).result, 0x0003_0003);
    assert_eq!(set(0x07, 0xFFFF).status & 0x7FF, 0x002);
    assert_eq!(get(0, 0x06), 1);
    set(0x06, 0);
    assert_eq!((get(0, 0x06), get(1, 0x06), get(2, 0x06)), (0, 1, 1));
    assert_eq!(get(3, 0x06), 0b100);
    assert_eq!(get(3, 0x05), 0b110);
    assert_eq!(get(0, 0x04), 343);
    set(0x04, 300);
    set(0x04, 250 | 1 << 20);
    assert_eq!(get(0, 0x04), 300);
    let save = of(SET_FEATURES, 0, &[0x06 | 1 << 31, 0]);
    assert_eq!(host.status(&save), 0x10D);
    for (id, value, status) in [
        (0x00, 0, 0x002),
        (0x0C, 0, 0x002),
        (0x02, 1, 0x002),
        (0x04, 1 << 16, 0x002),
        (0x09, 5, 0x002),
        (0x19, 1, 0x12B),
        (0x19, 0, 0),
        (0x01, 7, 0),
        (0x05, 9, 0),
        (0x0A, 1, 0),
    ] {
        assert_eq!(set(id, value).status & 0x7FF, status, "{id:#x}");
    }
    assert_eq!(host.status(&of(GET_FEATURES, 0, &[0x06 | 4 << 8])), 0x002);

    assert_eq!(host.controller.coalescing(1), None);
    set(0x08, 7 | 2 << 8);
    let together = Some((8, Duration::from_micros(200)));
    assert_eq!(host.controller.coalescing(1), together);
    set(0x09, 1 | 1 << 16);
    assert_eq!(host.controller.coalescing(1), None);
    assert_eq!(host.controller.coalescing(2), together);
    host.controller.reset();
    assert_eq!((get(0, 0x06), get(0, 0x08)), (1, 0));
    assert_eq!(host.controller.coalescing(2), None);
}

#[test]
fn log_pages_tell_what_happened() {
    let host = host();
    let effects = host.data(&of(GET_LOG_PAGE, 0, &[0x05 | 1023 << 16, 0, 0, 0, 2 << 24]));
    let of_io = |opcode: usize| effects[1024 + 4 * opcode];
    assert_eq!(
        (of_io(0x02), of_io(0x01), of_io(0x7D), of_io(0x04)),
        (1, 3, 3, 0)
    );
    assert_eq!((effects[4 * 0x06], effects[4 * 0x80]), (1, 3));
    let plain = host.data(&log(0x05, 0, 4096));
    assert_eq!(plain[1024 + 4 * 0x7D], 0);
    assert_eq!(
        host.data(&log(0x03, 0, 512))[..10],
        *b"\x01\0\0\0\0\0\0\x001 "
    );

    let to = |namespace: u8, mut entry: [u8; 64]| {
        entry[4] = namespace;
        entry
    };
    assert_eq!(host.execute(&to(2, blocks(WRITE, 0, 8)), &filled(8, 1)), 0);
    assert_eq!(host.execute(&to(2, blocks(READ, 0, 8)), &[]), 0);
    assert_eq!(
        host.execute(&to(1, blocks(WRITE, 3, 1)), &filled(1, 1)),
        0x1BC
    );
    assert_eq!(host.execute(&to(3, blocks(READ, 0, 1)), &[]), 0x00B);
    assert_eq!(host.execute(&to(0xFF, entry(FLUSH, &[])), &[]), 0x00B);
    assert_eq!(host.execute(&of(FLUSH, ALL_NAMESPACES, &[]), &[]), 0);
    let health = host.data(&log(0x02, ALL_NAMESPACES, 512));
    let count = |at: usize| number(&health[at..at + 8]);
    assert_eq!([32, 48, 64, 80, 160, 176].map(count), [1, 1, 1, 1, 0, 3]);
    assert_eq!(number(&health[1..3]), 298);
    let errors = host.data(&log(0x01, 0, 4096));
    let first = &errors[128..192];
    assert_eq!((number(&first[..8]), number(&first[8..10])), (1, 1));
    assert_eq!(number(&first[12..14]) >> 1 & 0x7FF, 0x1BC);
    assert_eq!((number(&first[16..24]), first[24]), (3, 1));

    let part = of(GET_LOG_PAGE, 0, &[0x01 | 15 << 16, 0, 128, 0]);
    assert_eq!(host.data(&part), first);
    for (page, namespace, status) in [(0x07, 0, 0x109), (0x02, 1, 0x002), (0xBF, 2, 0x002)] {
        assert_eq!(host.status(&log(page, namespace, 64)), status);
    }
    let behind = of(GET_LOG_PAGE, 0, &[0x01, 0, 8192, 0]);
    assert_eq!(host.status(&behind), 0x002);
}

#[test]
fn changed_zones_are_an_event_until_the_log_page_is_read() {
    let host = host();
    let changed = |zone| host.disks[0].tell(Event::ZoneChanged { zone });
    changed(2);
    host.ask(&of(SET_FEATURES, 0, &[0x0B, 1 << 27]));
    changed(3);
    let told = host.ask(&of(EVENT, 0, &[])).0.result;
    assert_eq!(told, 0x1_00BF_EF02);
    let Admin::Answer(Submitted::Pending(waiting)) = host.begin(&of(EVENT, 0, &[]), &[]).0 else {
        panic!("nothing new is told");
    };
    changed(4);
    let list = host.data(&log(0xBF, 1, 4096));
    assert_eq!(number(&list[..2]), 3);
    assert_eq!(number(&list[16..24]), 3 * ZONE);
    changed(5);
    let told = Submitted::Pending(waiting).wait().unwrap().result;
    assert_eq!(told, 0x1_00BF_EF02);
    let list = host.data(&log(0xBF, 1, 4096));
    assert_eq!((number(&list[..2]), number(&list[8..16])), (1, 5 * ZONE));

    let waiting: Vec<_> = (0..4)
        .map(|_| host.begin(&of(EVENT, 0, &[]), &[]).0)
        .collect();
    assert_eq!(host.status(&of(EVENT, 0, &[])), 0x105);
    host.controller.reset();
    for one in waiting {
        let Admin::Answer(Submitted::Pending(one)) = one else {
            panic!("it waits");
        };
        assert!(one.ticket().is_over());
    }
}

#[test]
fn what_is_formatted_is_empty() {
    let host = host();
    let write = |namespace: u8, lba| {
        let mut entry = blocks(WRITE, lba, 8);
        entry[4] = namespace;
        assert_eq!(host.execute(&entry, &filled(8, 7)), 0);
    };
    for namespace in [ALL_NAMESPACES, 1, 2] {
        write(1, host.disks[0].zone(0).write_pointer.unwrap());
        write(2, 0);
        assert_eq!(host.status(&of(FORMAT, namespace, &[0])), 0);
        let is_empty = host.disks[0].zone(0).condition == Condition::Empty;
        assert_eq!(is_empty, namespace != 2);
        let mut read = blocks(READ, 0, 8);
        read[4] = 2;
        let into = Bytes::new(vec![0xEE; 4096]);
        let command = Command::new(&read, None, Bytes::default(), into.clone());
        host.controller.execute(&command).wait();
        let mut data = vec![0; 4096];
        into.read(0, &mut data);
        assert_eq!(data == filled(8, 0), namespace != 1);
    }
    for (namespace, dword, status) in [
        (1, 1, 0x10A),
        (1, 1 << 5, 0x10A),
        (1, 3 << 9, 0x002),
        (1, 2 << 9, 0),
        (3, 0, 0x00B),
    ] {
        assert_eq!(host.status(&of(FORMAT, namespace, &[dword])), status);
    }
}

#[test]
fn commands_about_queues_are_checked_and_handed_on() {
    let host = host();
    let create = |opcode: u8, dword_10: u32, dword_11: u32, address: u64| {
        let mut entry = of(opcode, 0, &[dword_10, dword_11]);
        entry[24..32].copy_from_slice(&address.to_le_bytes());
        host.queue(&entry)
    };
    let completion = QueueCommand::CreateCompletion {
        id: 4,
        entries: 1024,
        address: 0x1000,
        vector: Some(3),
    };
    assert_eq!(
        create(0x05, 4 | 1023 << 16, 3 << 16 | 3, 0x1000),
        Ok(completion)
    );
    let submission = QueueCommand::CreateSubmission {
        id: 1,
        entries: 2,
        address: 0x2000,
        completion: 4,
    };
    assert_eq!(
        create(0x01, 1 | 1 << 16, 4 << 16 | 1, 0x2000),
        Ok(submission)
    );
    for (dword_10, dword_11, address, status) in [
        (1 << 16, 1, 0, 0x101),
        (5 | 1 << 16, 1, 0, 0x101),
        (1, 1, 0, 0x102),
        (1 | 1024 << 16, 1, 0, 0x102),
        (1 | 1 << 16, 0, 0, 0x002),
        (1 | 1 << 16, 1, 0x200, 0x002),
        (1 | 1 << 16, 5 << 16 | 3, 0, 0x108),
    ] {
        assert_eq!(create(0x05, dword_10, dword_11, address), Err(status));
    }
    assert_eq!(create(0x01, 1 | 1 << 16, 1, 0), Err(0x101));
    assert_eq!(
        host.queue(&of(0x04, 0, &[2])),
        Ok(QueueCommand::DeleteCompletion { id: 2 })
    );
    assert_eq!(
        host.queue(&of(0x00, 0, &[2])),
        Ok(QueueCommand::DeleteSubmission { id: 2 })
    );
    let abort = QueueCommand::Abort {
        queue: 1,
        command: 7,
    };
    assert_eq!(host.queue(&of(0x08, 0, &[1 | 7 << 16])), Ok(abort));
    let mut doorbells = of(0x7C, 0, &[]);
    doorbells[24..40].copy_from_slice(&[0, 0x10, 0, 0, 0, 0, 0, 0, 0, 0x20, 0, 0, 0, 0, 0, 0]);
    let expected = QueueCommand::Doorbells {
        shadow: 0x1000,
        events: 0x2000,
    };
    assert_eq!(host.queue(&doorbells), Ok(expected));
    doorbells[24] = 8;
    assert_eq!(host.queue(&doorbells), Err(0x002));
    for opcode in [0x03, 0x0D, 0x18, 0x81, 0x84] {
        assert_eq!(host.status(&of(opcode, 0, &[])), 0x001);
    }
    assert_eq!(nvme::admin_command_name(0x06), Some("Identify"));
}
