//! Reservations between several initiators, and what each of them is told.

mod common;

use std::sync::Arc;

use command::Unit;
use common::*;
use scsi::LogicalUnit;

const KEY: [u64; 3] = [0xA0, 0xB0, 0xC0];

const WRITE_EXCLUSIVE: u8 = 1;
const EXCLUSIVE_ACCESS: u8 = 3;
const WRITE_EXCLUSIVE_REGISTRANTS: u8 = 5;
const EXCLUSIVE_ACCESS_REGISTRANTS: u8 = 6;
const WRITE_EXCLUSIVE_ALL: u8 = 7;

const REGISTER: u8 = 0;
const RESERVE: u8 = 1;
const RELEASE: u8 = 2;
const CLEAR: u8 = 3;
const PREEMPT: u8 = 4;
const PREEMPT_AND_ABORT: u8 = 5;
const REGISTER_AND_IGNORE: u8 = 6;

const TEST_UNIT_READY: [u8; 6] = [0; 6];
const RESERVE_6: [u8; 6] = [0x16, 0, 0, 0, 0, 0];
const RELEASE_6: [u8; 6] = [0x17, 0, 0, 0, 0, 0];
const RESERVE_10: [u8; 10] = [0x56, 0, 0, 0, 0, 0, 0, 0, 0, 0];
const RELEASE_10: [u8; 10] = [0x57, 0, 0, 0, 0, 0, 0, 0, 0, 0];

fn out(action: u8, kind: u8, len: u8) -> [u8; 10] {
    [0x5F, action, kind, 0, 0, 0, 0, 0, len, 0]
}

fn list(key: u64, action_key: u64, flags: u8) -> Vec<u8> {
    let mut list = key.to_be_bytes().to_vec();
    list.extend(action_key.to_be_bytes());
    list.extend([0, 0, 0, 0, flags, 0, 0, 0]);
    list
}

fn persistent(disk: &Disk, who: u8, action: u8, kind: u8, key: u64, action_key: u64) -> String {
    let list = list(key, action_key, 0);
    disk.run_as(who, &out(action, kind, 24), &list).sense()
}

fn read(disk: &Disk, who: u8, action: u8) -> Vec<u8> {
    let cdb = [0x5E, action, 0, 0, 0, 0, 0, 0xFF, 0xFF, 0];
    disk.run_as(who, &cdb, &[]).good()
}

/// Initiators 0 to 2 are there, 0 and 1 registered.
fn two() -> Disk {
    let disk = Disk::new(small());
    for who in 1..3 {
        assert_eq!(disk.run_as(who, &TEST_UNIT_READY, &[]).sense(), "6/29/00");
    }
    for who in 0..2 {
        let registered = persistent(&disk, who, REGISTER, 0, 0, KEY[usize::from(who)]);
        assert_eq!(registered, "ok");
    }
    disk
}

fn reserved(kind: u8) -> Disk {
    let disk = two();
    assert_eq!(persistent(&disk, 0, RESERVE, kind, KEY[0], 0), "ok");
    disk
}

/// A unit over the disk of this one, as after a power cycle.
fn cycled(disk: Disk) -> Disk {
    let ram = Arc::clone(&disk.ram);
    drop(disk);
    Disk {
        unit: LogicalUnit::new(ram.clone(), identity()),
        ram,
    }
}

fn tur(disk: &Disk, who: u8) -> String {
    disk.run_as(who, &TEST_UNIT_READY, &[]).sense()
}

