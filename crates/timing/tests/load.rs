//! What the clients of a closed loop send.

use std::collections::BTreeMap;
use std::ops::ControlFlow::{self, Break, Continue};

use timing::load::{run, Job, Kind, Load, LoadError, Sent};
use timing::{Medium, Profile, SsdProfile, Work};

const ZONE: u64 = 1 << 20;

/// An SSD on which every command takes some microseconds.
fn profile() -> Profile {
    let values: BTreeMap<String, f64> = SsdProfile::NAMES
        .iter()
        .map(|&name| {
            (
                name.to_owned(),
                if name.ends_with("mb_s") { 1e5 } else { 8.0 },
            )
        })
        .collect();
    Profile::Ssd(SsdProfile::of(&values).unwrap())
}

fn load(written: u64, jobs: &[Job]) -> Load {
    Load {
        medium: Medium {
            bytes: 8 * ZONE,
            zone_bytes: ZONE,
            zone_capacity: ZONE / 2,
        },
        written: vec![written; 8],
        jobs: jobs.to_vec(),
        time: 5_000_000,
        ramp: 0,
        seed: 1,
    }
}

fn sent(load: &Load) -> Vec<Sent> {
    let mut all = Vec::new();
    run(&profile(), load, |each| {
        all.push(each);
        Continue(())
    })
    .unwrap();
    all
}

fn go_on(_: Sent) -> ControlFlow<()> {
    Continue(())
}

fn writes(sent: &[Sent]) -> Vec<u64> {
    let at = |each: &Sent| match each.work {
        Work::Write { at, .. } => Some(at),
        _ => None,
    };
    sent.iter().filter_map(at).collect()
}

#[test]
fn a_zone_is_filled_and_then_the_next_one() {
    let block = 128 << 10;
    let places = writes(&sent(&load(0, &[Job::new(Kind::Write, block, 2, 2)])));
    assert_eq!(
        places[..5],
        [
            2 * ZONE,
            2 * ZONE + block,
            2 * ZONE + 2 * block,
            2 * ZONE + 3 * block,
            3 * ZONE
        ]
    );
}

#[test]
fn a_full_zone_is_reset_before_it_is_written_and_that_does_not_count() {
    let load = load(ZONE / 2, &[Job::new(Kind::RandomWrite, 4096, 5, 1)]);
    let sent = sent(&load);
    assert_eq!(
        sent[0].work,
        Work::Reset {
            at: 5 * ZONE,
            written: ZONE / 2
        }
    );
    let outcome = &run(&profile(), &load, go_on).unwrap()[0];
    assert_eq!(
        outcome.resets,
        sent.iter()
            .filter(|each| matches!(each.work, Work::Reset { .. }))
            .count() as u64
    );
    assert_eq!(outcome.commands + outcome.resets, sent.len() as u64);
}

#[test]
fn streams_have_zones_of_their_own() {
    let job = Job {
        streams: 4,
        ..Job::new(Kind::Write, 4096, 0, 8)
    };
    let mut zones: Vec<u64> = writes(&sent(&load(0, &[job])))
        .iter()
        .map(|at| at / ZONE)
        .collect();
    zones.truncate(4);
    zones.sort_unstable();
    assert_eq!(zones, [0, 2, 4, 6]);
}

#[test]
fn reads_are_of_what_was_written_unless_asked_otherwise() {
    let mut load = load(64 << 10, &[Job::new(Kind::RandomRead, 16 << 10, 0, 8)]);
    for each in sent(&load) {
        let Work::Read { at, bytes, written } = each.work else {
            panic!("{each:?}")
        };
        assert!(written && at % ZONE + bytes <= 64 << 10, "{each:?}");
    }
    load.jobs[0].unwritten = true;
    assert!(sent(&load)
        .iter()
        .any(|each| matches!(each.work, Work::Read { written: false, .. })));
}

#[test]
fn a_rate_is_kept() {
    let job = Job {
        rate: Some(100.0),
        ..Job::new(Kind::Append, 4096, 0, 8)
    };
    let outcome = &run(&profile(), &load(0, &[job]), go_on).unwrap()[0];
    // 100 MB/s for 5 ms.
    assert!(
        (480_000..=500_000 + 4096).contains(&outcome.bytes),
        "{}",
        outcome.bytes
    );
}

#[test]
fn zones_are_as_full_as_asked_when_they_are_reset() {
    let job = Job {
        fill: 0.5,
        ..Job::new(Kind::Reset, 4096, 0, 8)
    };
    for each in sent(&load(0, &[job])) {
        assert!(
            matches!(each.work, Work::Reset { written, .. } if written == ZONE / 4),
            "{each:?}"
        );
    }
}

#[test]
fn what_cannot_be_sent_is_refused() {
    let refused = |job: Job| run(&profile(), &load(0, &[job]), go_on).unwrap_err();
    let read = Job::new(Kind::Read, 4096, 0, 8);
    assert_eq!(refused(read.clone()), LoadError::NothingWritten(0));
    assert_eq!(
        refused(Job {
            block: 0,
            ..read.clone()
        }),
        LoadError::Nothing(0)
    );
    assert_eq!(
        refused(Job {
            first: 5,
            ..read.clone()
        }),
        LoadError::NoSuchZones(0, 8)
    );
    let crowd = Job {
        streams: 9,
        ..Job::new(Kind::Write, 4096, 0, 8)
    };
    assert_eq!(refused(crowd), LoadError::TooManyStreams(0));
    let never = Load {
        ramp: 5_000_000,
        ..load(0, &[Job::new(Kind::Write, 4096, 0, 8)])
    };
    assert_eq!(run(&profile(), &never, go_on), Err(LoadError::NoTime));
}

#[test]
fn it_can_be_broken_off() {
    let load = load(0, &[Job::new(Kind::Write, 4096, 0, 8)]);
    let mut count = 0;
    run(&profile(), &load, |_| {
        count += 1;
        if count < 3 {
            Continue(())
        } else {
            Break(())
        }
    })
    .unwrap();
    assert_eq!(count, 3);
}
