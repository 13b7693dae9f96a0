//! Any sequence of CDBs with data, with any outcome of the I/O: the logical unit neither panics nor gets its zones
//! into a state that they would be refused for at the next start.
#![no_main]

use std::sync::mpsc::channel;
use std::sync::Arc;

use command::{Command, Unit};
use libfuzzer_sys::fuzz_target;
use scsi::LogicalUnit;
use zoned::testing::{Bytes, RamDisk};
use zoned::{check_word, Failed, Geometry, Identity, Kind, Op, ZonedDisk};

/// A command takes this many bytes of input: one for the outcome and the initiator, two for buffer sizes, and the CDB.
/// Its data are what follows, although that is the next commands, too.
const COMMAND: usize = 3 + 16;

fuzz_target!(|input: &[u8]| {
    let Some((&shape, input)) = input.split_first() else {
        return;
    };
    let disk = Arc::new(RamDisk::new(geometry(shape)));
    let unit = LogicalUnit::new(disk.clone(), identity());
    disk.hold(true);
    for start in (0..input.len()).step_by(COMMAND).take(200) {
        let (command, data) = input[start..].split_at(COMMAND.min(input.len() - start));
        run(&disk, &unit, command, data);
        check(&disk);
    }
});

fn geometry(shape: u8) -> Geometry {
    let block_size = if shape & 1 == 0 { 512 } else { 4096 };
    let zone_blocks = 16 * 4096 / u64::from(block_size);
    let short = u64::from(shape >> 1 & 1) * zone_blocks / 2;
    // Gap zones and restricted reads together mean a host-aware disk, which has neither.
    let kind = match shape >> 6 {
        3 => Kind::HostAware,
        _ => Kind::HostManaged,
    };
    Geometry {
        kind,
        block_size,
        blocks: 16 * zone_blocks - short,
        zone_blocks,
        conventional_zones: u32::from(shape >> 2 & 3),
        zone_capacity: (shape >> 6 == 1).then_some(zone_blocks / 4 * 3),
        max_open: (shape >> 4 & 3 != 0).then_some(u32::from(shape >> 4 & 3)),
        max_active: None,
        unrestricted_reads: shape >> 6 != 2,
        extension_bytes: 0,
    }
}

fn identity() -> Identity {
    Identity {
        vendor: "ZONEVM".into(),
        product: "FUZZ".into(),
        revision: "1".into(),
        serial: "1".into(),
        wwn: 3 << 60,
    }
}

fn run(disk: &RamDisk<Bytes>, unit: &LogicalUnit<Bytes>, command: &[u8], data: &[u8]) {
    let (head, cdb) = command.split_at(command.len().min(3));
    if begins_self_test(cdb) {
        return;
    }
    let byte = |at: usize| head.get(at).copied().unwrap_or(0);
    let mut out = vec![0; usize::from(byte(1)) << 10];
    let given = data.len().min(out.len());
    out[..given].copy_from_slice(&data[..given]);
    let in_len = u64::from(byte(2)) << 10;
    let into = Bytes::new(vec![0; in_len as usize]);
    let out_len = out.len() as u64;
    let (told, ended) = channel();
    let mut command = Command::new(cdb, None, Bytes::new(out), into);
    command.initiator = byte(0) >> 6;
    let erases = erases(cdb);
    disk.hold(!erases);
    let submitted = unit.execute(&command);
    // The next request of a command is submitted only once somebody waits for its end.
    submitted.then(move |outcome| drop(told.send(outcome)));
    // A command waits for its own I/O at most, one after the other, since the one before has ended.
    while let Some(&number) = disk.held().first() {
        check_op(disk.geometry(), &disk.op(number));
        let offset = u64::from(byte(0)) << 9;
        match byte(0) & 7 {
            1 => disk.fail(number, Failed::Write { offset }),
            2 => disk.fail(number, Failed::Read { offset }),
            3 => disk.fail(number, Failed::NotStable),
            _ => disk.release(number),
        }
    }
    let outcome = match erases {
        true => ended.recv().expect("an outcome"),
        false => ended.try_recv().expect("an outcome"),
    };
    if erases {
        await_end(unit);
        disk.hold(true);
    }
    assert!(outcome.written <= in_len && outcome.consumed <= out_len);
    assert!(outcome.sense.len() <= 96);
    const CHECK_CONDITION: u16 = 0x02;
    assert_eq!(outcome.sense.is_empty(), outcome.status != CHECK_CONDITION);
}

/// What runs in a thread of its own, and takes its time.
fn begins_self_test(cdb: &[u8]) -> bool {
    matches!(cdb, [0x1D, byte, ..] if byte >> 5 != 0)
}

/// FORMAT UNIT and SANITIZE have a thread, whose I/O is not held.
fn erases(cdb: &[u8]) -> bool {
    matches!(cdb.first(), Some(0x04 | 0x48))
}

/// Waits until the disk is not being erased: until TEST UNIT READY says neither this nor anything else first.
fn await_end(unit: &LogicalUnit<Bytes>) {
    const ATTENTION: u8 = 6;
    const NOT_READY: u8 = 2;
    const IN_PROGRESS: [u8; 2] = [0x04, 0x1B];
    loop {
        let ready = Command::new(&[0; 6], None, Bytes::default(), Bytes::default());
        let outcome = unit.execute(&ready).wait().expect("an outcome");
        let (key, qualifier) = match outcome.sense[..] {
            [0x70, _, key, ..] => (key, outcome.sense[13]),
            [_, key, _, qualifier, ..] => (key, qualifier),
            _ => return,
        };
        match key {
            ATTENTION => {}
            NOT_READY if IN_PROGRESS.contains(&qualifier) => std::thread::yield_now(),
            _ => return,
        }
    }
}

/// I/O stays on the medium.
fn check_op(geometry: &Geometry, op: &Op) {
    let inside = |offset: u64, len: u64| assert!(offset + len <= geometry.bytes());
    match op {
        Op::Write {
            offset,
            len,
            skipped,
            ..
        }
        | Op::Fill {
            offset,
            len,
            skipped,
            ..
        } => {
            assert!(skipped <= offset);
            inside(*offset, *len);
        }
        Op::Discard { ranges, .. } => ranges.iter().for_each(|&(offset, len)| inside(offset, len)),
        _ => {}
    }
}

fn check(disk: &RamDisk<Bytes>) {
    let geometry = disk.geometry();
    for (zone, word) in (0..).zip(disk.words()) {
        check_word(geometry, zone, word).expect("words stay valid");
    }
    let zones = 0..geometry.zones();
    let open = zones
        .filter(|&zone| disk.zone(zone).condition.is_open())
        .count();
    assert!(geometry
        .open_limit()
        .is_none_or(|limit| open <= limit as usize));
}
