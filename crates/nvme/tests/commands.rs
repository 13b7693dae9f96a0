//! I/O commands to zoned and conventional namespaces: data, statuses, what is moved.

mod common;

use command::{Command, Failure, Group, Unit};
use common::*;
use nvme::{transfer, Namespace, Transfer, MAX_TRANSFER};
use zoned::testing::Bytes;
use zoned::{Blocks, Condition, Failed, Geometry, Op, Submitted};

#[test]
fn what_is_written_is_read() {
    for geometry in [zns(), conventional()] {
        let disk = Disk::new(geometry);
        assert_eq!(disk.write(0, 4, 0xA5), "ok");
        assert_eq!(disk.read(0, 4), filled(4, 0xA5));
        assert_eq!(disk.read(4, 4), filled(4, 0));
        assert_eq!(disk.status(&blocks(VERIFY, 0, 8), &[]), "ok");
        let compare = blocks(COMPARE, 0, 4);
        assert_eq!(disk.status(&compare, &filled(4, 0xA5)), "ok");
        assert_eq!(disk.status(&compare, &filled(4, 0xA6)), "2/85");
        assert_eq!(disk.status(&blocks(WRITE_ZEROES, 4, 4), &[]), "ok");
        assert_eq!(disk.status(&entry(FLUSH, &[]), &[]), "ok");
        let outcome = disk.execute(&blocks(WRITE, 8, 2), &filled(2, 1)).0;
        assert_eq!((outcome.consumed, outcome.written), (1024, 0));
        for opcode in [READ, WRITE, COMPARE, VERIFY, WRITE_ZEROES] {
            let behind = blocks(opcode, ZONES * ZONE - 1, 2);
            assert_eq!(disk.status(&behind, &filled(2, 0)), "0/80", "{opcode:#x}");
        }
        let far = blocks(READ, u64::MAX, 1);
        assert_eq!(disk.status(&far, &[]), "0/80");
    }
}

#[test]
fn a_conventional_namespace_is_overwritten_and_deallocated() {
    let disk = Disk::new(conventional());
    assert_eq!(disk.write(ZONE - 1, 4, 1), "ok");
    assert_eq!(disk.write(ZONE, 1, 2), "ok");
    let ranges = |list: &[(u64, u32)]| -> Vec<u8> {
        let range = |&(lba, count): &(u64, u32)| {
            [
                &0u32.to_le_bytes()[..],
                &count.to_le_bytes(),
                &lba.to_le_bytes(),
            ]
            .concat()
        };
        list.iter().flat_map(range).collect()
    };
    let deallocate = |count: u32| entry(MANAGE_DATASET, &[count - 1, 4]);
    let list = ranges(&[(ZONE - 1, 1), (0, 0), (ZONE + 1, 2)]);
    assert_eq!(disk.status(&entry(MANAGE_DATASET, &[2, 3]), &list), "ok");
    assert_eq!(disk.read(ZONE - 1, 1), filled(1, 1), "a hint only");
    assert_eq!(disk.status(&deallocate(3), &list), "ok");
    let left = [filled(1, 0), filled(1, 2), filled(2, 0)].concat();
    assert_eq!(disk.read(ZONE - 1, 4), left);
    let behind = ranges(&[(0, 1), (ZONES * ZONE, 1)]);
    assert_eq!(disk.status(&deallocate(2), &behind), "0/80");
    assert_eq!(disk.status(&deallocate(2), &[0; 16]), "0/04");

    let zoned = Disk::new(zns());
    zoned.write(0, 4, 1);
    let (deallocate, list) = (entry(MANAGE_DATASET, &[0, 4]), ranges(&[(0, 4)]));
    assert_eq!(zoned.status(&deallocate, &list), "ok");
    assert_eq!(zoned.read(0, 4), filled(4, 1), "a zone is reset instead");
}

