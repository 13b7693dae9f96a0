//! Any sequence of NVMe commands with data, with any outcome of the I/O: the controller neither panics nor gets its zones
//! into a state that they would be refused for at the next start.
#![no_main]

use std::sync::mpsc::channel;
use std::sync::Arc;

use command::Command;
use libfuzzer_sys::fuzz_target;
use nvme::{Admin, Attached, Controller, Limits, Namespace};
use zoned::testing::{Bytes, RamDisk};
use zoned::{check_word, Failed, Geometry, Identity, Kind, Submitted, ZonedDisk};

/// A command takes this many bytes of input: one for the outcome and the queue, one for the length of the data that come
/// with it, and the fields that mean something. Its data are what follows, although that is the next commands, too.
const COMMAND: usize = 2 + 1 + 1 + 1 + 6 * 4;

fuzz_target!(|input: &[u8]| {
    let Some((&shape, input)) = input.split_first() else {
        return;
    };
    let disks = [zns(shape), conventional(shape)].map(|geometry| Arc::new(RamDisk::new(geometry)));
    let limits = Limits {
        queues: 2,
        vectors: 3,
    };
    let controller = Controller::new(disks.iter().map(attached).collect(), limits);
    disks.iter().for_each(|disk| disk.hold(true));
    for start in (0..input.len()).step_by(COMMAND).take(200) {
        let (command, data) = input[start..].split_at(COMMAND.min(input.len() - start));
        run(&disks, &controller, command, data);
        disks.iter().for_each(|disk| check(disk));
    }
    // A self-test ends once what it reads is.
    disks.iter().for_each(|disk| disk.release_all());
});

fn zns(shape: u8) -> Geometry {
    let block_size = if shape & 1 == 0 { 512 } else { 4096 };
    let zone_blocks = 16 * 4096 / u64::from(block_size);
    Geometry {
        kind: Kind::Zns,
        block_size,
        blocks: 16 * zone_blocks,
        zone_blocks,
        conventional_zones: 0,
        zone_capacity: (shape >> 1 & 1 == 1).then_some(zone_blocks / 4 * 3),
        max_open: (shape >> 2 & 3 != 0).then_some(u32::from(shape >> 2 & 3)),
        max_active: (shape >> 4 & 1 == 1).then_some(4),
        unrestricted_reads: shape >> 5 & 1 == 1,
        extension_bytes: u32::from(shape >> 6) * 64,
    }
}

fn conventional(shape: u8) -> Geometry {
    let zoned = zns(shape);
    Geometry {
        kind: Kind::Conventional,
        conventional_zones: 2,
        blocks: 2 * zoned.zone_blocks,
        zone_capacity: None,
        max_open: None,
        max_active: None,
        extension_bytes: 0,
        ..zoned
    }
}

fn attached(disk: &Arc<RamDisk<Bytes>>) -> Attached<Bytes> {
    let namespace = Arc::new(Namespace::new(disk.clone()));
    Attached {
        unit: namespace.clone(),
        namespace,
        identity: Identity {
            vendor: "ZONEVM".into(),
            product: "FUZZ".into(),
            revision: "1".into(),
            serial: "1".into(),
            wwn: 3 << 60,
        },
    }
}

fn run(disks: &[Arc<RamDisk<Bytes>>], controller: &Controller<Bytes>, command: &[u8], data: &[u8]) {
    let mut fields = [0; COMMAND];
    fields[..command.len()].copy_from_slice(command);
    let [how, blocks, opcode, flags, namespace, dwords @ ..] = fields;
    let mut raw = [0; 64];
    raw[..2].copy_from_slice(&[opcode, flags]);
    // Often one that there is.
    raw[4..8].copy_from_slice(&match namespace {
        0..=0xF0 => u32::from(namespace % 4).to_le_bytes(),
        _ => [0xFF; 4],
    });
    raw[40..64].copy_from_slice(&dwords);
    let is_admin = how & 0x80 != 0;
    let moves = match is_admin {
        true => controller.admin_transfer(&raw),
        false => controller.transfer(&raw),
    };
    // A transport refuses what is longer, and has room for what is not.
    if moves.out.max(moves.into) > nvme::MAX_TRANSFER {
        return;
    }
    let short = u64::from(blocks & 1);
    let mut out = vec![0; moves.out.saturating_sub(short) as usize];
    let given = data.len().min(out.len());
    out[..given].copy_from_slice(&data[..given]);
    let into = Bytes::new(vec![0; moves.into.saturating_sub(short) as usize]);
    let command = Command::new(&raw, Some(1), Bytes::new(out), into);
    let submitted = match is_admin {
        true => match controller.administer(&command) {
            Admin::Answer(submitted) => submitted,
            Admin::Queue(_) => return,
        },
        false => controller.execute(&command),
    };
    // An event that may never come.
    if is_admin && opcode == 0x0C {
        if let Submitted::Pending(pending) = submitted {
            if blocks & 2 == 0 {
                pending.ticket().withdraw();
            }
        }
        return;
    }
    let (told, ended) = channel();
    submitted.then(move |outcome| drop(told.send(outcome)));
    while let Some((disk, number)) = disks
        .iter()
        .find_map(|disk| Some((disk, *disk.held().first()?)))
    {
        let offset = u64::from(how) << 9;
        match how & 7 {
            1 => disk.fail(number, Failed::Write { offset }),
            2 => disk.fail(number, Failed::Read { offset }),
            3 => disk.fail(number, Failed::NotStable),
            _ => disk.release(number),
        }
    }
    let outcome = ended.try_recv().expect("an outcome");
    assert!(outcome.written <= moves.into && outcome.consumed <= moves.out);
    assert!(outcome.status < 1 << 15 && outcome.sense.is_empty());
}

fn check(disk: &RamDisk<Bytes>) {
    let geometry = disk.geometry();
    for (zone, word) in (0..).zip(disk.words()) {
        check_word(geometry, zone, word).expect("words stay valid");
    }
    let conditions: Vec<_> = (0..geometry.zones())
        .map(|zone| disk.zone(zone).condition)
        .collect();
    let open = conditions.iter().filter(|one| one.is_open()).count();
    let active = conditions.iter().filter(|one| one.is_active()).count();
    let within = |limit: Option<u32>, count| limit.is_none_or(|limit| count <= limit as usize);
    assert!(within(geometry.open_limit(), open) && within(geometry.active_limit(), active));
}
