//! What each kind of fault does to commands, and what it leaves alone.

mod common;

use std::sync::mpsc::{channel, Receiver};
use std::time::{Duration, Instant};

use command::Outcome;

use common::*;
use faults::{Kind, Place, Rule, RuleError};
use zoned::{Condition, Submitted, Ticket, ZonedDisk};

#[test]
fn a_read_error_names_the_block_and_gives_what_is_before_it() {
    let disk = disk();
    write(&disk, start(5), 64);
    disk.add(&at_blocks(Kind::ReadError, start(5) + 10, 2))
        .unwrap();
    let (outcome, data) = read(&disk, start(5), 64);
    assert_eq!(said(&outcome), "3/11/00");
    assert_eq!(information(&outcome), Some(start(5) as u32 + 10));
    assert_eq!(data, vec![0x5A; 10 * 512]);
    let (outcome, data) = read(&disk, start(5) + 11, 8);
    assert_eq!((said(&outcome), data.len()), ("3/11/00".into(), 0));
    assert_eq!(information(&outcome), Some(start(5) as u32 + 11));
    for (lba, blocks) in [(start(5), 10), (start(5) + 12, 52)] {
        assert_eq!(said(&read(&disk, lba, blocks).0), "ok");
    }
    // VERIFY reads too; WRITE does not.
    let (verify, _) = run(&disk, &cdb16(0x8F, start(5), 64), &[], 0);
    assert_eq!(said(&verify), "3/11/00");
    assert_eq!(said(&write(&disk, start(5) + 64, 8)), "ok");
}

#[test]
fn a_fault_of_the_medium_leaves_commands_without_a_block_of_it_alone() {
    let disk = disk();
    for kind in [Kind::ReadError, Kind::WriteError, Kind::BitFlip] {
        disk.add(&Rule::new(kind)).unwrap();
    }
    assert_eq!(said(&read(&disk, start(5), 0).0), "ok");
    assert_eq!(said(&write(&disk, start(5), 0)), "ok");
    let outside = start(disk.ram.geometry().zones().into());
    assert_eq!(said(&read(&disk, outside, 1).0), "5/21/00");
    for listed in disk.list() {
        assert_eq!((listed.matched, listed.fired), (0, 0));
    }
}

#[test]
fn a_read_error_for_every_size_of_cdb() {
    let disk = disk();
    let lba = 16u8;
    disk.add(&at_blocks(Kind::ReadError, u64::from(lba), 1))
        .unwrap();
    let cdbs: [&[u8]; 4] = [
        &[0x08, 0, 0, lba - 4, 8, 0],
        &[0x28, 0, 0, 0, 0, lba - 4, 0, 0, 8, 0],
        &[0xA8, 0, 0, 0, 0, lba - 4, 0, 0, 0, 8, 0, 0],
        &cdb16(0x88, u64::from(lba) - 4, 8),
    ];
    for cdb in cdbs {
        let (outcome, data) = run(&disk, cdb, &[], 4096);
        assert_eq!((said(&outcome), data.len()), ("3/11/00".into(), 4 * 512));
    }
}

#[test]
fn sense_data_have_the_format_that_was_selected() {
    let disk = disk();
    // The control mode page as it is, with D_SENSE set.
    let (_, mut page) = run(&disk, &[0x1A, 0x08, 0x0A, 0, 64, 0], &[], 64);
    page[..4].fill(0);
    page[6] |= 0x04;
    let mode_select = [0x15, 0x10, 0, 0, page.len() as u8, 0];
    assert_eq!(said(&run(&disk, &mode_select, &page, 0).0), "ok");
    disk.add(&Rule::new(Kind::ReadError)).unwrap();
    let (outcome, _) = read(&disk, 7, 1);
    let sense = &outcome.sense;
    assert_eq!(sense[..4], [0x72, 0x03, 0x11, 0x00]);
    assert_eq!(sense[12..20], 7u64.to_be_bytes());
}

#[test]
fn a_write_error_writes_nothing() {
    let disk = disk();
    disk.add(&at_zone(Kind::WriteError, 5)).unwrap();
    let failed = write(&disk, start(5), 8);
    assert_eq!(said(&failed), "3/03/00");
    assert_eq!(
        (information(&failed), failed.consumed),
        (Some(start(5) as u32), 0)
    );
    let mut same = cdb16(0x93, start(5), 8);
    same[1] = 1;
    assert_eq!(said(&run(&disk, &same, &[], 0).0), "3/03/00");
    assert_eq!(disk.ram.zone(5).condition, Condition::Empty);
    assert_eq!(said(&write(&disk, start(6), 8)), "ok");
    assert_eq!(said(&read(&disk, start(5), 8).0), "ok");
}

#[test]
fn answers_in_place_of_the_command() {
    for (kind, expected) in [
        (Kind::Aborted, "B/00/00"),
        (Kind::Busy, "busy"),
        (Kind::UnitAttention(0x2900), "6/29/00"),
        (Kind::UnitAttention(0x3F0E), "6/3F/0E"),
    ] {
        let disk = disk();
        disk.add(&Rule {
            count: Some(1),
            ..at_zone(kind, 5)
        })
        .unwrap();
        assert_eq!(said(&write(&disk, start(4), 8)), "ok");
        assert_eq!(said(&write(&disk, start(5), 8)), expected);
        assert_eq!(said(&write(&disk, start(5), 8)), "ok");
    }
}