#[test]
fn commands_that_a_namespace_does_not_have() {
    let disk = Disk::new(conventional());
    for opcode in [SEND, RECEIVE, APPEND, 0x04, 0x0A, 0x19, 0xFF] {
        assert_eq!(disk.status(&entry(opcode, &[]), &[]), "0/01");
    }
    let disk = Disk::new(zns());
    let mut fused = blocks(READ, 0, 1);
    fused[1] = 1;
    assert_eq!(disk.status(&fused, &[]), "0/02");
    let blocks_at_most = (MAX_TRANSFER / 512) as u32;
    let longest = blocks(READ, 0, blocks_at_most);
    assert_eq!(disk.status(&longest, &[]), "0/80", "the disk is smaller");
    assert_eq!(
        disk.status(&blocks(READ, 0, blocks_at_most + 1), &[]),
        "0/02"
    );
    let directive = entry(WRITE, &[0, 0, 1 << 20]);
    assert_eq!(disk.status(&directive, &filled(1, 0)), "0/02");
    let (outcome, _) = disk.execute(&blocks(WRITE, 0, 2), &filled(1, 0));
    assert!(outcome.overrun);
    assert_eq!(disk.condition(0), Condition::Empty);
}

#[test]
fn writes_and_appends_go_to_the_write_pointer() {
    let disk = Disk::new(zns());
    assert_eq!(disk.write(1, 1, 0), "1/BC");
    assert_eq!(disk.write(0, 48, 1), "ok");
    assert_eq!(disk.condition(0), Condition::Full);
    assert_eq!(disk.write(48, 1, 1), "1/B9");
    assert_eq!(disk.write(ZONE, 49, 1), "1/B8");
    let append = |zone: u64, count| {
        disk.execute(&blocks(APPEND, zone * ZONE, count), &filled(count, 7))
            .0
    };
    assert_eq!(append(1, 3).result, ZONE);
    assert_eq!(append(1, 2).result, ZONE + 3);
    assert_eq!(disk.read(ZONE, 6)[..5 * 512], filled(5, 7));
    assert_eq!(append(1, 44).status & 0x7FF, 0x1B8);
    let inside = blocks(APPEND, ZONE + 1, 1);
    assert_eq!(disk.status(&inside, &filled(1, 0)), "0/02");
    let behind = blocks(APPEND, ZONES * ZONE, 1);
    assert_eq!(disk.status(&behind, &filled(1, 0)), "0/80");
}

#[test]
fn zones_change_by_command() {
    let disk = Disk::new(zns());
    let status = |action, zone| disk.status(&send(action, zone), &[0xE0; 64]);
    for (action, condition) in [
        (OPEN, Condition::ExplicitlyOpen),
        (CLOSE, Condition::Closed),
        (OPEN, Condition::ExplicitlyOpen),
        (FINISH, Condition::Full),
        (RESET, Condition::Empty),
        (SET_EXTENSION, Condition::Closed),
        (RESET, Condition::Empty),
    ] {
        assert_eq!(status(action, 2), "ok");
        assert_eq!(disk.condition(2), condition);
    }
    for (action, zone, expected) in [
        (CLOSE, 0, "1/BF"),
        (OFFLINE, 0, "1/BF"),
        (0x00, 0, "0/02"),
        (0x11, 0, "0/02"),
        (0x06, 0, "0/02"),
        (SET_EXTENSION | ALL, 0, "0/02"),
        (OPEN, ZONES, "0/80"),
    ] {
        assert_eq!(status(action, zone), expected, "{action:#x}");
    }
    let inside = entry(SEND, &[1, 0, 0, OPEN]);
    assert_eq!(disk.status(&inside, &[]), "0/02");
    for zone in 0..3 {
        assert_eq!(status(OPEN, zone), "ok");
    }
    assert_eq!(status(OPEN, 3), "1/BE");
    assert_eq!(status(CLOSE | ALL, 0), "ok");
    for zone in 3..5 {
        assert_eq!(disk.write(zone * ZONE, 1, 1), "ok");
    }
    assert_eq!(disk.write(5 * ZONE, 1, 1), "1/BD");
    assert_eq!(status(OPEN, 5), "1/BD");
    assert_eq!(status(RESET | ALL, 77), "ok");
    assert!((0..ZONES).all(|zone| disk.condition(zone) == Condition::Empty));
    let none = Disk::new(Geometry {
        extension_bytes: 0,
        ..zns()
    });
    assert_eq!(none.status(&send(SET_EXTENSION, 0), &[0; 64]), "0/02");
}

