use super::*;

const GIB: u64 = 1 << 30;

/// A disk of round numbers.
pub(crate) fn profile() -> DiskProfile {
    DiskProfile {
        rpm: 7200.0,
        outer_mb_s: 250.0,
        inner_mb_s: 120.0,
        seek_min_ms: 1.0,
        seek_full_ms: 15.0,
        command_us: 200.0,
        link_mb_s: 500.0,
        queue_depth: 32.0,
        longest_wait_ms: 500.0,
        read_ahead_kib: 2048.0,
        cache_kib: 16384.0,
        cache_writes: 64.0,
        zone_switch_ms: 0.0,
        open_ms: 0.1,
        close_ms: 0.2,
        finish_ms: 8.0,
        reset_ms: 7.0,
        report_ms: 1.0,
        flush_ms: 0.0,
    }
}

fn medium() -> Medium {
    Medium {
        bytes: 1000 * GIB,
        zone_bytes: GIB / 4,
        zone_capacity: GIB / 4,
    }
}

/// When each of the commands ends that come at these times.
fn ends(profile: DiskProfile, commands: &[(Nanos, Work)]) -> Vec<Nanos> {
    let mut disk = Disk::new(profile, medium());
    for (token, &(arrival, work)) in commands.iter().enumerate() {
        disk.submit(arrival, token as u64, work);
    }
    let mut done = Vec::new();
    disk.advance(Nanos::MAX, &mut done);
    done.sort_by_key(|done| done.token);
    done.iter().map(|done| done.ended).collect()
}

fn read(at: u64, bytes: u64) -> Work {
    let written = true;
    Work::Read { at, bytes, written }
}

fn write(at: u64, bytes: u64, stable: bool) -> Work {
    Work::Write { at, bytes, stable }
}

#[test]
fn what_was_never_written_is_read_without_the_medium() {
    let (at, bytes, written) = (GIB, 500_000, false);
    let ended = ends(profile(), &[(5, Work::Read { at, bytes, written })]);
    assert_eq!(ended, [5 + 200_000 + 1_000_000]);
}

#[test]
fn a_far_read_takes_the_way_and_at_most_a_turn() {
    let turn = 8_333_333;
    let [ended] = ends(profile(), &[(0, read(900 * GIB, 4096))])[..] else {
        panic!("it did not end");
    };
    assert!(
        (10_000_000..15_000_000 + turn + 500_000).contains(&ended),
        "{ended}"
    );
}

#[test]
fn a_read_that_goes_on_finds_what_was_read_ahead() {
    let late = 50_000_000;
    let ended = ends(
        profile(),
        &[
            (0, read(GIB, 1 << 20)),
            (late, read(GIB + (1 << 20), 1 << 20)),
        ],
    );
    assert_eq!(ended[1], late + 200_000 + transfer(1 << 20, 500.0));
}

#[test]
fn writes_end_in_the_cache_and_stable_ones_on_the_medium() {
    let cached = ends(profile(), &[(0, write(GIB, 500_000, false))]);
    assert_eq!(cached, [200_000 + 1_000_000]);
    let stable = ends(profile(), &[(0, write(GIB, 500_000, true))]);
    assert!(stable[0] > 3_000_000, "{stable:?}");
    let without = DiskProfile {
        cache_kib: 0.0,
        ..profile()
    };
    assert_eq!(ends(without, &[(0, write(GIB, 500_000, false))]), stable);
}

#[test]
fn a_flush_waits_for_what_was_written_before_it() {
    let ended = ends(
        profile(),
        &[(0, write(GIB, 4096, false)), (1_000_000, Work::Flush)],
    );
    assert!(ended[0] < 300_000 && ended[1] > 1_200_000, "{ended:?}");
    assert_eq!(ends(profile(), &[(0, Work::Flush)]), [200_000]);
}

#[test]
fn the_shortest_access_is_the_next_one_within_the_depth() {
    let far = (0..8).map(|each| (0, read((each * 300 % 1000) * GIB, 4096)));
    let far: Vec<_> = far.collect();
    let last = |depth| {
        let queue_depth = f64::from(depth);
        let profile = DiskProfile {
            queue_depth,
            ..profile()
        };
        ends(profile, &far).into_iter().max()
    };
    assert!(last(8) < last(1), "{:?} {:?}", last(8), last(1));
}

