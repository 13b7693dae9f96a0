//! Reservations between several hosts of a namespace: who may do what, what is reported, what outlives power.

mod common;

use common::*;
use reservations::{Table, KEPT_AS};
use zoned::ZonedDisk;

const REGISTER: u8 = 0x0D;
const REPORT: u8 = 0x0E;
const ACQUIRE: u8 = 0x11;
const RELEASE: u8 = 0x15;

const KEY: [u64; 3] = [0xA0, 0xB0, 0xC0];
const CONFLICT: &str = "0/83";
const INVALID: &str = "0/02";

const UNREGISTER: u32 = 1;
const REPLACE: u32 = 2;
const PREEMPT: u32 = 1;
const PREEMPT_AND_ABORT: u32 = 2;
const CLEAR: u32 = 1;
const IGNORE_KEY: u32 = 1 << 3;
const DOES_NOT_PERSIST: u32 = 0b10 << 30;
const PERSISTS: u32 = 0b11 << 30;

const WRITE_EXCLUSIVE: u32 = 1;
const EXCLUSIVE_ACCESS: u32 = 2;
const WRITE_EXCLUSIVE_REGISTRANTS: u32 = 3;
const EXCLUSIVE_ACCESS_ALL: u32 = 6;

fn bytes(keys: &[u64]) -> Vec<u8> {
    keys.iter().flat_map(|key| key.to_le_bytes()).collect()
}

fn number(bytes: &[u8]) -> u64 {
    let bytes = bytes.iter().rev();
    bytes.fold(0, |n, &byte| n << 8 | u64::from(byte))
}

impl Disk {
    fn register(&self, who: u8, options: u32, current: u64, new: u64) -> String {
        self.status_as(who, &entry(REGISTER, &[options]), &bytes(&[current, new]))
    }

    fn acquire(&self, who: u8, action: u32, kind: u32, victim: u64) -> String {
        let keys = bytes(&[KEY[usize::from(who)], victim]);
        self.status_as(who, &entry(ACQUIRE, &[action | kind << 8]), &keys)
    }

    fn release(&self, who: u8, action: u32, kind: u32) -> String {
        let key = bytes(&[KEY[usize::from(who)]]);
        self.status_as(who, &entry(RELEASE, &[action | kind << 8]), &key)
    }

    fn report(&self) -> Vec<u8> {
        self.good(&entry(REPORT, &[255]))
    }

    /// Type, and who is registered with which key; a holder's is negative.
    fn reserved(&self) -> (u8, Vec<(u64, i64)>) {
        let data = self.report();
        let controllers = data[24..].chunks(24).map(|one| {
            let key = number(&one[16..24]) as i64;
            (number(&one[..2]), if one[2] == 1 { -key } else { key })
        });
        (data[4], controllers.collect())
    }

    fn generation(&self) -> u64 {
        number(&self.report()[..4])
    }
}

/// Hosts 0 and 1 are registered; 2 is not.
fn two() -> Disk {
    let disk = Disk::new(zns());
    for who in 0..2 {
        assert_eq!(disk.register(who, 0, 0, KEY[usize::from(who)]), "ok");
    }
    disk
}

#[test]
fn each_type_refuses_what_it_should() {
    let reads = [
        blocks(READ, 0, 1),
        blocks(COMPARE, 0, 1),
        blocks(VERIFY, 0, 1),
        receive(0, 0, 64),
    ];
    let writes = [
        entry(FLUSH, &[]),
        blocks(WRITE_ZEROES, ZONE, 0x10000),
        entry(MANAGE_DATASET, &[0, 0]),
        send(RESET, 2),
        blocks(WRITE, 3 * ZONE + 1, 1),
        entry(APPEND, &[1, 0, 0]),
    ];
    let allowed = |disk: &Disk, who: u8, commands: &[[u8; 64]]| {
        let run = |one: &[u8; 64]| disk.status_as(who, one, &filled(1, 0)) != CONFLICT;
        let ran: Vec<bool> = commands.iter().map(run).collect();
        assert!(ran.iter().all(|one| *one == ran[0]), "{ran:?}");
        ran[0]
    };
    for (kind, of_registrant, of_other) in [
        (1, "r", "r"),
        (2, "", ""),
        (3, "rw", "r"),
        (4, "rw", ""),
        (5, "rw", "r"),
        (6, "rw", ""),
    ] {
        let disk = two();
        assert_eq!(disk.acquire(0, 0, kind, 0), "ok");
        for (who, may) in [(0, "rw"), (1, of_registrant), (2, of_other)] {
            let told = (allowed(&disk, who, &reads), allowed(&disk, who, &writes));
            let may = (may.contains('r'), may.contains('w'));
            assert_eq!(told, may, "type {kind}, host {who}");
        }
        assert_eq!(disk.release(0, 0, kind), "ok");
        assert!(allowed(&disk, 2, &reads) && allowed(&disk, 2, &writes));
    }
}