/// State, attributes, capacity, start and write pointer of a zone descriptor.
type Descriptor = (u8, u8, u64, u64, u64);

/// Number of zones, and the descriptors, which are this long.
fn parse(data: &[u8], each: usize) -> (u64, Vec<Descriptor>) {
    let number = |bytes: &[u8]| u64::from_le_bytes(bytes.try_into().unwrap());
    let descriptors = data[64..].chunks(each).map(|one| {
        assert_eq!(one[0], 2);
        let [capacity, start, pointer] = [8, 16, 24].map(|at| number(&one[at..at + 8]));
        (one[1] >> 4, one[2], capacity, start, pointer)
    });
    (number(&data[..8]), descriptors.collect())
}

#[test]
fn zones_are_reported() {
    let disk = Disk::new(zns());
    disk.write(0, 5, 1);
    disk.status(&send(FINISH, 1), &[]);
    disk.status(&send(SET_EXTENSION, 2), &[0xE0; 64]);
    let (count, zones) = parse(&disk.good(&receive(0, 0, 64 + 3 * 64)), 64);
    assert_eq!(count, ZONES);
    let expected = [
        (0x2, 0, CAPACITY, 0, 5),
        (0xE, 0, CAPACITY, ZONE, u64::MAX),
        (0x4, 0x80, CAPACITY, 2 * ZONE, 2 * ZONE),
    ];
    assert_eq!(zones, expected);

    let partial = 1 << 16;
    assert_eq!(parse(&disk.good(&receive(partial, 0, 64 + 130)), 64).0, 2);
    let (count, zones) = parse(&disk.good(&receive(partial, 14, 4096)), 64);
    assert_eq!((count, zones.len()), (2, 2));
    let of = |state: u32| parse(&disk.good(&receive(state << 8, 0, 4096)), 64).0;
    let counts: Vec<u64> = (0..8).map(of).collect();
    assert_eq!(counts, [16, 13, 1, 0, 1, 1, 0, 0]);
    assert_eq!(
        disk.good(&receive(0, 0, 8)).len(),
        8,
        "a part of the header"
    );

    let extended = disk.good(&receive(1 | 4 << 8, 0, 64 + 128));
    let (count, zones) = parse(&extended, 128);
    assert_eq!((count, zones.len()), (1, 1));
    assert_eq!(extended[128..], [0xE0; 64]);
    for options in [2, 8 << 8] {
        assert_eq!(disk.status(&receive(options, 0, 64), &[]), "0/02");
    }
    assert_eq!(disk.status(&receive(0, ZONES, 64), &[]), "0/80");
    let none = Disk::new(Geometry {
        extension_bytes: 0,
        ..zns()
    });
    assert_eq!(none.status(&receive(1, 0, 64), &[]), "0/02");
}

#[test]
fn a_write_is_stable_by_itself_or_without_a_write_cache() {
    let disk = Disk::new(zns());
    let op = |entry: &[u8; 64], out: &[u8]| {
        disk.ram.hold(true);
        let command = Command::new(entry, None, Bytes::new(out.to_vec()), Bytes::default());
        let Submitted::Pending(_) = disk.namespace.execute(&command) else {
            panic!("it is held");
        };
        let held = disk.ram.held()[0];
        let op = disk.ram.op(held);
        disk.ram.fail(held, Failed::NotStable);
        disk.ram.hold(false);
        op
    };
    let is_stable = |entry: &[u8; 64]| match op(entry, &filled(1, 0)) {
        Op::Write { stable, .. } | Op::Fill { stable, .. } => stable,
        other => panic!("{other:?}"),
    };
    for opcode in [WRITE, WRITE_ZEROES, APPEND] {
        let plain = entry(opcode, &[0, 0, 0]);
        assert!(!is_stable(&plain));
        assert!(is_stable(&entry(opcode, &[0, 0, 1 << 30])));
        disk.namespace.set_write_cache(false);
        assert!(is_stable(&plain));
        disk.namespace.reset();
        assert!(!is_stable(&plain));
    }
}