#[test]
fn what_is_read_of_reservations() {
    let disk = reserved(WRITE_EXCLUSIVE_REGISTRANTS);
    let keys = read(&disk, 2, 0);
    assert_eq!(keys[..8], [0, 0, 0, 2, 0, 0, 0, 16]);
    assert_eq!(
        keys[8..],
        [KEY[0].to_be_bytes(), KEY[1].to_be_bytes()].concat()
    );

    let reservation = read(&disk, 2, 1);
    assert_eq!(reservation[4..8], [0, 0, 0, 16]);
    assert_eq!(reservation[8..16], KEY[0].to_be_bytes());
    assert_eq!(reservation[16..], [0, 0, 0, 0, 0, 5, 0, 0]);

    let capabilities = read(&disk, 2, 2);
    assert_eq!(capabilities, [0, 8, 0x01, 0xB0, 0xEA, 0x01, 0, 0]);

    let status = read(&disk, 2, 3);
    assert_eq!(status[4..8], [0, 0, 0, 96]);
    let (holder, other) = status[8..].split_at(48);
    assert_eq!(holder[..8], KEY[0].to_be_bytes());
    assert_eq!(holder[12..14], [0x01, 5]);
    assert_eq!(other[12..14], [0, 0]);
    assert_eq!(other[18..24], [0, 1, 0, 0, 0, 24]);
    let id = [6, 0, 0, 0, 0x30, 0, 0, 0, 0, 0, 0, 1];
    assert_eq!(other[24..], [&id[..], &[0; 12]].concat());

    // No more than there is room for; where nothing is reserved, nothing is read.
    let short = disk.run(&[0x5E, 0, 0, 0, 0, 0, 0, 0, 12, 0]).good();
    assert_eq!(short, keys[..12]);
    assert_eq!(read(&two(), 0, 1), [0, 0, 0, 2, 0, 0, 0, 0]);
}

#[test]
fn which_commands_a_reservation_refuses() {
    let mode_sense = [0x1A, 0, 0x08, 0, 0xFF, 0];
    let start = [0x1B, 0, 0, 0, 1, 0];
    let stop = [0x1B, 0, 0, 0, 0, 0];
    let commands: [(&[u8], bool, bool); 18] = [
        // Whether another one may, under write exclusive, and under exclusive access.
        (&TEST_UNIT_READY, true, true),
        (&[0x12, 0, 0, 0, 96, 0], true, true),
        (&[0x4D, 0, 0x42, 0, 0, 0, 0, 0, 0xFF, 0], true, true),
        (&[0x25, 0, 0, 0, 0, 0, 0, 0, 0, 0], true, true),
        (&[0xA3, 0x0F, 0, 0, 0, 0, 0, 0, 0, 12, 0, 0], true, true),
        (&[0x5E, 0, 0, 0, 0, 0, 0, 0, 8, 0], true, true),
        (&start, true, true),
        (&read16(0, 1), true, false),
        (&verify16(0, 1, false), true, false),
        (&report_zones(0, 64, 0), true, false),
        (&mode_sense, true, false),
        (&[0xA3, 0x0C, 0, 0, 0, 0, 0, 0, 4, 0, 0, 0], true, false),
        (&write16(0, 1), false, false),
        (&zone_out(RESET, 4 * 64), false, false),
        (&[0x35, 0, 0, 0, 0, 0, 0, 0, 0, 0], false, false),
        (&[0x04, 0, 0, 0, 0, 0], false, false),
        (&[0x48, 0x03, 0, 0, 0, 0, 0, 0, 0, 0], false, false),
        (&stop, false, false),
    ];
    for (kind, is_exclusive) in [(WRITE_EXCLUSIVE, false), (EXCLUSIVE_ACCESS, true)] {
        let disk = reserved(kind);
        for (cdb, shared, exclusive) in commands {
            for who in 1..3 {
                let allowed = if is_exclusive { exclusive } else { shared };
                let said = disk.run_as(who, cdb, &[0; 512]).sense();
                assert_eq!(
                    said,
                    if allowed { "ok" } else { "conflict" },
                    "{who}: {cdb:x?}"
                );
            }
            assert_eq!(disk.run_as(0, cdb, &[0; 512]).sense(), "ok", "{cdb:x?}");
        }
    }
    for kind in [EXCLUSIVE_ACCESS_REGISTRANTS, WRITE_EXCLUSIVE_ALL] {
        let disk = reserved(kind);
        for (cdb, ..) in commands {
            assert_eq!(disk.run_as(1, cdb, &[0; 512]).sense(), "ok", "{cdb:x?}");
        }
        assert_eq!(
            disk.run_as(2, &write16(0, 1), &[0; 512]).sense(),
            "conflict"
        );
    }
}

