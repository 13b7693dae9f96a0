//! What a request is to a device. Knows no time.

use timing::{Medium, Work};
use zoned::{Action, Blocks, Condition, Data, Geometry, Operation, Target, Zone, ZonedDisk};

/// What moves more than so many bytes takes what they take: no device is asked for as much at a time.
const MOST: u64 = 1 << 30;

/// What a geometry is to a model.
pub(crate) fn medium(geometry: &Geometry) -> Medium {
    let capacity = geometry.zone_capacity.unwrap_or(geometry.zone_blocks);
    Medium {
        bytes: geometry.bytes(),
        zone_bytes: geometry.to_bytes(geometry.zone_blocks),
        zone_capacity: geometry.to_bytes(capacity),
    }
}

/// What the device does for a request, as its zones are now; `None` for what no device takes time for, or refuses.
///
/// Several zones that are reset at a time take what the fullest takes; finished ones lack what they lack together.
pub(crate) fn work<D: Data>(operation: &Operation, disk: &dyn ZonedDisk<D>) -> Option<Work> {
    let geometry = disk.geometry();
    let at = |blocks: Blocks| {
        let there = blocks.lba < geometry.blocks && blocks.end() <= geometry.blocks;
        there.then(|| geometry.to_bytes(blocks.lba))
    };
    let bytes = |blocks: Blocks| geometry.to_bytes(blocks.count).min(MOST);
    Some(match *operation {
        Operation::Read { blocks, .. }
        | Operation::Verify { blocks }
        | Operation::Compare { blocks } => Work::Read {
            at: at(blocks)?,
            bytes: bytes(blocks),
            written: is_written(blocks, disk),
        },
        Operation::Write { blocks, stable } | Operation::Fill { blocks, stable } => Work::Write {
            at: at(blocks)?,
            bytes: bytes(blocks),
            stable,
        },
        Operation::Append {
            zone,
            count,
            stable,
        } => {
            let zone = (zone < geometry.zones()).then(|| disk.zone(zone))?;
            let lba = zone
                .write_pointer
                .filter(|pointer| count <= geometry.blocks - pointer)?;
            let blocks = Blocks { lba, count };
            Work::Append {
                at: at(blocks)?,
                bytes: bytes(blocks),
                stable,
            }
        }
        Operation::Flush => Work::Flush,
        Operation::Report { .. } => Work::Report,
        Operation::Manage { action, target } => manage(action, target, disk)?,
        Operation::Save { .. } | Operation::Degrade { .. } | Operation::RecommendReset { .. } => {
            return None
        }
    })
}

/// Whether the first of the blocks holds data: a device has to look for what it may not have.
fn is_written<D: Data>(blocks: Blocks, disk: &dyn ZonedDisk<D>) -> bool {
    disk.zone_of(blocks.lba)
        .is_none_or(|(_, zone)| zone.conventional || blocks.lba < zone.start + filled(&zone))
}

/// How many blocks of a zone are written.
fn filled(zone: &Zone) -> u64 {
    match zone.write_pointer {
        Some(pointer) => pointer - zone.start,
        None if zone.condition == Condition::Full => zone.len,
        None => 0,
    }
}

fn manage<D: Data>(action: Action, target: Target, disk: &dyn ZonedDisk<D>) -> Option<Work> {
    let geometry = disk.geometry();
    let count = geometry.zones();
    let numbers = match target {
        Target::All => 0..count,
        Target::Zones { first, count: some } => first..first.saturating_add(some).min(count),
    };
    let first = geometry.to_bytes(u64::from(numbers.start) * geometry.zone_blocks);
    let zones = numbers.map(|number| disk.zone(number));
    let zones = zones.filter(|zone| !zone.conventional);
    Some(match action {
        Action::Open => Work::Open,
        Action::Close => Work::Close,
        Action::Reset => Work::Reset {
            at: first,
            written: geometry.to_bytes(zones.map(|zone| filled(&zone)).max().unwrap_or(0)),
        },
        Action::Finish => {
            let lacks = |zone: Zone| match (target, zone.condition) {
                // ALL is for zones that are open or closed.
                (Target::All, Condition::Empty) | (_, Condition::Full) => 0,
                _ => zone.len - filled(&zone),
            };
            Work::Finish {
                at: first,
                missing: geometry.to_bytes(zones.map(lacks).sum()),
            }
        }
        Action::Offline | Action::SetExtension => return None,
    })
}
