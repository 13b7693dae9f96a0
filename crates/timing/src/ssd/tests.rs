use super::*;

const MIB: u64 = 1 << 20;

/// An SSD of round numbers.
pub(crate) fn profile() -> SsdProfile {
    SsdProfile {
        channels: 4.0,
        dies: 8.0,
        dies_per_zone: 8.0,
        stripe_kib: 16.0,
        page_read_us: 50.0,
        channel_mb_s: 409.6,
        program_kib: 64.0,
        program_us: 1000.0,
        program_slice_us: 200.0,
        buffer_kib: 1024.0,
        link_mb_s: 4096.0,
        read_us: 2.0,
        write_us: 4.0,
        append_us: 6.0,
        read_latency_us: 8.0,
        write_latency_us: 5.0,
        append_latency_us: 5.0,
        shared_us: 3.0,
        open_us: 10.0,
        close_us: 11.0,
        finish_us: 1000.0,
        reset_empty_us: 1000.0,
        reset_full_us: 17000.0,
        reset_shared: 2.0,
        report_us: 12.0,
        flush_us: 13.0,
    }
}

fn medium() -> Medium {
    Medium {
        bytes: 64 * 128 * MIB,
        zone_bytes: 128 * MIB,
        zone_capacity: 64 * MIB,
    }
}

/// When each of the commands ends that come at these times.
fn ends(commands: &[(Nanos, Work)]) -> Vec<Nanos> {
    let mut ssd = Ssd::new(profile(), medium());
    for (token, &(arrival, work)) in commands.iter().enumerate() {
        ssd.submit(arrival, token as u64, work);
    }
    let mut done = Vec::new();
    ssd.advance(Nanos::MAX, &mut done);
    assert_eq!(ssd.inside + ssd.writing, 0);
    done.sort_by_key(|done| done.token);
    done.iter().map(|done| done.ended).collect()
}

fn read(at: u64, bytes: u64) -> Work {
    let written = true;
    Work::Read { at, bytes, written }
}

fn write(at: u64, bytes: u64) -> Work {
    let stable = false;
    Work::Write { at, bytes, stable }
}

#[test]
fn a_read_is_controller_die_channel_and_link() {
    assert_eq!(
        ends(&[(7, read(0, 4096))]),
        [7 + 2_000 + 8_000 + 50_000 + 10_000 + 1_000]
    );
    let (at, bytes, written) = (0, 4096, false);
    assert_eq!(ends(&[(0, Work::Read { at, bytes, written })]), [11_000]);
}

#[test]
fn pages_of_one_read_come_from_their_dies_at_a_time() {
    let long = ends(&[(0, read(0, 64 << 10))])[0];
    // Four dies on four channels, and the link one after the other.
    assert_eq!(long, 10_000 + 50_000 + 40_000 + 4 * 4_000);
}

#[test]
fn a_write_ends_in_the_buffer_and_beside_others_a_little_later() {
    assert_eq!(ends(&[(0, write(0, 4096))]), [10_000]);
    let ended = ends(&[(0, write(0, 4096)), (0, write(4096, 4096))]);
    assert_eq!(ended, [10_000, 4_000 + 13_000]);
}

#[test]
fn an_append_has_times_of_its_own() {
    let (at, bytes, stable) = (0, 4096, false);
    assert_eq!(ends(&[(0, Work::Append { at, bytes, stable })]), [12_000]);
}

#[test]
fn in_the_long_run_writes_are_as_fast_as_the_dies() {
    let all: Vec<_> = (0..480)
        .map(|each| (0, write(each * 131_072, 131_072)))
        .collect();
    let last = ends(&all)[479];
    // 60 MiB, of 512 KiB a millisecond, less what the buffer holds.
    assert!((115_000_000..121_000_000).contains(&last), "{last}");
}

#[test]
fn a_read_waits_for_a_slice_of_a_program_and_holds_it_up() {
    let unit = 65_536;
    let mut commands: Vec<_> = (0..8).map(|each| (0, write(each * unit, unit))).collect();
    let undisturbed = ends(&[(1_200_000, read(0, 4096))])[0] - 1_200_000;
    commands.push((200_000, read(0, 4096)));
    let ended = ends(&commands)[8] - 200_000;
    assert!(
        (undisturbed..=undisturbed + 200_000 + 1_000).contains(&ended),
        "{ended}"
    );
    assert!(ended > undisturbed + 10_000, "{ended}");
}

#[test]
fn a_reset_takes_by_the_root_of_what_is_written() {
    let reset = |written| ends(&[(0, Work::Reset { at: 0, written })])[0];
    assert_eq!(reset(0), 1_000_000);
    assert_eq!(reset(16 * MIB), 9_000_000);
    assert_eq!(reset(64 * MIB), 17_000_000);
    let beside = ends(&[
        (0, write(128 * MIB, 4096)),
        (1, Work::Reset { at: 0, written: 0 }),
    ]);
    // The controller takes the write first.
    assert_eq!(beside[1], 4_000 + 2_000_000);
}

#[test]
fn a_finish_programs_what_is_missing() {
    let finish = |missing| ends(&[(0, Work::Finish { at: 0, missing })])[0];
    assert_eq!(finish(0), 1_000_000);
    assert_eq!(finish(1), 2_000_000);
    assert_eq!(finish(64 * MIB), 128_000_000 + 1_000_000);
}

#[test]
fn many_zones_with_less_than_a_program_each_do_not_fill_the_buffer_for_good() {
    let all: Vec<_> = (0..64)
        .map(|each| (0, write(each * 128 * MIB, 32_768)))
        .collect();
    assert!(ends(&all).iter().all(|&ended| ended < 20_000_000));
}

#[test]
fn what_looks_at_no_medium_takes_its_time() {
    let alone = |work| ends(&[(0, work)])[0];
    assert_eq!(alone(Work::Open), 10_000);
    assert_eq!(alone(Work::Close), 11_000);
    assert_eq!(alone(Work::Report), 12_000);
    assert_eq!(alone(Work::Flush), 13_000);
}