#[test]
fn an_attention_comes_before_a_conflict_and_that_before_the_cdb() {
    let disk = reserved(EXCLUSIVE_ACCESS);
    let mut wrong = read16(u64::MAX, 1);
    wrong[15] = 0xFF;
    assert_eq!(disk.run_as(7, &wrong, &[]).sense(), "6/29/00");
    assert_eq!(disk.run_as(7, &wrong, &[]).sense(), "conflict");
    assert_eq!(disk.run_as(7, &[0x99; 16], &[]).sense(), "5/20/00");
    assert_eq!(disk.run_as(0, &wrong, &[]).sense(), "5/24/00");
}

#[test]
fn keys_and_types_that_do_not_fit() {
    let disk = reserved(WRITE_EXCLUSIVE_REGISTRANTS);
    let run =
        |who, action, kind, key, action_key| persistent(&disk, who, action, kind, key, action_key);
    for (who, action, key, action_key) in [
        (0, REGISTER, KEY[1], 5),
        (2, REGISTER, KEY[1], 5),
        (1, RESERVE, KEY[1], 0),
        (2, RELEASE, 0, 0),
        (0, CLEAR, KEY[1], 0),
        (1, PREEMPT, KEY[0], KEY[0]),
        (1, PREEMPT, KEY[1], 5),
        (1, PREEMPT_AND_ABORT, KEY[1], 5),
    ] {
        let said = run(who, action, WRITE_EXCLUSIVE_REGISTRANTS, key, action_key);
        assert_eq!(said, "conflict", "{who} {action}");
    }
    assert_eq!(run(0, RELEASE, WRITE_EXCLUSIVE, KEY[0], 0), "5/26/04");
    assert_eq!(run(1, PREEMPT, WRITE_EXCLUSIVE, KEY[1], 0), "5/26/00");
    for action in [RESERVE, RELEASE] {
        assert_eq!(run(0, action, 2, KEY[0], 0), "5/24/00");
        assert_eq!(run(0, action, 0x10 | WRITE_EXCLUSIVE, KEY[0], 0), "5/24/00");
    }
    // What is taken over needs a type; where registrations alone are removed, there is none.
    assert_eq!(run(1, PREEMPT, 0, KEY[1], KEY[0]), "5/24/00");
    assert_eq!(run(0, PREEMPT, 0, KEY[0], KEY[1]), "ok");
    assert_eq!(run(0, REGISTER, 0xFF, KEY[0], KEY[0]), "ok");
    assert_eq!(run(0, 7, 0, KEY[0], 0), "5/24/00");
}

#[test]
fn parameter_lists_that_do_not_fit() {
    let disk = two();
    let run = |action, len, flags| {
        let mut list = list(KEY[0], KEY[0], flags);
        list.resize(64, 0);
        disk.run_as(0, &out(action, WRITE_EXCLUSIVE, len), &list)
            .sense()
    };
    assert_eq!(run(REGISTER, 23, 0), "5/1A/00");
    assert_eq!(run(REGISTER, 25, 0), "5/1A/00");
    assert_eq!(run(REGISTER, 0, 0), "5/1A/00");
    // SPEC_I_PT, ALL_TG_PT: not capable. ALL_TG_PT counts only where it means something.
    assert_eq!(run(REGISTER, 24, 0x08), "5/26/00");
    assert_eq!(run(REGISTER, 52, 0x08), "5/26/00");
    assert_eq!(run(CLEAR, 24, 0x08), "5/26/00");
    assert_eq!(run(REGISTER, 24, 0x04), "5/26/00");
    assert_eq!(run(REGISTER_AND_IGNORE, 24, 0x04), "5/26/00");
    assert_eq!(run(RESERVE, 24, 0x04), "ok");
    let cdb = out(REGISTER, 0, 24);
    assert!(disk.run_sized(&cdb, &[0; 23], 0).is_none(), "an overrun");
}