#[test]
fn hosts_register_replace_and_unregister() {
    let disk = Disk::new(zns());
    assert_eq!(disk.register(0, 0, 0, 0), INVALID, "no key is 0");
    assert_eq!(disk.register(0, 3, 0, 1), INVALID);
    assert_eq!(disk.register(0, 0b01 << 30, 0, 1), INVALID);
    assert_eq!(disk.generation(), 0);
    assert_eq!(disk.register(0, 0, 99, 1), "ok", "no key so far counts");
    assert_eq!(disk.register(0, 0, 0, 1), "ok", "the same one");
    assert_eq!(disk.register(0, 0, 1, 2), CONFLICT);
    assert_eq!(disk.register(0, REPLACE, 9, 2), CONFLICT);
    assert_eq!(disk.register(0, REPLACE, 1, 2), "ok");
    assert_eq!(disk.register(0, REPLACE | IGNORE_KEY, 9, 3), "ok");
    assert_eq!(disk.reserved(), (0, vec![(0, 3)]));
    assert_eq!(disk.generation(), 4);
    for options in [REPLACE, UNREGISTER, UNREGISTER | IGNORE_KEY] {
        assert_eq!(disk.register(1, options, 0, 5), CONFLICT, "{options:#x}");
    }
    assert_eq!(disk.register(1, REPLACE | IGNORE_KEY, 0, 5), "ok");
    assert_eq!(disk.register(0, UNREGISTER, 9, 0), CONFLICT);
    assert_eq!(disk.register(0, UNREGISTER, 3, 7), "ok");
    assert_eq!(disk.register(1, UNREGISTER | IGNORE_KEY, 9, 0), "ok");
    assert_eq!(disk.reserved(), (0, vec![]));
    let short = disk.status(&entry(REGISTER, &[0]), &[0; 15]);
    assert_eq!(short, "0/04");
}

#[test]
fn a_reservation_is_acquired_and_released() {
    let disk = two();
    for kind in [0, 7] {
        assert_eq!(disk.acquire(0, 0, kind, 0), INVALID);
        assert_eq!(disk.release(0, 0, kind), INVALID);
    }
    assert_eq!(disk.acquire(0, 3, WRITE_EXCLUSIVE, 0), INVALID);
    assert_eq!(disk.acquire(0, IGNORE_KEY, WRITE_EXCLUSIVE, 0), INVALID);
    assert_eq!(
        disk.acquire(2, 0, WRITE_EXCLUSIVE, 0),
        CONFLICT,
        "a stranger"
    );
    assert_eq!(disk.acquire(0, 0, WRITE_EXCLUSIVE, 0), "ok");
    assert_eq!(disk.acquire(0, 0, WRITE_EXCLUSIVE, 0), "ok", "once more");
    assert_eq!(disk.acquire(0, 0, EXCLUSIVE_ACCESS, 0), CONFLICT);
    assert_eq!(disk.acquire(1, 0, WRITE_EXCLUSIVE, 0), CONFLICT);
    assert_eq!(disk.reserved(), (1, vec![(0, -0xA0), (1, 0xB0)]));
    assert_eq!(
        disk.release(1, 0, WRITE_EXCLUSIVE),
        "ok",
        "it holds nothing"
    );
    assert_eq!(disk.release(2, 0, WRITE_EXCLUSIVE), CONFLICT);
    assert_eq!(disk.release(0, 0, EXCLUSIVE_ACCESS), INVALID);
    assert_eq!(disk.release(0, IGNORE_KEY, WRITE_EXCLUSIVE), INVALID);
    assert_eq!(disk.release(0, 2, WRITE_EXCLUSIVE), INVALID);
    assert_eq!(disk.reserved().0, 1);
    assert_eq!(disk.release(0, 0, WRITE_EXCLUSIVE), "ok");
    assert_eq!(disk.reserved(), (0, vec![(0, 0xA0), (1, 0xB0)]));

    assert_eq!(disk.acquire(0, 0, EXCLUSIVE_ACCESS_ALL, 0), "ok");
    assert_eq!(disk.reserved(), (6, vec![(0, -0xA0), (1, -0xB0)]));
    assert_eq!(disk.release(1, CLEAR, 0), "ok");
    assert_eq!(disk.reserved(), (0, vec![]));
}

