//! Which logical blocks a CDB is about, for layers around the device. Decides nothing about the command.

use std::ops::Range;

use crate::api::Geometry;
use crate::commands::Command;
use crate::request::Request;

const SYNCHRONIZE_CACHE: [u8; 2] = [0x35, 0x91];
const ZONE_MANAGEMENT_OUT: u8 = 0x94;
const REPORT_ZONES: u8 = 0x95;
const TRANSFERS: [u8; 12] = [
    0x08, 0x0A, 0x28, 0x2A, 0x2F, 0x41, 0x88, 0x8A, 0x8F, 0x93, 0xA8, 0xAA,
];

/// The LBAs that a command reads, writes, verifies, synchronizes, manages or reports, as far as the disk has
/// them; `None` for a command that is about no blocks, or about none of this disk.
///
/// A zone management command is about whole zones, with ALL about the whole disk (ZBC-2, 5.2 to 5.6); REPORT
/// ZONES about all from its starting LBA on; SYNCHRONIZE CACHE of no blocks likewise (SBC-4).
pub fn addressed(geometry: &Geometry, cdb: &[u8]) -> Option<Range<u64>> {
    let command = Command::find(cdb).ok()?;
    let request = Request {
        cdb: cdb.get(..command.usage.len())?,
        out: &&[][..],
        in_len: 0,
    };
    let blocks = match command.opcode() {
        opcode if TRANSFERS.contains(&opcode) => from(request.transfer()),
        opcode if SYNCHRONIZE_CACHE.contains(&opcode) => match request.transfer() {
            (lba, 0) => lba..geometry.blocks,
            transfer => from(transfer),
        },
        ZONE_MANAGEMENT_OUT if request.bit(14, 0) => 0..geometry.blocks,
        ZONE_MANAGEMENT_OUT => {
            let zones = u64::from(request.be16(12)).max(1);
            from((request.be64(2), zones * geometry.zone_blocks))
        }
        REPORT_ZONES => request.be64(2)..geometry.blocks,
        _ => return None,
    };
    let blocks = blocks.start..blocks.end.min(geometry.blocks);
    (!blocks.is_empty()).then_some(blocks)
}

fn from((lba, blocks): (u64, u64)) -> Range<u64> {
    lba..lba.saturating_add(blocks)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// 16 zones of 64 blocks.
    fn blocks(cdb: &[u8]) -> Option<Range<u64>> {
        let geometry = Geometry {
            block_size: 512,
            blocks: 1024,
            zone_blocks: 64,
            conventional_zones: 0,
            max_open: None,
            zone_capacity: None,
            urswrz: true,
            host_aware: false,
        };
        let mut padded = [0; 32];
        padded[..cdb.len()].copy_from_slice(cdb);
        addressed(&geometry, &padded)
    }

    #[test]
    fn every_size_of_cdb() {
        assert_eq!(blocks(&[0x08, 0, 1, 2, 3, 0]), Some(0x102..0x105));
        assert_eq!(blocks(&[0x0A, 0, 0, 2, 0, 0]), Some(2..258));
        assert_eq!(blocks(&[0x28, 0, 0, 0, 1, 2, 0, 0, 3, 0]), Some(258..261));
        assert_eq!(
            blocks(&[0xAA, 0, 0, 0, 1, 2, 0, 0, 0, 3, 0, 0]),
            Some(258..261)
        );
        let mut cdb = [0; 16];
        cdb[0] = 0x88;
        cdb[9] = 7;
        cdb[13] = 9;
        assert_eq!(blocks(&cdb), Some(7..16));
        cdb[13] = 0;
        assert_eq!(blocks(&cdb), None);
    }

    #[test]
    fn zones_and_the_rest_of_the_disk() {
        let mut cdb = [0; 16];
        (cdb[0], cdb[1], cdb[9]) = (0x94, 4, 64);
        assert_eq!(blocks(&cdb), Some(64..128));
        cdb[13] = 3;
        assert_eq!(blocks(&cdb), Some(64..256));
        cdb[14] = 1;
        assert_eq!(blocks(&cdb), Some(0..1024));
        (cdb[0], cdb[1]) = (0x95, 0);
        assert_eq!(blocks(&cdb), Some(64..1024));
        assert_eq!(blocks(&[0x35, 0, 0, 0, 0, 9, 0, 0, 0, 0]), Some(9..1024));
    }

    #[test]
    fn nothing_outside_the_disk_and_nothing_without_blocks() {
        assert_eq!(blocks(&[0x28, 0, 0, 0, 4, 0, 0, 0, 1, 0]), None);
        assert_eq!(
            blocks(&[0x28, 0, 0, 0, 3, 255, 0, 0, 9, 0]),
            Some(1023..1024)
        );
        assert_eq!(blocks(&[0x00]), None);
        assert_eq!(blocks(&[0x12]), None);
        assert_eq!(blocks(&[0xFF]), None);
    }
}
