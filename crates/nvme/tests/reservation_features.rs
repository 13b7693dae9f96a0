//! What a controller says of reservations: the host's identifier, notifications, persistence.

mod common;

use std::sync::mpsc::channel;

use common::host::*;
use nvme::Admin;
use zoned::Submitted;
use zoned::ZonedDisk;

const REGISTER: u8 = 0x0D;
const REPORT: u8 = 0x0E;
const ACQUIRE: u8 = 0x11;
const RELEASE: u8 = 0x15;

const HOST_IDENTIFIER: u32 = 0x81;
const MASK: u32 = 0x82;
const PERSISTENCE: u32 = 0x83;
const CONFLICT: u16 = 0x083;

fn keys(current: u64, new: u64) -> [u8; 16] {
    let mut bytes = [0; 16];
    bytes[..8].copy_from_slice(&current.to_le_bytes());
    bytes[8..].copy_from_slice(&new.to_le_bytes());
    bytes
}

/// The hosts 0 and 1 of both namespaces are registered, with the keys 1 and 2.
fn registered() -> Host {
    let host = host();
    for (who, key) in [(0, 1), (1, 2)] {
        for namespace in [1, 2] {
            let register = of(REGISTER, namespace, &[0]);
            assert_eq!(host.execute_as(who, &register, &keys(0, key)), 0);
        }
    }
    host
}

#[test]
fn what_is_supported_is_said() {
    let host = host();
    let controller = host.data(&of(IDENTIFY, 0, &[0x01]));
    assert_eq!(number(&controller[520..522]) >> 5 & 1, 1);
    assert_eq!(number(&controller[96..100]), 1, "identifiers of 128 bits");
    for namespace in [1, 2] {
        assert_eq!(host.data(&of(IDENTIFY, namespace, &[0x00]))[31], 0xFF);
    }
    let effects = host.data(&log(0x05, 0, 4096));
    for opcode in [REGISTER, REPORT, ACQUIRE, RELEASE] {
        assert_eq!(effects[1024 + 4 * usize::from(opcode)], 1);
    }
}

#[test]
fn a_host_names_itself_until_the_reset() {
    let name: Vec<u8> = (1..=16).collect();
    for (extended, len, other) in [(0, 8, 1), (1, 16, 0)] {
        let host = registered();
        let set = of(SET_FEATURES, 0, &[HOST_IDENTIFIER, extended]);
        let get = |select: u32| of(GET_FEATURES, 0, &[HOST_IDENTIFIER | select << 8, extended]);
        assert_eq!(host.ask(&get(0)), host.ask(&get(1)), "none is set");
        assert_eq!(
            host.ask_with(&set, &name[..len - 1]).0.status & 0x7FF,
            0x004
        );
        assert_eq!(host.ask_with(&set, &name[..len]).0.status, 0);
        let (outcome, data) = host.ask(&get(0));
        assert_eq!((outcome.result, &data[..]), (extended.into(), &name[..len]));
        assert_eq!(host.ask(&get(2)).1, vec![0; len]);
        assert_eq!(host.ask(&get(3)).0.result, 0b100);
        let again = host.ask_with(&set, &name[..len]).0;
        assert_eq!(again.status & 0x7FF, 0x00C);

        let report = |extended| host.execute(&of(REPORT, 1, &[255, extended]), &[]);
        assert_eq!((report(extended), report(other)), (0, 0x018));
        host.controller.reset();
        assert_eq!((report(extended), report(other)), (0, 0));
        assert_eq!(host.ask_with(&set, &name[..len]).0.status, 0);
    }
}

#[test]
fn a_report_has_the_hosts_name() {
    for (extended, at, len) in [(0, 24 + 8, 8), (1, 64 + 16, 16)] {
        let host = registered();
        let name: Vec<u8> = (1..=len).collect();
        let set = of(SET_FEATURES, 0, &[HOST_IDENTIFIER, extended]);
        host.ask_with(&set, &name);
        let report = host.received(&of(REPORT, 2, &[255, extended]));
        assert_eq!(report[at..at + name.len()], name);
    }
}

