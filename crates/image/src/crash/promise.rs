//! What a disk has promised to hold after a crash, and whether it does.

use scsi::Status;
use zoned::{written, Condition};

use super::{block, cdb, BLOCK, OVERWRITTEN, ZONE, ZONES};
use crate::unit::Unit;

/// What a zone may be after a crash: this many blocks of what was written since this reset.
#[derive(Clone, Copy, Debug)]
pub(super) struct Allowed {
    pub resets: u64,
    pub least: u32,
    pub most: u32,
    /// It must be in this condition.
    pub condition: Option<Condition>,
}

#[derive(Clone, Debug)]
pub(super) struct Promise {
    /// One or, while a reset is in flight, two for each zone; of one that is overwritten the condition counts.
    pub zones: Vec<Vec<Allowed>>,
    /// For each block of the zone that is overwritten, the versions that it may have, sector by sector; 0: zeroes.
    pub blocks: Vec<Vec<u64>>,
    /// What holds once it is erased, while it may be.
    pub erased: Option<Box<Promise>>,
}

/// Whether the disk holds what it promised of its zones and blocks.
pub(super) fn check_zones(disk: &Unit, promise: &Promise) -> Result<(), String> {
    let mut data = vec![0; (ZONES * ZONE * BLOCK) as usize];
    for (zone, data) in (0..).zip(data.chunks_mut((ZONE * BLOCK) as usize)) {
        let cdb = cdb(0x88, 0, zone * u64::from(ZONE), ZONE);
        let (read, found) = disk.run(&cdb, &[], data.len());
        data[..found.len()].copy_from_slice(&found);
        if read.completion.status != Status::Good {
            return Err(format!("zone {zone} cannot be read"));
        }
    }
    let sectors = |lba: u64| data[lba as usize * BLOCK as usize..][..BLOCK as usize].chunks(16);
    for (lba, versions) in (0..).zip(&promise.blocks) {
        let fits = |piece: &[u8]| {
            let stamp = |version: &u64| *version > 0 && piece == &block(lba, *version)[..16];
            versions.iter().any(stamp) || (versions.contains(&0) && piece == [0; 16])
        };
        if !sectors(lba).all(fits) {
            return Err(format!("block {lba} has none of the versions {versions:?}"));
        }
    }
    for zone in 0..OVERWRITTEN {
        let condition = disk.zone(zone).condition;
        let must = promise.zones[zone as usize][0].condition;
        if must.is_some_and(|must| must != condition) {
            return Err(format!("zone {zone} is {condition:?}, promised: {must:?}"));
        }
    }
    for zone in OVERWRITTEN..ZONES {
        let word = disk.word(zone);
        let condition = disk.zone(zone).condition;
        let start = u64::from(zone * ZONE);
        let holds = |allowed: &Allowed| {
            (allowed.least..=allowed.most).contains(&written(word))
                && allowed.condition.is_none_or(|must| must == condition)
                && (start..start + u64::from(written(word))).all(|lba| {
                    let expected = block(lba, allowed.resets);
                    sectors(lba).all(|piece| piece == &expected[..16])
                })
        };
        let promised = &promise.zones[zone as usize];
        if !promised.iter().any(holds) {
            let seen = written(word);
            return Err(format!(
                "zone {zone}, {condition:?}, has {seen} blocks, promised: {promised:?}"
            ));
        }
    }
    Ok(())
}
