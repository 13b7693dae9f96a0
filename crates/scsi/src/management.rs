//! The zone commands (ZBC-2, 5): REPORT ZONES, and OPEN, CLOSE, FINISH and RESET WRITE POINTER.

use zoned::{Action, Condition, Geometry, Operation, Target, Zone};

use crate::answer::{cut, Answer, Buffer, Context, Reply};
use crate::sense::Sense;

/// OPEN ZONE.
pub(crate) fn open(context: &Context<'_>) -> Answer {
    manage(context, Action::Open)
}

/// CLOSE ZONE.
pub(crate) fn close(context: &Context<'_>) -> Answer {
    manage(context, Action::Close)
}

/// FINISH ZONE.
pub(crate) fn finish(context: &Context<'_>) -> Answer {
    manage(context, Action::Finish)
}

/// RESET WRITE POINTER.
pub(crate) fn reset(context: &Context<'_>) -> Answer {
    manage(context, Action::Reset)
}

fn manage(context: &Context<'_>, action: Action) -> Answer {
    let all = context.cdb.bit(14, 0);
    let target = if all {
        Target::All
    } else {
        some_zones(context)?
    };
    Ok(Reply::Medium(
        Operation::Manage { action, target },
        Buffer::None,
    ))
}

/// The sequential zones that ZONE ID and ZONE COUNT (0: one zone) name; gap zones between them do not count.
fn some_zones(context: &Context<'_>) -> Result<Target, Sense> {
    const ZONE_ID: u16 = 2;
    const ZONE_COUNT: usize = 12;
    let geometry = context.geometry;
    let lba = context.cdb.be64(ZONE_ID.into());
    if lba >= geometry.blocks {
        return Err(Sense::LBA_OUT_OF_RANGE.at(lba));
    }
    let first = geometry.zone_of(lba);
    if lba != geometry.span(first).start {
        return Err(Sense::cdb_field(ZONE_ID));
    }
    let count = u32::from(context.cdb.be16(ZONE_COUNT)).max(1);
    Ok(Target::Zones { first, count })
}

/// Length of the REPORT ZONES header, and of each descriptor.
const DESCRIPTOR: usize = 64;

/// REPORT ZONES.
pub(crate) fn report(context: &Context<'_>) -> Answer {
    const PARTIAL: u8 = 7;
    let lba = context.cdb.be64(2);
    if lba >= context.geometry.blocks {
        return Err(Sense::LBA_OUT_OF_RANGE.at(lba));
    }
    Ok(Reply::Report(Report {
        lba,
        allocation_length: u64::from(context.cdb.be32(10)).min(context.in_len) as usize,
        partial: context.cdb.bit(14, PARTIAL),
        wanted: Wanted::new(context.cdb.byte(14) & 0x3F)?,
    }))
}

/// A REPORT ZONES that may be answered.
#[derive(Clone, Copy)]
pub(crate) struct Report {
    pub lba: u64,
    allocation_length: usize,
    partial: bool,
    wanted: Wanted,
}

impl Report {
    /// The data: header and descriptors.
    pub fn data(&self, geometry: &Geometry, zone: impl Fn(u32) -> Zone) -> Vec<u8> {
        let (lba, allocation_length, partial) = (self.lba, self.allocation_length, self.partial);
        let mut data = vec![0; DESCRIPTOR];
        let mut same = Same::default();
        let mut matching: u32 = 0;
        let from = geometry.zone_of(lba);
        let listed =
            (from..geometry.zones()).flat_map(|number| with_gap(geometry, number, zone(number)));
        for (kind, zone) in listed.skip_while(|(_, zone)| zone.start + zone.len <= lba) {
            if !self.wanted.includes(kind, &zone) {
                continue;
            }
            if allocation_length > data.len() {
                data.extend(descriptor(kind, &zone));
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
        data[8..16].copy_from_slice(&(geometry.blocks - 1).to_be_bytes());
        if geometry.zone_capacity.is_some() {
            data[16..24].copy_from_slice(&geometry.zone_blocks.to_be_bytes());
        }
        cut(data, allocation_length as u64)
    }
}

/// Zone types (ZBC-2, 5.10).
const CONVENTIONAL: u8 = 1;
const SEQUENTIAL_WRITE_REQUIRED: u8 = 2;
const SEQUENTIAL_WRITE_PREFERRED: u8 = 3;
const GAP: u8 = 5;

/// A zone, and the gap zone after it if there is one, each with its type. A gap zone has no state, and so no word.
fn with_gap(geometry: &Geometry, number: u32, zone: Zone) -> impl Iterator<Item = (u8, Zone)> {
    let kind = if zone.conventional {
        CONVENTIONAL
    } else if geometry.writes_anywhere() {
        SEQUENTIAL_WRITE_PREFERRED
    } else {
        SEQUENTIAL_WRITE_REQUIRED
    };
    let gap = geometry.gap(number);
    let gap = (!gap.is_empty()).then(|| Zone {
        start: gap.start,
        len: gap.end - gap.start,
        conventional: false,
        non_sequential: false,
        reset_recommended: false,
        extension_valid: false,
        condition: Condition::NotWritePointer,
        write_pointer: None,
    });
    std::iter::once((kind, zone)).chain(gap.map(|gap| (GAP, gap)))
}

/// A zone descriptor (ZBC-2, 5.10). A write pointer that means nothing is all ones.
fn descriptor(kind: u8, zone: &Zone) -> [u8; DESCRIPTOR] {
    let mut bytes = [0; DESCRIPTOR];
    bytes[0] = kind;
    let non_sequential = u8::from(zone.non_sequential) << 1;
    bytes[1] = (zone.condition as u8) << 4 | non_sequential | u8::from(zone.reset_recommended);
    bytes[8..16].copy_from_slice(&zone.len.to_be_bytes());
    bytes[16..24].copy_from_slice(&zone.start.to_be_bytes());
    bytes[24..32].copy_from_slice(&zone.write_pointer.unwrap_or(u64::MAX).to_be_bytes());
    bytes
}

/// REPORTING OPTIONS.
#[derive(Clone, Copy)]
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

    fn includes(&self, kind: u8, zone: &Zone) -> bool {
        match self {
            Wanted::All => true,
            Wanted::One(wanted) => *wanted == zone.condition,
            Wanted::ResetRecommended => zone.reset_recommended,
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
