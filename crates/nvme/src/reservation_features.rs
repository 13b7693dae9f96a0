//! The features of reservations: the host's identifier, what it is told of, what persists (NVMe 1.4, 5.21.1.26 to 28).

use crate::admin::{Context, Reply};
use crate::features::{CHANGEABLE, OF_NAMESPACE};
use crate::host::HostIdentifier;
use crate::submission::Submission;
use crate::{Status, Transfer};

const HOST_IDENTIFIER: u8 = 0x81;
const NOTIFICATION_MASK: u8 = 0x82;
const PERSISTENCE: u8 = 0x83;

/// The feature that a command names is one of these.
pub(crate) fn is_named(entry: Submission<'_>) -> bool {
    matches!(id(entry), HOST_IDENTIFIER..=PERSISTENCE)
}

fn id(entry: Submission<'_>) -> u8 {
    entry.bits(10, 7, 0) as u8
}

/// How many bytes go with a command that sets or gets a feature.
pub(crate) fn bytes(entry: Submission<'_>) -> u64 {
    match id(entry) {
        HOST_IDENTIFIER => HostIdentifier::len(names_extended(entry)) as u64,
        _ => 0,
    }
}

/// The data that go with Set Features.
pub(crate) fn sent(entry: Submission<'_>) -> Transfer {
    Transfer {
        out: bytes(entry),
        into: 0,
    }
}

/// The data that go with Get Features, where it is the value that is asked for.
pub(crate) fn received(entry: Submission<'_>) -> Transfer {
    let into = match entry.bits(10, 10, 8) {
        CAPABILITIES => 0,
        _ => bytes(entry),
    };
    Transfer { out: 0, into }
}

/// The host identifier is one of 128 bits (EXHID).
fn names_extended(entry: Submission<'_>) -> bool {
    entry.bits(11, 0, 0) == 1
}

/// What SELECT asks for.
const CURRENT: u32 = 0b000;
const SAVED: u32 = 0b010;
const CAPABILITIES: u32 = 0b011;

/// Get Features.
pub(crate) fn get(context: &Context<'_>) -> Result<Reply, Status> {
    let (entry, shared) = (context.entry, context.shared);
    let id = id(entry);
    let select = entry.bits(10, 10, 8);
    match (select, id) {
        (CAPABILITIES, HOST_IDENTIFIER) => return Ok(Reply::Result(CHANGEABLE)),
        (CAPABILITIES, _) => return Ok(Reply::Result(CHANGEABLE | OF_NAMESPACE)),
        (CURRENT..=SAVED, _) => {}
        _ => return Err(Status::INVALID_FIELD),
    }
    let is_current = select == CURRENT;
    if id == HOST_IDENTIFIER {
        let host = match is_current {
            true => shared.host(),
            false => HostIdentifier::default(),
        };
        let len = HostIdentifier::len(names_extended(entry));
        return Ok(Reply::Feature(
            host.is_extended.into(),
            host.bytes[..len].to_vec(),
        ));
    }
    if entry.namespace() == u32::MAX {
        return Err(Status::INVALID_FIELD);
    }
    let index = shared.index(entry.namespace())?;
    let value = match id {
        NOTIFICATION_MASK => shared.notifications.mask(index),
        _ => {
            let reserved = &shared.described[index].reserved;
            reserved.look(|table, _| table.persists()).into()
        }
    };
    Ok(Reply::Result(if is_current { value } else { 0 }))
}

/// Set Features.
pub(crate) fn set(context: &Context<'_>) -> Result<Reply, Status> {
    const SAVE: u32 = 1;
    let (entry, shared) = (context.entry, context.shared);
    if entry.bits(10, 31, 31) == SAVE {
        return Err(Status::FEATURE_NOT_SAVEABLE);
    }
    let value = entry.dword(11);
    match id(entry) {
        HOST_IDENTIFIER => {
            let mut host = HostIdentifier {
                is_extended: names_extended(entry),
                ..HostIdentifier::default()
            };
            let len = HostIdentifier::len(host.is_extended);
            if context.out.copy(&mut host.bytes[..len]) < len {
                return Err(Status::DATA_TRANSFER_ERROR);
            }
            if shared.host().is_set() {
                return Err(Status::COMMAND_SEQUENCE_ERROR);
            }
            shared.set_host(host);
            Ok(Reply::Result(0))
        }
        NOTIFICATION_MASK => {
            for index in shared.named(entry.namespace())? {
                shared.notifications.set_mask(index, value);
            }
            Ok(Reply::Result(0))
        }
        _ => {
            let indexes = shared.named(entry.namespace())?;
            for described in &shared.described[indexes.clone()] {
                described.reserved.change(|table| {
                    table.set_persistence(value & 1 == 1);
                    Ok(Vec::new())
                })?;
            }
            Ok(Reply::Reservations(indexes))
        }
    }
}