#[test]
fn a_command_about_no_blocks_has_to_be_named() {
    let disk = disk();
    let inquiry = [0x12, 0, 0, 0, 96, 0];
    disk.add(&Rule::new(Kind::Aborted)).unwrap();
    assert_eq!(said(&run(&disk, &[0; 6], &[], 0).0), "ok");
    assert_eq!(report(&disk, 0).len(), 16);
    disk.add(&at_command(Kind::Busy, "TEST UNIT READY"))
        .unwrap();
    disk.add(&at_command(Kind::UnitAttention(0x2900), "inquiry"))
        .unwrap();
    assert_eq!(said(&run(&disk, &[0; 6], &[], 0).0), "busy");
    // INQUIRY is answered whatever is pending (SPC-5, 5.14).
    assert_eq!(said(&run(&disk, &inquiry, &[], 96).0), "ok");
    disk.add(&at_command(Kind::Busy, "0x12")).unwrap();
    assert_eq!(said(&run(&disk, &inquiry, &[], 96).0), "busy");
    assert_eq!(said(&write(&disk, 0, 8)), "B/00/00");
    disk.add(&Rule {
        place: Place::Zone(5),
        ..at_command(Kind::Busy, "report-zones")
    })
    .unwrap();
    let from = |zone| run(&disk, &cdb16(0x95, start(zone), 4096), &[], 4096).0;
    assert_eq!(
        (said(&from(4)), said(&from(6))),
        ("busy".into(), "ok".into())
    );
}

#[test]
fn no_zone_resources_for_what_would_open_a_zone() {
    let disk = disk();
    write(&disk, start(5), 8);
    disk.add(&Rule::new(Kind::NoZoneResources)).unwrap();
    for (outcome, expected) in [
        (write(&disk, start(5) + 8, 8), "ok"),
        (write(&disk, start(6), 8), "7/55/0E"),
        (write(&disk, start(1), 8), "ok"),
        (read(&disk, start(6), 8).0, "ok"),
        (zone_out(&disk, 3, 5), "7/55/0E"),
        (zone_out(&disk, 3, 6), "7/55/0E"),
        (zone_out(&disk, 1, 5), "ok"),
        (write(&disk, start(5) + 16, 8), "7/55/0E"),
        (zone_out(&disk, 2, 5), "ok"),
        (zone_out(&disk, 4, 5), "ok"),
    ] {
        assert_eq!(said(&outcome), expected);
    }
}

/// A command that waits, and may be taken back or hurried.
fn waiting(submitted: Submitted<Outcome>) -> (Ticket, Receiver<Outcome>) {
    let Submitted::Pending(pending) = submitted else {
        panic!("it does not wait");
    };
    let (told, outcome) = channel();
    let ticket = pending.ticket();
    pending.then(move |ended| told.send(ended).expect("the test waits"));
    (ticket, outcome)
}

fn delayed_by(time: Duration) -> Disk {
    let disk = disk();
    disk.add(&Rule {
        count: Some(1),
        ..at_zone(Kind::Delay(time), 5)
    })
    .unwrap();
    disk
}

#[test]
fn a_delay_comes_first_then_the_command() {
    let disk = delayed_by(Duration::from_millis(30));
    let begun = Instant::now();
    assert_eq!(said(&write(&disk, start(5), 8)), "ok");
    assert!(begun.elapsed() >= Duration::from_millis(30));
    assert_eq!(disk.ram.zone(5).write_pointer, Some(start(5) + 8));
}

#[test]
fn a_delay_holds_nothing_else_up_and_can_be_cut_short() {
    let disk = delayed_by(Duration::from_secs(3600));
    let (ticket, outcome) = waiting(begin(&disk, &cdb16(0x8A, start(5), 8), &[0x5A; 4096], 0).0);
    assert_eq!(said(&write(&disk, start(6), 8)), "ok");
    assert_eq!(said(&read(&disk, start(5), 8).0), "ok");
    assert_eq!(disk.ram.zone(5).condition, Condition::Empty);
    ticket.hurry();
    assert_eq!(said(&outcome.recv().expect("an answer")), "ok");
    assert_eq!(disk.ram.zone(5).write_pointer, Some(start(5) + 8));
}

#[test]
fn a_delayed_command_that_is_taken_back_never_reaches_the_disk() {
    let disk = delayed_by(Duration::from_secs(3600));
    let (ticket, outcome) = waiting(begin(&disk, &cdb16(0x8A, start(5), 8), &[0x5A; 4096], 0).0);
    assert!(ticket.withdraw());
    assert!(outcome.recv().is_err(), "nobody is left to answer");
    assert_eq!(disk.ram.zone(5).condition, Condition::Empty);
    assert_eq!(said(&write(&disk, start(5), 8)), "ok");
}

