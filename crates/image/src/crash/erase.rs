//! FORMAT UNIT and SANITIZE in a workload, and what a disk has to say and to be on which they did not end.

use std::time::Duration;

use scsi::{fixed_sense, Status};
use zoned::Condition;

use super::promise::{check_zones, Allowed, Promise};
use super::{Workload, OVERWRITTEN, ZONES};
use crate::unit::Unit;

pub(super) const FORMAT_UNIT: [u8; 6] = [0x04, 0, 0, 0, 0, 0];
const CRYPTOGRAPHIC_ERASE: [u8; 10] = [0x48, 0x03, 0, 0, 0, 0, 0, 0, 0, 0];

impl Workload {
    /// FORMAT UNIT, or SANITIZE where no zone has failed.
    pub(super) fn erase(&mut self) {
        let failed = (0..ZONES).any(|zone| self.condition(zone) == Condition::ReadOnly);
        let mut erased = self.promise.clone();
        for zone in 0..ZONES as usize {
            if zone < OVERWRITTEN as usize {
                erased.zones[zone][0].condition = None;
            } else if self.condition(zone as u32) != Condition::ReadOnly {
                self.resets[zone] += 1;
                erased.zones[zone] = vec![Allowed {
                    resets: self.resets[zone],
                    least: 0,
                    most: 0,
                    condition: Some(Condition::Empty),
                }];
            }
        }
        for versions in &mut erased.blocks {
            *versions = vec![0];
        }
        self.promise.erased = Some(Box::new(erased.clone()));
        self.note();
        match failed || self.below(2) == 0 {
            true => self.execute(&FORMAT_UNIT, &[]),
            false => self.execute(&CRYPTOGRAPHIC_ERASE, &[]),
        }
        // Written again, it may be anything.
        for zone in &mut erased.zones {
            zone[0].condition = zone[0].condition.filter(|&one| one != Condition::Empty);
        }
        self.promise = erased;
    }
}

/// Whether the disk holds what it promised: as it was before it was to be erased, or erased, and nothing between.
///
/// One that is being sanitized ends that first, and one that was not formatted to the end is formatted.
pub(super) fn check(disk: &Unit, promise: &Promise) -> Result<(), String> {
    let erased = promise.erased.as_deref();
    let ready = || disk.run(&[0; 6], &[], 0).0.completion;
    let mut found = ready();
    while found.sense.starts_with(&[0x70, 0, 2]) {
        std::thread::sleep(Duration::from_millis(1));
        found = ready();
    }
    if found.status == Status::Good {
        return check_zones(disk, promise).or_else(|why| match erased {
            Some(erased) => check_zones(disk, erased),
            None => Err(why),
        });
    }
    let Some(erased) = erased.filter(|_| found.sense == fixed_sense(3, 0x3100)) else {
        return Err(format!("it is not ready: {found:x?}"));
    };
    disk.run(&FORMAT_UNIT, &[], 0);
    check_zones(disk, erased)
}
