//! The commands of the Zoned Namespace command set (ZNS 1.1, 3.4): what they ask of the disk.

use zoned::{Action, Operation, Target};

use crate::answer::{Answer, Buffer, Context, Reply};
use crate::blocks::{is_stable, no_directive};
use crate::report::Report;
use crate::Status;

/// Zone Management Send.
pub(crate) fn send(context: &Context<'_>) -> Answer {
    let action = match context.entry.bits(13, 7, 0) {
        0x01 => Action::Close,
        0x02 => Action::Finish,
        0x03 => Action::Open,
        0x04 => Action::Reset,
        0x05 => Action::Offline,
        SET_EXTENSION => Action::SetExtension,
        _ => return Err(Status::INVALID_FIELD),
    };
    let all = context.entry.bits(13, 8, 8) == 1;
    let buffer = match action {
        Action::SetExtension if all || context.geometry.extension_bytes == 0 => {
            return Err(Status::INVALID_FIELD)
        }
        Action::SetExtension => Buffer::Out,
        _ => Buffer::None,
    };
    let target = match all {
        true => Target::All,
        false => Target::Zones {
            first: starting_zone(context)?,
            count: 1,
        },
    };
    Ok(Reply::Medium(Operation::Manage { action, target }, buffer))
}

/// The action of Zone Management Send that sets a zone descriptor extension.
pub(crate) const SET_EXTENSION: u32 = 0x10;

/// Zone Append.
pub(crate) fn append(context: &Context<'_>) -> Answer {
    no_directive(context)?;
    let zone = starting_zone(context)?;
    let count = context.entry.blocks().count;
    let stable = is_stable(context);
    Ok(Reply::Medium(
        Operation::Append {
            zone,
            count,
            stable,
        },
        Buffer::Out,
    ))
}

/// The zone whose lowest LBA the command has.
fn starting_zone(context: &Context<'_>) -> Result<u32, Status> {
    let (geometry, lba) = (context.geometry, context.entry.lba());
    if lba >= geometry.blocks {
        return Err(Status::LBA_OUT_OF_RANGE);
    }
    let zone = geometry.zone_of(lba);
    match geometry.span(zone).start == lba {
        true => Ok(zone),
        false => Err(Status::INVALID_FIELD),
    }
}

/// Zone Management Receive.
pub(crate) fn receive(context: &Context<'_>) -> Answer {
    let lba = context.entry.lba();
    if lba >= context.geometry.blocks {
        return Err(Status::LBA_OUT_OF_RANGE);
    }
    Report::new(context.geometry, context.entry).map(Reply::Report)
}
