//! Unit attentions of several initiators.

mod common;

use command::{Unit, MAX_INITIATORS};
use common::*;

const TEST_UNIT_READY: [u8; 6] = [0; 6];
const LAST: u8 = MAX_INITIATORS as u8 - 1;

fn told(disk: &Disk, who: u8) -> String {
    disk.run_as(who, &TEST_UNIT_READY, &[]).sense()
}

/// Of a disk that initiators 0, 1 and the last one know.
fn known() -> Disk {
    let disk = Disk::new(small());
    for who in [1, LAST] {
        assert_eq!(told(&disk, who), "6/29/00");
    }
    disk
}

fn set_timestamp(disk: &Disk, who: u8) {
    let cdb = [0xA4, 0x0F, 0, 0, 0, 0, 0, 0, 0, 12, 0, 0];
    assert_eq!(disk.run_as(who, &cdb, &[0; 12]).sense(), "ok");
}

fn set_cache(disk: &Disk, who: u8, on: u8) {
    let mut list = vec![0; 24];
    list[4..7].copy_from_slice(&[0x08, 0x12, on << 2]);
    let cdb = [0x15, 0x10, 0, 0, 24, 0];
    assert_eq!(disk.run_as(who, &cdb, &list).sense(), "ok");
}

#[test]
fn each_initiator_is_told_of_power_on() {
    let disk = known();
    for who in [0, 1, LAST] {
        assert_eq!(told(&disk, who), "ok");
    }
    assert_eq!(told(&disk, 2), "6/29/00");
}

#[test]
fn others_are_told_of_a_change_in_order() {
    let disk = known();
    set_cache(&disk, 0, 0);
    set_timestamp(&disk, 0);
    set_timestamp(&disk, 0);
    let reset = [0x4C, 2, 0, 0, 0, 0, 0, 0, 0, 0];
    assert_eq!(disk.run(&reset).sense(), "ok");
    assert_eq!(told(&disk, 0), "ok");
    for who in [1, LAST] {
        let all: Vec<String> = (0..4).map(|_| told(&disk, who)).collect();
        assert_eq!(all, ["6/2A/01", "6/2A/10", "6/2A/02", "ok"]);
    }
    // REQUEST SENSE tells it as data. What stays as it is, nobody is told of.
    set_timestamp(&disk, 1);
    let sense = disk.run(&[3, 0, 0, 0, 18, 0]).good();
    assert_eq!((sense[2], sense[12], sense[13]), (6, 0x2A, 0x10));
    set_cache(&disk, 1, 0);
    assert_eq!(told(&disk, 0), "ok");
    // One that is new knows no other state.
    assert_eq!(told(&disk, 2), "6/29/00");
    assert_eq!(told(&disk, 2), "ok");
}

#[test]
fn a_reset_replaces_what_was_pending() {
    let disk = known();
    set_timestamp(&disk, 0);
    disk.unit.reset();
    for who in [0, 1, 2, LAST] {
        assert_eq!(told(&disk, who), "6/29/03");
        assert_eq!(told(&disk, who), "ok");
    }
}
