//! What holds of every model, whatever is asked of it.

use std::collections::BTreeMap;
use std::ops::ControlFlow::Continue;

use proptest::prelude::*;
use timing::load::{run, Job, Kind, Load};
use timing::{model, DiskProfile, Done, Medium, Profile, ProfileError, SsdProfile, Work};

const ZONE: u64 = 16 << 20;

fn numbers(names: &[&str], value: f64) -> BTreeMap<String, f64> {
    names.iter().map(|&name| (name.to_owned(), value)).collect()
}

fn disk() -> Profile {
    let mut values = numbers(DiskProfile::NAMES, 5.0);
    for (name, value) in [
        ("rpm", 7200.0),
        ("outer_mb_s", 250.0),
        ("inner_mb_s", 110.0),
        ("seek_full_ms", 15.0),
        ("link_mb_s", 500.0),
        ("cache_kib", 8192.0),
    ] {
        values.insert(name.to_owned(), value);
    }
    Profile::Disk(DiskProfile::of(&values).unwrap())
}

fn ssd() -> Profile {
    let mut values = numbers(SsdProfile::NAMES, 8.0);
    for (name, value) in [
        ("channel_mb_s", 400.0),
        ("link_mb_s", 2000.0),
        ("program_us", 500.0),
        ("program_slice_us", 100.0),
        ("buffer_kib", 512.0),
        ("program_kib", 64.0),
    ] {
        values.insert(name.to_owned(), value);
    }
    Profile::Ssd(SsdProfile::of(&values).unwrap())
}

fn medium() -> Medium {
    Medium {
        bytes: 32 * ZONE,
        zone_bytes: ZONE,
        zone_capacity: ZONE / 4 * 3,
    }
}

fn work() -> impl Strategy<Value = Work> {
    let place = || (0..32u64, 0..2900u64, 0..64u64);
    let at = |zone: u64, block: u64| zone * ZONE + block * 4096;
    prop_oneof![
        4 => (place(), any::<bool>()).prop_map(move |((zone, block, count), written)| Work::Read {
            at: at(zone, block),
            bytes: count * 4096,
            written,
        }),
        4 => (place(), any::<bool>()).prop_map(move |((zone, block, count), stable)| Work::Write {
            at: at(zone, block),
            bytes: count * 4096,
            stable,
        }),
        2 => (place(), any::<bool>()).prop_map(move |((zone, block, count), stable)| Work::Append {
            at: at(zone, block),
            bytes: count * 4096,
            stable,
        }),
        1 => Just(Work::Flush),
        1 => Just(Work::Open),
        1 => Just(Work::Close),
        1 => Just(Work::Report),
        1 => (0..32u64, 0..ZONE / 2).prop_map(|(zone, missing)| Work::Finish { at: zone * ZONE, missing }),
        1 => (0..32u64, 0..ZONE).prop_map(|(zone, written)| Work::Reset { at: zone * ZONE, written }),
    ]
}

/// Commands, each so many microseconds after the one before.
fn commands() -> impl Strategy<Value = Vec<(u64, Work)>> {
    prop::collection::vec((0..3000u64, work()), 1..80).prop_map(|commands| {
        let mut now = 0;
        let at = |(pause, work)| {
            now += pause * 1000;
            (now, work)
        };
        commands.into_iter().map(at).collect()
    })
}

fn all_at_once(profile: &Profile, commands: &[(u64, Work)]) -> Vec<Done> {
    let mut model = model(profile, medium());
    for (token, &(arrival, work)) in commands.iter().enumerate() {
        model.submit(arrival, token as u64, work);
    }
    let mut done = Vec::new();
    model.advance(u64::MAX, &mut done);
    assert_eq!(model.next(), None);
    done
}

/// Each command when it comes, and time in small steps between them.
fn step_by_step(profile: &Profile, commands: &[(u64, Work)], step: u64) -> Vec<Done> {
    let mut model = model(profile, medium());
    let (mut done, mut now) = (Vec::new(), 0);
    for (token, &(arrival, work)) in commands.iter().enumerate() {
        while now + step < arrival {
            now += step;
            model.advance(now, &mut done);
        }
        model.submit(arrival, token as u64, work);
    }
    while let Some(next) = model.next() {
        model.advance(next, &mut done);
    }
    done
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(100))]

    #[test]
    fn every_command_ends_once_and_not_before_it_came(commands in commands()) {
        for profile in [disk(), ssd()] {
            let mut done = all_at_once(&profile, &commands);
            prop_assert!(done.windows(2).all(|two| two[0].ended <= two[1].ended));
            done.sort_by_key(|done| done.token);
            prop_assert_eq!(done.len(), commands.len());
            for (token, (done, &(arrival, work))) in done.iter().zip(&commands).enumerate() {
                prop_assert_eq!(done.token, token as u64);
                prop_assert_eq!(done.arrived, arrival);
                prop_assert!(arrival <= done.begun && done.begun <= done.ended);
                let rate = if matches!(profile, Profile::Disk(_)) { 500 } else { 2000 };
                prop_assert!(done.ended - arrival >= work.bytes() * 1000 / rate, "{:?}", done);
            }
        }
    }

    #[test]
    fn it_does_not_matter_how_often_one_looks(commands in commands(), step in 1_000..2_000_000u64) {
        for profile in [disk(), ssd()] {
            let at_once = all_at_once(&profile, &commands);
            prop_assert_eq!(step_by_step(&profile, &commands, step), at_once);
        }
    }

    #[test]
    fn the_same_seed_is_the_same_load(seed: u64, streams in 1..5u64, depth in 1..9u64) {
        let jobs = [Kind::RandomWrite, Kind::RandomRead, Kind::Write].map(|kind| Job {
            streams,
            depth,
            shuffled: true,
            ..Job::new(kind, 65_536, 0, 32)
        });
        let load = Load {
            medium: medium(),
            written: vec![ZONE / 2; 32],
            jobs: jobs.to_vec(),
            time: 50_000_000,
            ramp: 1_000_000,
            seed,
        };
        for profile in [disk(), ssd()] {
            let again = || {
                let mut sent = Vec::new();
                let outcomes = run(&profile, &load, |each| {
                    sent.push(each);
                    Continue(())
                }).unwrap();
                (outcomes, sent)
            };
            prop_assert_eq!(again(), again());
        }
    }
}

#[test]
fn a_profile_has_all_of_its_numbers_and_no_other() {
    let mut values = numbers(SsdProfile::NAMES, 8.0);
    values.insert("speed".to_owned(), 1.0);
    let error = SsdProfile::of(&values).unwrap_err();
    assert!(error
        .to_string()
        .starts_with("there is no parameter speed; there are: channels, dies,"));
    values.remove("speed");
    values.insert("dies".to_owned(), f64::NAN);
    let error = SsdProfile::of(&values).unwrap_err();
    assert!(matches!(error, ProfileError::Range("dies", ..)), "{error}");
    values.remove("dies");
    assert_eq!(SsdProfile::of(&values), Err(ProfileError::Missing("dies")));
}