#[test]
fn what_failed_is_a_status() {
    let disk = Disk::new(zns());
    for (failed, status) in [
        (Failed::Write { offset: 0 }, 0x280),
        (Failed::NotStable, 0x280),
        (Failed::Lost, 0x006),
    ] {
        disk.ram.hold(true);
        let command = Command::new(
            &blocks(WRITE, 0, 1),
            None,
            Bytes::new(filled(1, 0)),
            Bytes::default(),
        );
        let submitted = disk.namespace.execute(&command);
        disk.ram.hold(false);
        disk.ram.fail(disk.ram.held()[0], failed);
        assert_eq!(submitted.wait().unwrap().status & 0x7FF, status);
    }
    let protocol = disk.namespace.protocol();
    for (failure, status) in [
        (Failure::Busy, 0x082),
        (Failure::Aborted, 0x007),
        (Failure::Attention(0x181), 0x181),
    ] {
        assert_eq!(protocol.refuse(failure).status & 0x7FF, status);
    }
}

#[test]
fn what_a_command_says() {
    let disk = Disk::new(zns());
    let protocol = disk.namespace.protocol();
    let says = |entry: &[u8]| {
        let said = protocol.describe(entry);
        (said.name, said.group, said.lba, said.count, said.blocks)
    };
    let some = |lba, count| Some(Blocks { lba, count });
    let last = ZONES * ZONE;
    assert_eq!(
        says(&blocks(WRITE, 3, 2)),
        (Some("Write"), Group::Write, Some(3), Some(2), some(3, 2))
    );
    assert_eq!(
        says(&blocks(READ, last - 1, 2)).4,
        some(last - 1, 1),
        "what the disk has"
    );
    let sent = says(&send(RESET, 2));
    assert_eq!((sent.1, sent.4), (Group::Zone, some(2 * ZONE, ZONE)));
    assert_eq!(says(&send(RESET | ALL, 2)).4, some(0, last));
    assert_eq!(says(&receive(0, 2, 64)).4, some(2 * ZONE, last - 2 * ZONE));
    assert_eq!(says(&[0xFF; 64]).0, None);
    assert_eq!(says(&blocks(WRITE, 3, 2)[..20]).2, None);
    assert_eq!(protocol.name(), "NVMe");
    assert_eq!(protocol.commands().len(), nvme::commands().len());
    assert_eq!(nvme::command_name(APPEND), Some("Zone Append"));
}

#[test]
fn how_much_goes_with_a_command() {
    let geometry = zns();
    let [out, into] = [
        |out| Transfer { out, into: 0 },
        |into| Transfer { out: 0, into },
    ];
    for (entry, moves) in [
        (blocks(WRITE, 0, 3), out(1536)),
        (blocks(APPEND, 0, 1), out(512)),
        (blocks(COMPARE, 0, 1), out(512)),
        (blocks(READ, 0, 65536), into(65536 * 512)),
        (blocks(VERIFY, 0, 3), out(0)),
        (entry(MANAGE_DATASET, &[255]), out(4096)),
        (receive(0, 0, 4096), into(4096)),
        (send(SET_EXTENSION, 0), out(64)),
        (send(RESET, 0), out(0)),
        (entry(0xFF, &[0, 0, 7]), out(0)),
    ] {
        assert_eq!(transfer(&geometry, &entry), moves, "{:#x}", entry[0]);
    }
    let short = Command::new(&[0; 10], None, Bytes::default(), Bytes::default());
    let disk = Disk::new(geometry);
    let outcome = Namespace::new(disk.ram.clone()).execute(&short).wait();
    assert_eq!(outcome.unwrap().status & 0x7FF, 2);
}
