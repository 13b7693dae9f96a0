use super::*;

/// A thread whose last wait was short, on a host that is not busy.
fn polling() -> Polling {
    Polling {
        last_was_short: true,
        is_host_busy: || false,
        ..Polling::default()
    }
}

/// Whether it looks, and finds nothing. Where this machine takes its processor away it is as if it had one.
fn looks_in_vain(polling: &mut Polling) -> bool {
    let mut looked = false;
    polling.look(|| {
        looked = true;
        false
    });
    if std::mem::take(&mut polling.busy) {
        polling.leaves_out = 2 * polling.leaves_out + 1;
        polling.left = polling.leaves_out;
    }
    looked
}

#[test]
fn it_looks_where_the_last_wait_was_short() {
    let mut polling = polling();
    assert!(polling.look(|| true));
    thread::sleep(2 * SHORT);
    polling.woken();
    assert!(!polling.look(|| true), "that was long");
    polling.idle_since = Some(Instant::now() + SHORT);
    polling.woken();
    assert!(polling.look(|| true));
    let mut first = Polling {
        is_host_busy: || false,
        ..Polling::default()
    };
    assert!(!first.look(|| true), "there was none yet");
}

#[test]
fn it_looks_less_often_where_it_finds_nothing() {
    let mut polling = polling();
    let looks: Vec<bool> = (0..12).map(|_| looks_in_vain(&mut polling)).collect();
    let times = looks.iter().enumerate().filter(|(_, &looked)| looked);
    assert_eq!(times.map(|(at, _)| at).collect::<Vec<_>>(), [0, 2, 6]);
    polling.left = 0;
    assert!(polling.look(|| true));
    assert!(looks_in_vain(&mut polling), "it has found something again");
}

#[test]
fn a_thread_that_loses_its_processor_stops_looking() {
    let mut polling = polling();
    let mut looks = 0;
    let taken_off = || {
        looks += 1;
        thread::sleep(5 * GAP);
        false
    };
    assert!(!polling.look(taken_off));
    assert_eq!(looks, 1);
    assert!(!polling.look(|| true), "not for some time");
    assert_eq!(polling.pause, 2 * CHECK);
    polling.next_check = Instant::now();
    assert!(polling.look(|| true), "and then again");
    assert_eq!(polling.pause, CHECK);
}

#[test]
fn on_a_busy_host_nobody_looks() {
    let mut polling = Polling {
        is_host_busy: || true,
        ..polling()
    };
    for pauses in [2, 4, 8] {
        polling.next_check = Instant::now();
        assert!(!polling.look(|| true));
        assert_eq!(polling.pause, pauses * CHECK);
    }
}