#[test]
fn who_is_told_of_what() {
    let disk = reserved(WRITE_EXCLUSIVE_REGISTRANTS);
    assert_eq!(persistent(&disk, 2, REGISTER, 0, 0, KEY[2]), "ok");
    let told = |what: [&str; 3]| {
        for (who, what) in (0..).zip(what) {
            assert_eq!(tur(&disk, who), what, "{who}");
            assert_eq!(tur(&disk, who), "ok", "{who}");
        }
    };
    let run = |who, action, kind, key, action_key| {
        assert_eq!(persistent(&disk, who, action, kind, key, action_key), "ok");
    };
    run(0, RELEASE, WRITE_EXCLUSIVE_REGISTRANTS, KEY[0], 0);
    told(["ok", "6/2A/04", "6/2A/04"]);
    run(1, RESERVE, WRITE_EXCLUSIVE_REGISTRANTS, KEY[1], 0);
    run(1, REGISTER, 0, KEY[1], 0);
    told(["6/2A/04", "ok", "6/2A/04"]);
    run(0, RESERVE, WRITE_EXCLUSIVE, KEY[0], 0);
    run(1, REGISTER_AND_IGNORE, 0, 77, KEY[1]);
    run(2, PREEMPT, EXCLUSIVE_ACCESS, KEY[2], KEY[0]);
    told(["6/2A/05", "6/2A/04", "ok"]);
    run(1, PREEMPT_AND_ABORT, EXCLUSIVE_ACCESS, KEY[1], KEY[2]);
    told(["ok", "ok", "6/2A/05"]);
    run(2, REGISTER, 0, 0, KEY[2]);
    run(2, CLEAR, 0, KEY[2], 0);
    told(["ok", "6/2A/03", "ok"]);
    assert_eq!(read(&disk, 0, 0)[4..], [0; 4]);
    assert_eq!(disk.run_as(0, &write16(0, 1), &[0; 512]).sense(), "ok");
}

#[test]
fn what_is_not_to_persist_is_gone_with_the_power() {
    let disk = reserved(EXCLUSIVE_ACCESS);
    disk.unit.reset();
    assert_eq!(tur(&disk, 1), "6/29/03");
    assert_eq!(disk.run_as(1, &read16(0, 1), &[]).sense(), "conflict");
    let disk = cycled(disk);
    assert_eq!(tur(&disk, 1), "6/29/00");
    assert_eq!(read(&disk, 1, 0), [0; 8]);
    assert_eq!(disk.run_as(1, &read16(0, 1), &[]).sense(), "ok");
}

#[test]
fn what_persists_is_there_after_the_power() {
    let disk = two();
    let register = |disk: &Disk, flags| {
        let done = disk.run_with(&out(REGISTER, 0, 24), &list(KEY[0], KEY[0], flags));
        assert_eq!(done.sense(), "ok");
    };
    register(&disk, 1);
    assert_eq!(read(&disk, 0, 2)[3], 0xB1);
    assert_eq!(
        persistent(&disk, 0, RESERVE, EXCLUSIVE_ACCESS, KEY[0], 0),
        "ok"
    );
    let before = read(&disk, 0, 3);

    let disk = cycled(disk);
    for who in 0..2 {
        assert_eq!(tur(&disk, who), "6/29/00");
    }
    assert_eq!(read(&disk, 0, 3)[4..], before[4..]);
    assert_eq!(read(&disk, 0, 3)[..4], [0; 4], "the generation begins anew");
    assert_eq!(read(&disk, 0, 2)[3], 0xB1);
    assert_eq!(disk.run_as(1, &read16(0, 1), &[]).sense(), "conflict");
    assert_eq!(disk.run_as(0, &read16(0, 1), &[]).sense(), "ok");

    register(&disk, 0);
    assert_eq!(read(&disk, 0, 2)[3], 0xB0);
    let disk = cycled(disk);
    assert_eq!(tur(&disk, 0), "6/29/00");
    assert_eq!(read(&disk, 0, 0)[4..], [0; 4]);
}

