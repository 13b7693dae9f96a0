//! The zone commands (ZBC-2, 5): REPORT ZONES, and OPEN, CLOSE, FINISH and RESET WRITE POINTER.

use crate::api::{Condition, Op, Zone};
use crate::request::{Answer, Reply, Request};
use crate::sense::Sense;
use crate::unit::Unit;
use crate::word::describe;
use crate::zones::{Action, Hold, Managed, Target};

/// OPEN ZONE.
pub(crate) fn open(unit: &Unit<'_>, request: &Request<'_>) -> Answer {
    manage(unit, request, Action::Open)
}

/// CLOSE ZONE.
pub(crate) fn close(unit: &Unit<'_>, request: &Request<'_>) -> Answer {
    manage(unit, request, Action::Close)
}

/// FINISH ZONE.
pub(crate) fn finish(unit: &Unit<'_>, request: &Request<'_>) -> Answer {
    manage(unit, request, Action::Finish)
}

/// RESET WRITE POINTER.
pub(crate) fn reset(unit: &Unit<'_>, request: &Request<'_>) -> Answer {
    manage(unit, request, Action::Reset)
}

fn manage(unit: &Unit<'_>, request: &Request<'_>, action: Action) -> Answer {
    let all = request.bit(14, 0);
    let target = if all {
        Target::All
    } else {
        some_zones(unit, request)?
    };
    let (ranges, hold) = match unit.zones.manage(action, &target)? {
        Managed::Done => return Reply::GOOD,
        Managed::Changed => return Ok(Reply::Io(Op::Flush, Hold::Nothing)),
        Managed::Emptied { ranges, hold } => (ranges, hold),
    };
    let bytes = |lba| unit.geometry.to_bytes(lba);
    let op = Op::Discard {
        zones: hold.emptied().collect(),
        ranges: ranges
            .iter()
            .map(|range| (bytes(range.start), bytes(range.end - range.start)))
            .collect(),
    };
    Ok(Reply::Io(op, hold))
}

/// The sequential zones that ZONE ID and ZONE COUNT (0: one zone) name; gap zones between them do not count.
fn some_zones(unit: &Unit<'_>, request: &Request<'_>) -> Result<Target, Sense> {
    const ZONE_ID: u16 = 2;
    const ZONE_COUNT: u16 = 12;
    let lba = request.be64(ZONE_ID.into());
    if lba >= unit.geometry.blocks {
        return Err(Sense::LBA_OUT_OF_RANGE.at(lba));
    }
    let first = unit.geometry.zone_of(lba);
    if lba != unit.geometry.span(first).start || unit.geometry.is_conventional(first) {
        return Err(Sense::cdb_field(ZONE_ID));
    }
    let count = u32::from(request.be16(ZONE_COUNT.into())).max(1);
    if count > unit.geometry.zones() - first {
        return Err(Sense::cdb_field(ZONE_COUNT));
    }
    Ok(Target::Zones(first..first + count))
}

/// Length of the REPORT ZONES header, and of each descriptor.
const DESCRIPTOR: usize = 64;

/// REPORT ZONES.
pub(crate) fn report(unit: &Unit<'_>, request: &Request<'_>) -> Answer {
    const PARTIAL: u8 = 7;
    let lba = request.be64(2);
    if lba >= unit.geometry.blocks {
        return Err(Sense::LBA_OUT_OF_RANGE.at(lba));
    }
    let allocation_length = u64::from(request.be32(10)).min(request.in_len) as usize;
    let partial = request.bit(14, PARTIAL);
    let wanted = Wanted::new(request.byte(14) & 0x3F)?;

    let mut data = vec![0; DESCRIPTOR];
    let mut same = Same::default();
    let recommended = unit.zones.control.recommended.all();
    let mut matching: u32 = 0;
    let from = unit.geometry.zone_of(lba);
    let listed = (from..unit.geometry.zones()).flat_map(|number| with_gap(unit, number));
    for (kind, zone) in listed.skip_while(|(_, zone)| zone.start + zone.len <= lba) {
        let reset = kind != GAP && recommended.contains(&unit.geometry.zone_of(zone.start));
        if !wanted.includes(kind, &zone, reset) {
            continue;
        }
        if allocation_length > data.len() {
            data.extend(descriptor(kind, &zone, reset));
        } else if partial {
            break;
        }
        same.add(kind, &zone);
        matching += 1;
    }
    let mut list_len = matching.saturating_mul(DESCRIPTOR as u32);
    if partial {
        // As many bytes as are transferred: the last descriptor may be cut.
        list_len = list_len.min(allocation_length.saturating_sub(DESCRIPTOR) as u32);
    }
    data[0..4].copy_from_slice(&list_len.to_be_bytes());
    data[4] = same.code();
    data[8..16].copy_from_slice(&(unit.geometry.blocks - 1).to_be_bytes());
    if unit.geometry.zone_capacity.is_some() {
        data[16..24].copy_from_slice(&unit.geometry.zone_blocks.to_be_bytes());
    }
    Reply::cut(data, allocation_length as u64)
}