#[test]
fn no_answer_and_nothing_done() {
    let disk = disk();
    disk.add(&Rule {
        count: Some(1),
        ..at_zone(Kind::NoAnswer, 5)
    })
    .unwrap();
    let (submitted, _) = begin(&disk, &cdb16(0x8A, start(5), 8), &[0; 4096], 0);
    assert_eq!(submitted.wait(), None);
    assert_eq!(disk.ram.zone(5).condition, Condition::Empty);
    assert_eq!(said(&write(&disk, start(5), 8)), "ok");
}

#[test]
fn a_bit_flips_where_the_rule_says_and_only_on_the_way() {
    let disk = disk();
    write(&disk, start(5), 64);
    let number = disk
        .add(&at_blocks(Kind::BitFlip, start(5) + 8, 4))
        .unwrap();
    let mut places = Vec::new();
    for _ in 0..20 {
        let (outcome, data) = read(&disk, start(5), 64);
        assert_eq!(said(&outcome), "ok");
        let wrong: Vec<_> = (0..data.len()).filter(|at| data[*at] != 0x5A).collect();
        assert_eq!(wrong.len(), 1);
        assert!((8 * 512..12 * 512).contains(&wrong[0]));
        assert_eq!((data[wrong[0]] ^ 0x5A).count_ones(), 1);
        places.push(wrong[0]);
    }
    places.dedup();
    assert!(places.len() > 10);
    assert!(disk.remove(number));
    assert_eq!(read(&disk, start(5), 64).1, vec![0x5A; 64 * 512]);
}

#[test]
fn a_reset_is_recommended_until_it_is_done() {
    let disk = disk();
    write(&disk, start(5), 8);
    disk.add(&at_zone(Kind::ResetRecommended, 5)).unwrap();
    let listed = report(&disk, 0x10);
    assert_eq!(listed.len(), 1);
    assert_eq!(listed[0][16..24], start(5).to_be_bytes());
    let bits: Vec<_> = report(&disk, 0).iter().map(|zone| zone[1] & 1).collect();
    assert_eq!(bits.iter().position(|bit| *bit == 1), Some(5));
    assert_eq!(bits.iter().sum::<u8>(), 1);
    assert_eq!(said(&write(&disk, start(5) + 8, 8)), "ok");
    assert_eq!(said(&zone_out(&disk, 4, 5)), "ok");
    assert!(report(&disk, 0x10).is_empty());
}

#[test]
fn no_fault_of_a_zone_happens_to_a_conventional_one() {
    let disk = disk();
    for kind in [Kind::ResetRecommended, Kind::ReadOnly, Kind::Offline] {
        for place in [Place::Zone(1), Place::Blocks(start(1)..start(5) + 1)] {
            let rule = Rule {
                place,
                ..Rule::new(kind.clone())
            };
            let refused = disk.add(&rule);
            assert!(matches!(refused, Err(RuleError::Conventional(1))));
        }
    }
    assert_eq!(disk.ram.zone(1).condition, Condition::NotWritePointer);
    assert!(disk.list().is_empty());
}

#[test]
fn zones_go_read_only_and_offline_at_once_and_for_good() {
    let disk = disk();
    for zone in [5, 6] {
        write(&disk, start(zone), 8);
    }
    let number = disk.add(&at_zone(Kind::ReadOnly, 5)).unwrap();
    disk.add(&at_zone(Kind::Offline, 6)).unwrap();
    assert_eq!(disk.list()[0].fired, 1);
    disk.remove(number);
    assert_eq!(disk.ram.zone(5).condition, Condition::ReadOnly);
    assert_eq!(report(&disk, 0x06).len(), 1);
    assert_eq!(report(&disk, 0x07).len(), 1);
    for (outcome, expected) in [
        (read(&disk, start(5), 8).0, "ok"),
        (write(&disk, start(5) + 8, 8), "7/27/08"),
        (zone_out(&disk, 4, 5), "7/27/08"),
        (read(&disk, start(6), 8).0, "7/2C/0E"),
        (write(&disk, start(6) + 8, 8), "7/2C/0E"),
        (zone_out(&disk, 2, 6), "7/2C/0E"),
    ] {
        assert_eq!(said(&outcome), expected);
    }
    // A zone that failed is open no more: the others may all be.
    for zone in 7..11 {
        assert_eq!(said(&zone_out(&disk, 3, zone)), "ok");
    }
    disk.add(&at_zone(Kind::ReadOnly, 6)).unwrap();
    assert_eq!(disk.ram.zone(6).condition, Condition::Offline);
}

#[test]
fn a_zone_fails_at_the_command_that_its_rule_waits_for() {
    let disk = disk();
    disk.add(&Rule {
        after: 2,
        ..at_zone(Kind::ReadOnly, 5)
    })
    .unwrap();
    assert_eq!(said(&write(&disk, start(5), 8)), "ok");
    assert_eq!(said(&write(&disk, start(5) + 8, 8)), "ok");
    assert_eq!(said(&write(&disk, start(5) + 16, 8)), "7/27/08");
}
