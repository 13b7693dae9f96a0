//! Any sequence of CDBs with data, with any outcome of the I/O: the device model neither panics nor gets its zones
//! into a state that it would refuse at the next start.
#![no_main]

use std::sync::atomic::{AtomicU64, Ordering};

use libfuzzer_sys::fuzz_target;
use zbc::{check_word, fresh_word, Condition, Device, Fault, Geometry, Identity, Op, Step};

/// A command takes this many bytes of input: one for the outcome, two for buffer sizes, and the CDB.
/// Its data are what follows, although that is the next commands, too.
const COMMAND: usize = 3 + 16;

fuzz_target!(|input: &[u8]| {
    let Some((&shape, input)) = input.split_first() else {
        return;
    };
    let geometry = geometry(shape);
    let words: Vec<AtomicU64> = (0..geometry.zones())
        .map(|zone| AtomicU64::new(fresh_word(&geometry, zone).to_le()))
        .collect();
    let device = Device::new(geometry, identity(), words).expect("the geometry is valid");
    for start in (0..input.len()).step_by(COMMAND).take(200) {
        let (command, data) = input[start..].split_at(COMMAND.min(input.len() - start));
        run(&device, command, data);
        check(&device);
    }
});

fn geometry(shape: u8) -> Geometry {
    let block_size = if shape & 1 == 0 { 512 } else { 4096 };
    let zone_blocks = 16 * 4096 / u64::from(block_size);
    let short = u64::from(shape >> 1 & 1) * zone_blocks / 2;
    // Gap zones and restricted reads together mean a host-aware disk, which has neither.
    let host_aware = shape >> 6 == 3;
    Geometry {
        block_size,
        blocks: 16 * zone_blocks - short,
        zone_blocks,
        conventional_zones: u32::from(shape >> 2 & 3),
        zone_capacity: (shape >> 6 == 1).then_some(zone_blocks / 4 * 3),
        max_open: (shape >> 4 & 3 != 0).then_some(u32::from(shape >> 4 & 3)),
        urswrz: shape >> 6 != 2,
        host_aware,
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

fn run(device: &Device<Vec<AtomicU64>>, command: &[u8], data: &[u8]) {
    let (head, cdb) = command.split_at(command.len().min(3));
    let byte = |at: usize| head.get(at).copied().unwrap_or(0);
    let mut out = vec![0; usize::from(byte(1)) << 10];
    let given = data.len().min(out.len());
    out[..given].copy_from_slice(&data[..given]);
    let in_len = u64::from(byte(2)) << 10;
    match device.begin(cdb, &out.as_slice(), in_len) {
        Step::Done { data, completion } => {
            assert!(data.len() as u64 <= in_len);
            assert!(completion.sense.len() <= 96);
        }
        Step::Overrun { needed } => assert!(needed > in_len || needed > out.len() as u64),
        Step::Io(plan) => {
            check_op(device.geometry(), plan.op());
            let offset = u64::from(byte(0)) << 9;
            match byte(0) & 7 {
                0 => drop(plan),
                1 => drop(plan.finish(Err(Fault::Write { offset }))),
                2 => drop(plan.finish(Err(Fault::Read { offset }))),
                3 => drop(plan.finish(Err(Fault::Flush))),
                _ => drop(plan.finish(Ok(()))),
            }
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
        | Op::WriteSame {
            offset,
            len,
            skipped,
            ..
        } => {
            assert!(skipped <= offset);
            inside(*offset, *len);
        }
        Op::Discard { ranges, .. } => ranges.iter().for_each(|&(offset, len)| inside(offset, len)),
        Op::Read { .. } | Op::Verify { .. } | Op::Flush => {}
    }
}

fn check(device: &Device<Vec<AtomicU64>>) {
    let geometry = device.geometry();
    for (zone, word) in (0..).zip(device.table()) {
        let word = u64::from_le(word.load(Ordering::Relaxed));
        check_word(geometry, zone, word).expect("the model keeps its words valid");
    }
    let open = [Condition::ImplicitlyOpen, Condition::ExplicitlyOpen];
    let open = device
        .zones()
        .filter(|zone| open.contains(&zone.condition))
        .count();
    assert!(geometry
        .open_limit()
        .is_none_or(|limit| open <= limit as usize));
}
