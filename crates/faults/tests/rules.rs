//! When rules fire: place, command, count, after, probability, and several of them.

mod common;

use std::thread;

use common::*;
use faults::{Kind, Listed, Place, Rule, RuleError, Selector};
use proptest::prelude::*;

fn counts(listed: &[Listed]) -> Vec<(u64, u64)> {
    listed.iter().map(|one| (one.matched, one.fired)).collect()
}

#[test]
fn count_and_after() {
    let disk = disk();
    disk.add(&Rule {
        after: 2,
        count: Some(3),
        ..Rule::new(Kind::ReadError)
    })
    .unwrap();
    let failed: Vec<_> = (0..8).map(|_| said(&read(&disk, 0, 8).0) != "ok").collect();
    assert_eq!(
        failed,
        [false, false, true, true, true, false, false, false]
    );
    assert_eq!(counts(&disk.list()), [(8, 3)]);
}

#[test]
fn rules_act_in_order_and_the_first_answer_ends_it() {
    let disk = disk();
    let first = disk
        .add(&Rule {
            count: Some(1),
            ..Rule::new(Kind::Busy)
        })
        .unwrap();
    disk.add(&Rule::new(Kind::Aborted)).unwrap();
    assert_eq!(said(&read(&disk, 0, 8).0), "busy");
    assert_eq!(counts(&disk.list()), [(1, 1), (0, 0)]);
    assert_eq!(said(&read(&disk, 0, 8).0), "B/00/00");
    assert_eq!(counts(&disk.list()), [(2, 1), (1, 1)]);
    assert!(disk.remove(first));
    assert!(!disk.remove(first));
    disk.clear();
    assert_eq!(disk.list(), []);
    assert_eq!(said(&read(&disk, 0, 8).0), "ok");
}

#[test]
fn a_failure_behind_a_read_error_wins() {
    let disk = disk();
    disk.add(&at_blocks(Kind::ReadError, 16, 1)).unwrap();
    disk.add(&at_blocks(Kind::Busy, 0, 4)).unwrap();
    assert_eq!(said(&read(&disk, 0, 32).0), "busy");
    assert_eq!(said(&read(&disk, 4, 32).0), "3/11/00");
}

#[test]
fn rules_that_cannot_be() {
    let disk = disk();
    let with = |commands: &str, kind| at_command(kind, commands);
    for (rule, says) in [
        (
            at_zone(Kind::Aborted, 16),
            "there is no zone 16: the disk has 16, from 0 to 15",
        ),
        (
            at_blocks(Kind::Aborted, 32767, 2),
            "there are no 2 blocks at LBA 32767: the disk's last LBA is 32767",
        ),
        (
            Rule::new(Kind::Offline),
            "it needs a zone, and none is given",
        ),
        (
            with("write", Kind::ReadError),
            "it never happens at command write",
        ),
        (
            with("reset write pointer", Kind::BitFlip),
            "it never happens at command reset-write-pointer",
        ),
        (
            Rule {
                probability: 0.0,
                ..Rule::new(Kind::Busy)
            },
            "probability 0 is not above 0 and up to 1",
        ),
    ] {
        assert_eq!(disk.add(&rule).unwrap_err().to_string(), says);
    }
    let empty = Rule {
        place: Place::Blocks(5..5),
        ..Rule::new(Kind::Busy)
    };
    assert!(matches!(disk.add(&empty), Err(RuleError::Blocks { .. })));
    assert_eq!(disk.list(), []);
}

#[test]
fn rules_come_and_go_while_commands_run() {
    let disk = disk();
    thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                for _ in 0..2000 {
                    let said = said(&read(&disk, 0, 8).0);
                    assert!(said == "ok" || said == "3/11/00", "{said}");
                }
            });
        }
        for _ in 0..200 {
            let number = disk.add(&Rule::new(Kind::ReadError)).unwrap();
            thread::yield_now();
            assert!(disk.remove(number));
        }
    });
    assert_eq!(said(&read(&disk, 0, 8).0), "ok");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// A command matches exactly if it shares an LBA with the rule's place.
    #[test]
    fn overlap_decides(lba in 0u64..100, blocks in 1u64..40, at in 0u64..120, len in 1u32..40) {
        let disk = disk();
        disk.add(&at_blocks(Kind::Aborted, lba, blocks)).unwrap();
        let fired = said(&read(&disk, at, len).0) != "ok";
        prop_assert_eq!(fired, (at..at + u64::from(len)).any(|one| (lba..lba + blocks).contains(&one)));
    }

    /// The same seed and the same commands: the same failures, bit for bit.
    #[test]
    fn a_seed_repeats_itself(seed: u64, probability in 0.05f64..1.0, after in 0u64..5) {
        let history = || {
            let disk = disk();
            for kind in [Kind::BitFlip, Kind::ReadError] {
                let rule = Rule { seed, probability, after, ..Rule::new(kind) };
                disk.add(&rule).unwrap();
            }
            let seen: Vec<_> = (0..40).map(|lba| read(&disk, lba, 2)).collect();
            (seen, disk.list())
        };
        let (first, second) = (history(), history());
        prop_assert_eq!(first, second);
    }

    /// A rule fires at its share of commands, and others no more.
    #[test]
    fn a_probability_is_a_share(seed: u64, probability in 0.2f64..0.8) {
        let disk = disk();
        let rule = Rule { seed, probability, commands: Some(Selector::Write), ..Rule::new(Kind::Aborted) };
        disk.add(&rule).unwrap();
        let fired = (0..400).filter(|_| said(&write(&disk, 0, 8)) != "ok").count() as f64;
        prop_assert!((fired / 400.0 - probability).abs() < 0.15, "{fired} of 400 for {probability}");
        prop_assert_eq!(said(&read(&disk, 0, 8).0), "ok");
    }
}