#[test]
fn a_full_cache_lets_in_what_the_medium_takes() {
    let megabyte = 1_000_000;
    let all: Vec<_> = (0..200)
        .map(|each| (0, write(each * megabyte, megabyte, false)))
        .collect();
    let ended = ends(profile(), &all);
    // 200 MB at 250 MB/s, less what the cache holds at the end.
    let last = ended[199];
    assert!((720_000_000..800_000_000).contains(&last), "{last}");
}

#[test]
fn a_reset_forgets_what_is_not_on_the_medium_yet() {
    let commands = [
        (0, read(900 * GIB, 1 << 20)),
        (1_000_000, write(0, 1 << 20, false)),
        (
            4_000_000,
            Work::Reset {
                at: 0,
                written: 1 << 20,
            },
        ),
        (4_500_000, Work::Flush),
    ];
    let ended = ends(profile(), &commands);
    let flushed = ends(profile(), &commands[..2]);
    assert_eq!(ended[..2], flushed[..]);
    assert!(
        ended[3] < ended[2],
        "the flush had nothing to wait for: {ended:?}"
    );
}

#[test]
fn zone_commands_take_what_the_profile_says() {
    let alone = |work| ends(profile(), &[(0, work)])[0];
    assert_eq!(alone(Work::Open), 300_000);
    assert_eq!(alone(Work::Close), 400_000);
    assert_eq!(alone(Work::Report), 1_200_000);
    let missing = GIB / 4;
    assert_eq!(alone(Work::Finish { at: 0, missing }), 8_200_000);
    assert_eq!(alone(Work::Reset { at: 0, written: 0 }), 7_200_000);
}

#[test]
fn another_zone_than_the_last_one_is_gone_to() {
    let both = [(0, write(0, 4096, true)), (1, write(GIB / 4, 4096, true))];
    let zone_switch_ms = 20.0;
    let slow = DiskProfile {
        zone_switch_ms,
        ..profile()
    };
    let (quick, slow) = (ends(profile(), &both), ends(slow, &both));
    assert_eq!(quick[0], slow[0]);
    assert!(slow[1] > quick[1] + 10_000_000, "{quick:?} {slow:?}");
}

#[test]
fn reads_do_not_keep_a_full_cache_full() {
    let mut disk = Disk::new(profile(), medium());
    let (mut done, mut reads) = (Vec::new(), 0);
    for each in 0..65 {
        disk.submit(
            0,
            each,
            write((900 + each / 8) * GIB + each % 8 * 4096, 4096, false),
        );
    }
    for each in 0..2 {
        disk.submit(0, 100 + each, read(each * 4096, 4096));
    }
    // Reads side by side, as soon as one has ended: always nearer than the writes.
    while !done.iter().any(|done: &Done| done.token == 64) {
        let now = disk.next().unwrap();
        let before = done.len();
        disk.advance(now, &mut done);
        for ended in &done[before..] {
            if ended.token >= 100 {
                reads += 1;
                disk.submit(
                    ended.ended,
                    ended.token,
                    read((reads * 7919) % 100 * 4096, 4096),
                );
            }
        }
        assert!(reads < 100, "the write that waits for room is not let in");
    }
}

#[test]
fn nothing_waits_for_much_longer_than_it_may() {
    let mut disk = Disk::new(profile(), medium());
    let mut done = Vec::new();
    disk.submit(0, 0, read(0, 1 << 20));
    disk.submit(1, 99, read(900 * GIB, 4096));
    // A stream of reads that go on where the head is.
    for each in 1..2000 {
        disk.submit(each * 1_000_000, each, read(each << 20, 1 << 20));
    }
    disk.advance(Nanos::MAX, &mut done);
    let far = done
        .iter()
        .find(|done| done.token == 99 && done.arrived == 1);
    let ended = far.map(|done| done.ended);
    assert!(
        (400_000_000..540_000_000).contains(&ended.unwrap()),
        "{ended:?}"
    );
}
