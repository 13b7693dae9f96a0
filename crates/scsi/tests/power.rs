//! START STOP UNIT, with and without power conditions, and what REQUEST SENSE says of them.

mod common;

use command::Unit;
use common::*;
use scsi::Status;
use zoned::Op;

fn told(disk: &Disk) -> (u8, u8, u8) {
    let sense = disk.run(&[0x03, 0, 0, 0, 18, 0]).good();
    (sense[2], sense[12], sense[13])
}

#[test]
fn a_stopped_unit_is_not_ready() {
    let disk = Disk::new(small());
    let plan = disk.plan(&[0x1B, 0, 0, 0, 0, 0], &[]);
    assert_eq!(plan.op(), Op::Flush);
    assert_eq!(plan.finish(Ok(())).status, Status::Good);
    assert_eq!(disk.run(&[0; 6]).sense(), "2/04/02");
    assert_eq!(disk.run(&read16(0, 1)).sense(), "2/04/02");
    assert_eq!(told(&disk), (2, 4, 2));
    disk.run(&[0x12, 0, 0, 0, 96, 0]).good();
    disk.run(&[0x1B, 0, 0, 0, 1, 0]).good();
    disk.run(&[0; 6]).good();
    disk.run(&[0x1B, 0, 0, 0, 4, 0]).good();
    assert_eq!(disk.run(&[0; 6]).sense(), "2/04/02");
    disk.run(&[0x1B, 0, 0, 0, 0x10, 0]).good();
    disk.run(&[0; 6]).good();
}

#[test]
fn a_power_condition_lasts_until_the_medium_is_needed() {
    let disk = Disk::new(small());
    for (condition, modifier, qualifier) in [
        (0x2, 0, 0x03),
        (0x2, 1, 0x06),
        (0x2, 2, 0x08),
        (0x3, 0, 0x04),
        (0x3, 1, 0x0A),
        (0xA, 0, 0x03),
        (0xB, 0, 0x04),
    ] {
        disk.run(&[0x1B, 0, 0, modifier, condition << 4, 0]).good();
        assert_eq!(told(&disk), (0, 0x5E, qualifier));
        disk.run(&[0; 6]).good();
        disk.run(&[0x1B, 0, 0, 0, 0x70, 0]).good();
        assert_eq!(told(&disk), (0, 0x5E, qualifier), "nothing woke it");
        disk.run(&read16(0, 1)).good();
        assert_eq!(told(&disk), (0, 0, 0));
    }
    disk.run(&[0x1B, 0, 0, 0, 0x20, 0]).good();
    disk.unit.reset();
    disk.run(&[0; 6]);
    assert_eq!(told(&disk), (0, 0, 0));
}

#[test]
fn standby_flushes_and_idle_does_not() {
    let disk = Disk::new(small());
    assert_eq!(disk.plan(&[0x1B, 0, 0, 0, 0x30, 0], &[]).op(), Op::Flush);
    for byte in [0x34, 0x20] {
        assert!(disk.try_plan(&[0x1B, 0, 0, 0, byte, 0], &[]).is_none());
    }
}

#[test]
fn conditions_that_there_are_not_are_refused() {
    let disk = Disk::new(small());
    for (condition, modifier) in [(0x1, 1), (0x2, 3), (0x3, 2), (0x4, 0), (0x7, 1), (0xF, 0)] {
        let cdb = [0x1B, 0, 0, modifier, condition << 4, 0];
        assert_eq!(
            disk.run(&cdb).sense(),
            "5/24/00",
            "{condition:X}/{modifier}"
        );
    }
    assert_eq!(told(&disk), (0, 0, 0));
}
