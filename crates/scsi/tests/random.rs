//! Properties that hold whatever commands come.

mod common;

use common::*;
use proptest::prelude::*;
use scsi::Status;
use zoned::{check_word, Condition, Failed, Geometry, Kind};

const OPCODES: [u8; 55] = [
    0x9B, 0x04, 0x48, 0x16, 0x17, 0x56, 0x57, 0x5E, 0x5F, 0x1C, 0x2E, 0x34, 0x37, 0x3B, 0x3C, 0x4C,
    0x4D, 0x8E, 0x90, 0xA3, 0xA4, 0xAE, 0xB7, 0x1B, 0x00, 0x03, 0x08, 0x0A, 0x12, 0x15, 0x1A, 0x1B,
    0x25, 0x28, 0x2A, 0x2F, 0x35, 0x41, 0x55, 0x5A, 0x88, 0x8A, 0x8F, 0x91, 0x93, 0x94, 0x94, 0x94,
    0x94, 0x95, 0x9E, 0xA0, 0xA3, 0xA8, 0xAA,
];

/// A command on a zone of [`small`], in a way that often succeeds.
#[derive(Clone, Debug)]
enum Command {
    Write {
        zone: u64,
        blocks: u32,
        misplaced: bool,
    },
    Zone {
        action: u8,
        zone: u64,
        count: u16,
    },
    All {
        action: u8,
    },
    Fail {
        zone: u64,
    },
}

fn command() -> impl Strategy<Value = Command> {
    let zone = || 0..17u64;
    prop_oneof![
        6 => (zone(), 1..80u32, prop::bool::weighted(0.1))
            .prop_map(|(zone, blocks, misplaced)| Command::Write { zone, blocks, misplaced }),
        3 => (1..5u8, zone(), 0..4u16)
            .prop_map(|(action, zone, count)| Command::Zone { action, zone, count }),
        1 => (1..5u8).prop_map(|action| Command::All { action }),
        1 => zone().prop_map(|zone| Command::Fail { zone }),
    ]
}

fn geometry() -> impl Strategy<Value = Geometry> {
    (
        prop::bool::ANY,
        0..15u32,
        prop::option::of(1..6u32),
        prop::bool::ANY,
        prop::option::of(1..8u64),
        0..8u64,
        prop::bool::ANY,
    )
        .prop_map(
            |(large_blocks, conventional_zones, max_open, urswrz, capacity, short, host_aware)| {
                let (block_size, zone_blocks) = if large_blocks { (4096, 8) } else { (512, 64) };
                let blocks = 16 * zone_blocks - short * zone_blocks / 8;
                Geometry {
                    block_size,
                    blocks,
                    zone_blocks,
                    conventional_zones,
                    max_open,
                    unrestricted_reads: urswrz || host_aware,
                    zone_capacity: capacity
                        .filter(|_| !host_aware)
                        .map(|eighths| eighths * zone_blocks / 8),
                    kind: if host_aware {
                        Kind::HostAware
                    } else {
                        Kind::HostManaged
                    },
                    ..small()
                }
            },
        )
}

fn check_invariants(disk: &Disk) {
    let geometry = disk.geometry();
    let open = disk.open_zones();
    assert!(
        geometry
            .open_limit()
            .is_none_or(|limit| open <= limit as usize),
        "{open} zones are open"
    );
    for (zone, word) in disk.ram.words().into_iter().enumerate() {
        check_word(geometry, zone as u32, word).unwrap();
    }
}

fn apply(disk: &Disk, command: &Command) {
    let geometry = disk.geometry();
    let lba = |zone: u64| zone * geometry.zone_blocks;
    let pointer = |zone: u64| {
        let zone = disk.zones().get(zone as usize).copied();
        zone.and_then(|zone| zone.write_pointer)
    };
    let before = disk.zones();
    match *command {
        Command::Write {
            zone,
            blocks,
            misplaced,
        } => {
            let at = pointer(zone).unwrap_or(lba(zone)) + u64::from(misplaced);
            let failed = disk.write_blocks(at, blocks, 0xFF).completion.status != Status::Good;
            let after = pointer(zone);
            if failed {
                assert_eq!(disk.zones(), before);
            } else if let Some(after) = after.filter(|_| at < lba(zone + 1)) {
                assert_eq!(after, at + u64::from(blocks));
            }
        }
        Command::Zone {
            action,
            zone,
            count,
        } => {
            if disk
                .run(&zone_out_count(action, lba(zone), count))
                .completion
                .status
                != Status::Good
            {
                assert_eq!(disk.zones(), before);
            }
        }
        Command::All { action } => {
            let answer = disk.run(&zone_out_all(action));
            assert!(action == OPEN || answer.completion.status == Status::Good);
        }
        Command::Fail { zone } => {
            let at = pointer(zone).unwrap_or(lba(zone));
            let out = [0; 4096];
            let blocks = 4096 / geometry.block_size;
            if let Some(plan) = disk.try_plan(&write16(at, blocks), &out) {
                plan.finish(Err(Failed::Write { offset: 0 }));
            }
            assert_eq!(
                pointer(zone),
                before
                    .get(zone as usize)
                    .and_then(|zone| zone.write_pointer)
            );
        }
    }
}

proptest! {
    #[test]
    fn zones_stay_sound(geometry in geometry(), commands in prop::collection::vec(command(), 1..80)) {
        let disk = Disk::new(geometry);
        for command in commands {
            apply(&disk, &command);
            check_invariants(&disk);
        }
    }

    #[test]
    fn what_is_above_the_write_pointer_reads_as_zeroes(
        commands in prop::collection::vec(command(), 1..60),
    ) {
        let disk = Disk::new(small());
        disk.ram.poke(0, &vec![0xDD; small().bytes() as usize]);
        for command in commands {
            apply(&disk, &command);
        }
        for zone in disk.zones().into_iter().skip(4) {
            let data = disk.run(&read16(zone.start, zone.len as u32)).good();
            let written = match (zone.condition, zone.write_pointer) {
                (Condition::Full, _) => continue,
                (_, at) => (at.unwrap() - zone.start) as usize * 512,
            };
            prop_assert!(data[..written].iter().all(|&byte| byte == 0xFF));
            prop_assert!(data[written..].iter().all(|&byte| byte == 0));
        }
    }

    #[test]
    fn any_cdb_is_answered(
        known in prop::option::of(prop::sample::select(&OPCODES[..])),
        mut cdb in prop::collection::vec(prop_oneof![Just(0u8), any::<u8>()], 0..33),
        out in prop::collection::vec(any::<u8>(), 0..600),
        in_len in 0..5000u64,
    ) {
        if let (Some(opcode), Some(first)) = (known, cdb.first_mut()) {
            *first = opcode;
        }
        let disk = Disk::new(small());
        disk.write_blocks(4 * 64, 8, 1).good();
        if let Some(answer) = disk.run_sized(&cdb, &out, in_len) {
            prop_assert!(answer.data.len() as u64 <= in_len);
            let is_told = answer.completion.status == Status::CheckCondition;
            prop_assert_eq!(is_told, !answer.completion.sense.is_empty());
        }
        check_invariants(&disk);
    }
}
