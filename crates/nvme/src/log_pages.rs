//! Get Log Page (NVMe 1.4, 5.14): which pages there are.

use crate::admin::{Context, Reply};
use crate::events::Notice;
use crate::identify::{self, NVM, ZONED};
use crate::logs;
use crate::submission::Submission;
use crate::{Status, Transfer};

/// The data that go with the command.
pub(crate) fn received(entry: Submission<'_>) -> Transfer {
    let dwords = u64::from(entry.bits(11, 15, 0)) << 16 | u64::from(entry.bits(10, 31, 16));
    Transfer {
        out: 0,
        into: 4 * (dwords + 1),
    }
}

/// Get Log Page: a part of a page.
pub(crate) fn get(context: &Context<'_>) -> Result<Reply, Status> {
    let (entry, shared) = (context.entry, context.shared);
    let stay = entry.bits(10, 15, 15) == 1;
    let page = match entry.bits(10, 7, 0) {
        0x01 => shared.logs.errors(),
        0x02 => match entry.namespace() {
            0 | u32::MAX => shared.logs.health(),
            _ => return Err(Status::INVALID_FIELD),
        },
        0x03 => logs::firmware(identify::revision(&shared.described[0].identity)),
        0x05 => match entry.bits(14, 31, 24) as u8 {
            NVM => logs::effects(false),
            ZONED => logs::effects(true),
            _ => return Err(Status::INVALID_FIELD),
        },
        0x06 => shared.self_tests.page(),
        0x80 => {
            if !stay {
                shared.events.read(Notice::ReservationLogAvailable);
            }
            shared.notifications.page(stay)
        }
        0xBF => {
            let namespace = entry.namespace();
            let index = shared.index(namespace)?;
            if identify::command_set(&shared.described[index].geometry) != ZONED {
                return Err(Status::INVALID_FIELD);
            }
            if !stay {
                shared
                    .events
                    .read(Notice::ZoneDescriptorChanged { namespace });
            }
            shared.logs.changed_zones(index, stay)
        }
        _ => return Err(Status::INVALID_LOG_PAGE),
    };
    let offset = u64::from(entry.dword(13)) << 32 | u64::from(entry.dword(12));
    match usize::try_from(offset) {
        Ok(offset) if offset % 4 == 0 && offset <= page.len() => {
            Ok(Reply::Data(page[offset..].to_vec()))
        }
        _ => Err(Status::INVALID_FIELD),
    }
}