#[test]
fn a_host_is_told_of_what_it_has_lost() {
    let host = registered();
    let as_other = |opcode: u8, namespace, options: u32, victim| {
        let entry = of(opcode, namespace, &[options]);
        assert_eq!(host.execute_as(1, &entry, &keys(2, victim)), 0);
    };
    let acquired = |kind: u32| {
        let acquire = of(ACQUIRE, 1, &[kind << 8]);
        assert_eq!(host.execute_as(1, &acquire, &keys(2, 0)), 0);
    };
    let notification = |retained: u32| {
        let entry = of(GET_LOG_PAGE, 0, &[0x80 | 15 << 16 | retained << 15]);
        let page = host.data(&entry);
        assert_eq!(page.len(), 64);
        (number(&page[..8]), page[8], page[9], page[12])
    };
    assert_eq!(notification(0), (0, 0, 0, 0));
    let Admin::Answer(Submitted::Pending(waiting)) = host.begin(&of(EVENT, 0, &[]), &[]).0 else {
        panic!("nothing has happened");
    };
    acquired(3);
    as_other(RELEASE, 1, 3 << 8, 0);
    assert_eq!(
        Submitted::Pending(waiting).wait().unwrap().result,
        0x80_0006
    );
    as_other(ACQUIRE, 2, 1, 1);
    as_other(RELEASE, 1, 1, 0);
    assert_eq!(notification(1), (1, 2, 2, 1), "released");
    assert_eq!(notification(0), (1, 2, 2, 1));
    assert_eq!(notification(0), (2, 1, 1, 2), "unregistered");
    assert_eq!(notification(0), (3, 3, 0, 1), "cleared");
    assert_eq!(notification(0), (0, 0, 0, 0));

    // Masked: neither an event nor a page.
    assert_eq!(host.status(&of(SET_FEATURES, 1, &[MASK, 1 << 1])), 0);
    for namespace in [1, 2] {
        for (who, key) in [(0, 1), (1, 2)] {
            host.execute_as(who, &of(REGISTER, namespace, &[0]), &keys(0, key));
        }
        as_other(ACQUIRE, namespace, 1, 1);
    }
    assert_eq!(notification(0), (4, 1, 0, 2));
    host.controller.reset();
    assert_eq!(host.ask(&of(GET_FEATURES, 1, &[MASK])).0.result, 0);
    host.execute(&of(REGISTER, 1, &[0]), &keys(0, 1));
    as_other(ACQUIRE, 1, 1, 1);
    assert_eq!(notification(0), (1, 1, 0, 1), "counted anew");
}

#[test]
fn what_is_masked_is_no_event() {
    let host = registered();
    let preempted = |namespace| {
        let preempt = of(ACQUIRE, namespace, &[1]);
        assert_eq!(host.execute_as(1, &preempt, &keys(2, 1)), 0);
    };
    host.ask(&of(SET_FEATURES, 1, &[MASK, 1 << 1]));
    let Admin::Answer(Submitted::Pending(waiting)) = host.begin(&of(EVENT, 0, &[]), &[]).0 else {
        panic!("nothing has happened");
    };
    let (told, events) = channel();
    waiting.then(move |outcome| told.send(outcome.result).unwrap());
    preempted(1);
    assert!(events.try_recv().is_err());
    preempted(2);
    assert_eq!(events.try_recv(), Ok(0x80_0006));
}

#[test]
fn masks_and_persistence_are_of_namespaces() {
    let host = registered();
    let get = |id: u32, namespace| host.ask(&of(GET_FEATURES, namespace, &[id])).0;
    for (id, value) in [(MASK, 0b1110), (PERSISTENCE, 1)] {
        let set = |namespace, value| host.status(&of(SET_FEATURES, namespace, &[id, value]));
        assert_eq!(set(2, value), 0);
        assert_eq!([1, 2].map(|one| get(id, one).result), [0, value.into()]);
        assert_eq!(set(ALL_NAMESPACES, value), 0);
        assert_eq!([1, 2].map(|one| get(id, one).result), [value.into(); 2]);
        assert_eq!(set(3, value), 0x00B);
        assert_eq!(get(id, ALL_NAMESPACES).status & 0x7FF, 0x002);
        assert_eq!(get(id | 3 << 8, 1).result, 0b110);
        assert_eq!(get(id | 1 << 8, 1).result, 0, "the default");
        assert_eq!(set(1, 0), 0);
        assert_eq!([1, 2].map(|one| get(id, one).result), [0, value.into()]);
        let saved = of(SET_FEATURES, 1, &[id | 1 << 31, value]);
        assert_eq!(host.status(&saved), 0x10D);
    }
    let kept = |disk: usize| host.disks[disk].saved(reservations::KEPT_AS);
    assert!(kept(0).is_empty() && !kept(1).is_empty());
}

#[test]
fn who_may_not_write_may_not_format() {
    let host = registered();
    let acquire = of(ACQUIRE, 2, &[1 << 8]);
    assert_eq!(host.execute_as(1, &acquire, &keys(2, 0)), 0);
    for (namespace, status) in [(1, 0), (2, CONFLICT), (ALL_NAMESPACES, CONFLICT)] {
        assert_eq!(host.status(&of(FORMAT, namespace, &[0])), status);
    }
}