#[test]
fn reserve_and_release_the_unit() {
    let disk = two();
    for (reserve, release) in [(&RESERVE_6[..], &RELEASE_6[..]), (&RESERVE_10, &RELEASE_10)] {
        // Registrants are in the way of both, whoever sends them.
        for who in 0..3 {
            assert_eq!(disk.run_as(who, reserve, &[]).sense(), "conflict");
            assert_eq!(disk.run_as(who, release, &[]).sense(), "conflict");
        }
    }
    assert_eq!(persistent(&disk, 0, CLEAR, 0, KEY[0], 0), "ok");
    assert_eq!(tur(&disk, 1), "6/2A/03");

    assert_eq!(disk.run_as(0, &RESERVE_6, &[]).sense(), "ok");
    assert_eq!(disk.run_as(0, &RESERVE_10, &[]).sense(), "ok");
    assert_eq!(disk.run_as(1, &RESERVE_6, &[]).sense(), "conflict");
    for cdb in [
        &TEST_UNIT_READY[..],
        &read16(0, 1),
        &[0x1A, 0, 8, 0, 255, 0],
    ] {
        assert_eq!(disk.run_as(1, cdb, &[]).sense(), "conflict", "{cdb:x?}");
        assert_eq!(disk.run_as(0, cdb, &[]).sense(), "ok", "{cdb:x?}");
    }
    for cdb in [&[0x12, 0, 0, 0, 96, 0][..], &[3, 0, 0, 0, 18, 0]] {
        assert_eq!(disk.run_as(1, cdb, &[]).sense(), "ok", "{cdb:x?}");
    }
    // Persistent ones are in conflict, whoever sends them.
    for who in 0..2 {
        assert_eq!(persistent(&disk, who, REGISTER, 0, 0, 1), "conflict");
        let capabilities = disk.run_as(who, &[0x5E, 2, 0, 0, 0, 0, 0, 0, 8, 0], &[]);
        assert_eq!(capabilities.sense(), "conflict");
    }
    assert_eq!(disk.run_as(1, &RELEASE_6, &[]).sense(), "ok");
    assert_eq!(tur(&disk, 1), "conflict");
    assert_eq!(disk.run_as(0, &RELEASE_10, &[]).sense(), "ok");
    assert_eq!(tur(&disk, 1), "ok");
    // Of a third party, of a part: there are none.
    assert_eq!(disk.run(&[0x16, 0x10, 0, 0, 0, 0]).sense(), "5/24/00");
    assert_eq!(
        disk.run(&[0x57, 0x10, 0, 1, 0, 0, 0, 0, 0, 0]).sense(),
        "5/24/00"
    );
}

#[test]
fn a_reset_releases_what_reserve_reserved() {
    let disk = Disk::new(small());
    assert_eq!(disk.run(&RESERVE_6).sense(), "ok");
    disk.unit.reset();
    assert_eq!(tur(&disk, 1), "6/29/03");
    assert_eq!(tur(&disk, 1), "ok");
}

/// Of two at a time, whoever is answered first.
#[test]
fn what_is_kept_is_what_the_last_one_left() {
    let disk = two();
    for round in 1..300 {
        std::thread::scope(|scope| {
            for who in 0..2 {
                let disk = &disk;
                scope.spawn(move || {
                    let list = list(0, round, 1);
                    let cdb = out(REGISTER_AND_IGNORE, 0, 24);
                    assert_eq!(disk.run_as(who, &cdb, &list).sense(), "ok");
                });
            }
        });
        let after = Disk {
            unit: LogicalUnit::new(disk.ram.clone(), identity()),
            ram: disk.ram.clone(),
        };
        tur(&after, 0);
        assert_eq!(read(&after, 0, 0)[4..], read(&disk, 0, 0)[4..], "{round}");
    }
}