#[test]
fn a_reservation_is_preempted() {
    for action in [PREEMPT, PREEMPT_AND_ABORT] {
        let disk = two();
        assert_eq!(disk.register(2, 0, 0, KEY[2]), "ok");
        assert_eq!(disk.acquire(0, 0, WRITE_EXCLUSIVE_REGISTRANTS, 0), "ok");
        let before = disk.generation();
        assert_eq!(disk.acquire(1, action, WRITE_EXCLUSIVE, 0xDEAD), CONFLICT);
        assert_eq!(disk.acquire(1, action, WRITE_EXCLUSIVE, 0), INVALID);
        assert_eq!(disk.acquire(1, action, 0, KEY[0]), INVALID, "no type");
        assert_eq!(disk.acquire(1, action, 0, KEY[2]), "ok", "a registration");
        assert_eq!(disk.reserved(), (3, vec![(0, -0xA0), (1, 0xB0)]));
        assert_eq!(disk.acquire(1, action, EXCLUSIVE_ACCESS, KEY[0]), "ok");
        assert_eq!(disk.reserved(), (2, vec![(1, -0xB0)]));
        assert_eq!(disk.generation(), before + 2);
        assert_eq!(disk.status_as(0, &blocks(READ, 0, 1), &[]), CONFLICT);

        assert_eq!(disk.release(1, 0, EXCLUSIVE_ACCESS), "ok");
        assert_eq!(disk.register(0, 0, 0, KEY[0]), "ok");
        assert_eq!(disk.acquire(1, 0, EXCLUSIVE_ACCESS_ALL, 0), "ok");
        assert_eq!(disk.acquire(0, action, WRITE_EXCLUSIVE, 0), "ok");
        assert_eq!(disk.reserved(), (1, vec![(0, -0xA0)]));
    }
}

#[test]
fn reports_have_two_forms_and_are_cut() {
    let disk = two();
    assert_eq!(disk.register(0, PERSISTS, 0, KEY[0]), "ok");
    assert_eq!(disk.acquire(1, 0, EXCLUSIVE_ACCESS, 0), "ok");
    let plain = disk.report();
    assert_eq!(plain.len(), 24 + 2 * 24);
    assert_eq!(plain[..10], [3, 0, 0, 0, 2, 2, 0, 0, 0, 1]);
    let mut controller = [0; 24];
    (controller[0], controller[2], controller[16]) = (1, 1, 0xB0);
    assert_eq!(plain[48..], controller);
    let extended = disk.good(&entry(REPORT, &[255, 1]));
    assert_eq!(extended.len(), 64 + 2 * 64);
    assert_eq!(extended[..24], plain[..24]);
    let mut controller = [0; 64];
    (controller[0], controller[2], controller[8]) = (1, 1, 0xB0);
    assert_eq!(extended[128..], controller);
    assert_eq!(disk.good(&entry(REPORT, &[6])), plain[..28]);
}

#[test]
fn what_persists_outlives_power() {
    let disk = two();
    assert_eq!(disk.acquire(0, 0, WRITE_EXCLUSIVE, 0), "ok");
    let disk = Disk::power_on(disk.ram);
    assert_eq!(disk.reserved(), (0, vec![]), "nobody asked for it");

    assert_eq!(disk.register(0, PERSISTS, 0, KEY[0]), "ok");
    assert_eq!(disk.register(1, 0, 0, KEY[1]), "ok");
    assert_eq!(disk.acquire(0, 0, WRITE_EXCLUSIVE, 0), "ok");
    // The very bytes that the table makes, which any protocol reads.
    let kept = Table::from_kept(&disk.ram.saved(KEPT_AS));
    assert_eq!(
        kept.registrants().collect::<Vec<_>>(),
        [(0, 0xA0), (1, 0xB0)]
    );
    let disk = Disk::power_on(disk.ram);
    assert_eq!(disk.reserved(), (1, vec![(0, -0xA0), (1, 0xB0)]));
    assert_eq!((disk.generation(), disk.report()[9]), (0, 1));
    assert_eq!(disk.status_as(1, &entry(FLUSH, &[]), &[]), CONFLICT);

    assert_eq!(disk.register(0, DOES_NOT_PERSIST, 0, KEY[0]), "ok");
    assert_eq!(disk.reserved().0, 1, "so far it stays");
    let disk = Disk::power_on(disk.ram);
    assert_eq!(disk.reserved(), (0, vec![]));
}
