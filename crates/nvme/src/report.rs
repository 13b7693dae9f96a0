//! Report Zones and Extended Report Zones (ZNS 1.1, 3.4.2.2).

use zoned::{Condition, Geometry, Zone};

use crate::submission::Submission;
use crate::Status;

/// Length of the header, and of a zone descriptor.
const HEADER: usize = 64;
const DESCRIPTOR: usize = 64;

/// A report that may be made.
#[derive(Clone, Copy)]
pub(crate) struct Report {
    pub lba: u64,
    /// How many bytes the host has room for.
    room: usize,
    extended: bool,
    partial: bool,
    /// The condition of zones that are listed; `None`: of any.
    wanted: Option<Condition>,
}

impl Report {
    /// What is asked for.
    pub fn new(geometry: &Geometry, entry: Submission<'_>) -> Result<Report, Status> {
        const REPORT: u32 = 0;
        const EXTENDED: u32 = 1;
        let extended = match entry.bits(13, 7, 0) {
            REPORT => false,
            EXTENDED if geometry.extension_bytes > 0 => true,
            _ => return Err(Status::INVALID_FIELD),
        };
        let wanted = match entry.bits(13, 15, 8) {
            0 => None,
            1 => Some(Condition::Empty),
            2 => Some(Condition::ImplicitlyOpen),
            3 => Some(Condition::ExplicitlyOpen),
            4 => Some(Condition::Closed),
            5 => Some(Condition::Full),
            6 => Some(Condition::ReadOnly),
            7 => Some(Condition::Offline),
            _ => return Err(Status::INVALID_FIELD),
        };
        Ok(Report {
            lba: entry.lba(),
            room: dwords(entry, 12) as usize,
            extended,
            partial: entry.bits(13, 16, 16) == 1,
            wanted,
        })
    }

    /// The data: header and descriptors, as much of them as there is room for.
    pub fn data(
        &self,
        geometry: &Geometry,
        zone: impl Fn(u32) -> Zone,
        extension: impl Fn(u32) -> Vec<u8>,
    ) -> Vec<u8> {
        let extension_bytes = match self.extended {
            true => geometry.extension_bytes as usize,
            false => 0,
        };
        let room = self.room.saturating_sub(HEADER) / (DESCRIPTOR + extension_bytes);
        let from = geometry.zone_of(self.lba);
        let mut data = vec![0; HEADER];
        let mut found = 0;
        for number in from..geometry.zones() {
            let zone = zone(number);
            if self.wanted.is_some_and(|wanted| wanted != zone.condition) {
                continue;
            }
            if found < room {
                data.extend(descriptor(&zone));
                let mut bytes = match self.extended && zone.extension_valid {
                    true => extension(number),
                    false => Vec::new(),
                };
                bytes.resize(extension_bytes, 0);
                data.extend(bytes);
            } else if self.partial {
                break;
            }
            found += 1;
        }
        data[..8].copy_from_slice(&(found as u64).to_le_bytes());
        data.truncate(self.room);
        data
    }
}

/// How many bytes the host has room for: command dword `number` counts dwords from zero.
pub(crate) fn dwords(entry: Submission<'_>, number: usize) -> u64 {
    4 * (u64::from(entry.dword(number)) + 1)
}

/// A zone descriptor. A write pointer that means nothing is all ones.
fn descriptor(zone: &Zone) -> [u8; DESCRIPTOR] {
    const SEQUENTIAL_WRITE_REQUIRED: u8 = 2;
    const RESET_RECOMMENDED: u8 = 1 << 2;
    const EXTENSION_VALID: u8 = 1 << 7;
    let mut bytes = [0; DESCRIPTOR];
    bytes[0] = SEQUENTIAL_WRITE_REQUIRED;
    bytes[1] = (zone.condition as u8) << 4;
    if zone.reset_recommended {
        bytes[2] |= RESET_RECOMMENDED;
    }
    if zone.extension_valid {
        bytes[2] |= EXTENSION_VALID;
    }
    bytes[8..16].copy_from_slice(&zone.len.to_le_bytes());
    bytes[16..24].copy_from_slice(&zone.start.to_le_bytes());
    bytes[24..32].copy_from_slice(&zone.write_pointer.unwrap_or(u64::MAX).to_le_bytes());
    bytes
}
