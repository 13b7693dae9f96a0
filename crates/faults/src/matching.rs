//! What a request looks like to a rule: as the command that it came from, with the blocks that it is about.

use command::{Description, Group};
use zoned::{Blocks, Geometry, Operation, Request, Target};

/// Describes a request. One of no command has no name.
pub(crate) fn describe(geometry: &Geometry, request: &Request) -> Description {
    let (group, blocks) = match request.operation {
        Operation::Read { blocks, .. } => (Group::Read, blocks),
        Operation::Verify { blocks } | Operation::Compare { blocks } => (Group::Verify, blocks),
        Operation::Write { blocks, .. } | Operation::Fill { blocks, .. } => (Group::Write, blocks),
        Operation::Append { zone, .. } => (Group::Write, zones(geometry, zone, 1)),
        Operation::Flush => (Group::Flush, rest(geometry, 0)),
        Operation::Manage { target, .. } => (Group::Zone, targeted(geometry, target)),
        Operation::Save { .. } => (Group::Other, Blocks::default()),
        Operation::Report { from } => (Group::Report, rest(geometry, from)),
        Operation::Degrade { target, .. } | Operation::RecommendReset { target } => {
            (Group::Other, targeted(geometry, target))
        }
    };
    let blocks = blocks.common(rest(geometry, 0));
    let name = request.origin.command;
    Description {
        name: (!name.is_empty()).then_some(name),
        opcode: request.origin.opcode,
        len: 0,
        group,
        unconditional: false,
        lba: None,
        count: None,
        blocks: (blocks.count > 0).then_some(blocks),
    }
}

/// The zones of these blocks, at least one.
pub(crate) fn zones_of(geometry: &Geometry, blocks: Blocks) -> std::ops::RangeInclusive<u32> {
    geometry.zone_of(blocks.lba)..=geometry.zone_of(blocks.end() - 1)
}

fn targeted(geometry: &Geometry, target: Target) -> Blocks {
    match target {
        Target::All => rest(geometry, 0),
        Target::Zones { first, count } => zones(geometry, first, count),
    }
}

fn zones(geometry: &Geometry, first: u32, count: u32) -> Blocks {
    Blocks {
        lba: u64::from(first) * geometry.zone_blocks,
        count: u64::from(count) * geometry.zone_blocks,
    }
}

fn rest(geometry: &Geometry, from: u64) -> Blocks {
    Blocks {
        lba: from,
        count: geometry.blocks.saturating_sub(from),
    }
}