/// Zone types (ZBC-2, 5.10).
const CONVENTIONAL: u8 = 1;
const SEQUENTIAL_WRITE_REQUIRED: u8 = 2;
const SEQUENTIAL_WRITE_PREFERRED: u8 = 3;
const GAP: u8 = 5;

/// A zone, and the gap zone after it if there is one, each with its type. A gap zone has no state, and so no word.
fn with_gap(unit: &Unit<'_>, number: u32) -> impl Iterator<Item = (u8, Zone)> {
    let zone = describe(unit.geometry, number, unit.zones.word(number));
    let kind = if zone.conventional {
        CONVENTIONAL
    } else if unit.geometry.host_aware {
        SEQUENTIAL_WRITE_PREFERRED
    } else {
        SEQUENTIAL_WRITE_REQUIRED
    };
    let gap = unit.geometry.gap(number);
    let gap = (!gap.is_empty()).then(|| Zone {
        start: gap.start,
        len: gap.end - gap.start,
        conventional: false,
        non_sequential: false,
        condition: Condition::NotWritePointer,
        write_pointer: None,
    });
    std::iter::once((kind, zone)).chain(gap.map(|gap| (GAP, gap)))
}

/// A zone descriptor (ZBC-2, 5.10); `reset`: RWP recommended. A write pointer that means nothing is all ones.
fn descriptor(kind: u8, zone: &Zone, reset: bool) -> [u8; DESCRIPTOR] {
    let mut bytes = [0; DESCRIPTOR];
    bytes[0] = kind;
    let non_sequential = u8::from(zone.non_sequential) << 1;
    bytes[1] = (zone.condition as u8) << 4 | non_sequential | u8::from(reset);
    bytes[8..16].copy_from_slice(&zone.len.to_be_bytes());
    bytes[16..24].copy_from_slice(&zone.start.to_be_bytes());
    bytes[24..32].copy_from_slice(&zone.write_pointer.unwrap_or(u64::MAX).to_be_bytes());
    bytes
}

/// REPORTING OPTIONS.
enum Wanted {
    All,
    One(Condition),
    /// Zones whose RESET bit is set.
    ResetRecommended,
    /// Zones whose NON_SEQ bit is set.
    NonSequential,
    /// All zones but the gap zones.
    NoGaps,
}

impl Wanted {
    fn new(options: u8) -> Result<Wanted, Sense> {
        Ok(match options {
            0x00 => Wanted::All,
            0x01 => Wanted::One(Condition::Empty),
            0x02 => Wanted::One(Condition::ImplicitlyOpen),
            0x03 => Wanted::One(Condition::ExplicitlyOpen),
            0x04 => Wanted::One(Condition::Closed),
            0x05 => Wanted::One(Condition::Full),
            0x06 => Wanted::One(Condition::ReadOnly),
            0x07 => Wanted::One(Condition::Offline),
            0x10 => Wanted::ResetRecommended,
            0x11 => Wanted::NonSequential,
            0x3E => Wanted::NoGaps,
            0x3F => Wanted::One(Condition::NotWritePointer),
            _ => return Err(Sense::cdb_bit(14, 5)),
        })
    }

    fn includes(&self, kind: u8, zone: &Zone, reset: bool) -> bool {
        match self {
            Wanted::All => true,
            Wanted::One(wanted) => *wanted == zone.condition,
            Wanted::ResetRecommended => reset,
            Wanted::NonSequential => zone.non_sequential,
            Wanted::NoGaps => kind != GAP,
        }
    }
}

/// The SAME field: how alike the zones of the list are.
struct Same {
    /// Type and length of the first zone.
    first: Option<(u8, u64)>,
    types: bool,
    /// All but the last zone added are as long as the first.
    lengths_before_last: bool,
    last_length: bool,
}

impl Default for Same {
    fn default() -> Same {
        Same {
            first: None,
            types: true,
            lengths_before_last: true,
            last_length: true,
        }
    }
}

impl Same {
    fn add(&mut self, kind: u8, zone: &Zone) {
        let (first_type, first_len) = *self.first.get_or_insert((kind, zone.len));
        self.types &= kind == first_type;
        self.lengths_before_last &= self.last_length;
        self.last_length = zone.len == first_len;
    }

    fn code(&self) -> u8 {
        match (self.types, self.lengths_before_last, self.last_length) {
            (true, true, true) => 1,
            (true, true, false) => 2,
            (false, true, true) => 3,
            _ => 0,
        }
    }
}
