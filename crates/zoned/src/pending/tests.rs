//! Results now and later.

use super::*;

fn later<T: Send + 'static>() -> (Completer<T>, Submitted<T>) {
    let (completer, pending) = pending();
    (completer, Submitted::Pending(pending))
}

#[test]
fn a_result_comes_once_whatever_is_first() {
    let (told, results) = channel();
    let (completer, submitted) = later();
    let tell = told.clone();
    submitted
        .map(|n: u32| n + 1)
        .then(move |n| tell.send(n).unwrap());
    completer.complete(1);
    let (completer, submitted) = later();
    completer.complete(5);
    submitted
        .map(|n: u32| n + 1)
        .then(move |n| told.send(n).unwrap());
    assert_eq!(results.into_iter().collect::<Vec<_>>(), [2, 6]);
}

#[test]
fn one_after_the_other() {
    let (told, results) = channel();
    let (first, submitted) = later::<u32>();
    let (second, rest) = later::<u32>();
    submitted
        .and_then(move |n| rest.map(move |m| n * m))
        .then(move |n| told.send(n).unwrap());
    first.complete(6);
    second.complete(7);
    assert_eq!(results.into_iter().collect::<Vec<_>>(), [42]);
}

#[test]
fn what_was_not_begun_can_be_withdrawn() {
    let (completer, pending) = pending::<u32>();
    let ticket = pending.ticket();
    pending.then(|_| panic!("it was taken back"));
    assert!(ticket.withdraw());
    assert!(!completer.begin());
    completer.complete(1);
    assert!(ticket.withdraw());
}

#[test]
fn what_was_begun_cannot() {
    let (completer, pending) = pending::<u32>();
    assert!(completer.begin());
    assert!(!pending.ticket().withdraw());
    completer.complete(1);
    assert!(!pending.ticket().withdraw());
}

#[test]
fn a_ticket_follows_what_comes_after() {
    let (first, one) = pending::<u32>();
    let (second, two) = pending::<u32>();
    let both = one.and_then(move |_| Submitted::Pending(two));
    let ticket = both.ticket();
    both.then(|_| panic!("it was taken back"));
    first.complete(1);
    assert!(ticket.withdraw());
    assert!(!second.begin());
}

#[test]
fn who_waits_is_called_once() {
    for withdraw in [false, true] {
        let (told, calls) = channel();
        let (completer, pending) = pending::<u32>();
        let ticket = pending.ticket();
        completer.when_called(move || told.send(()).unwrap());
        if withdraw {
            assert!(ticket.withdraw());
        } else {
            ticket.hurry();
            ticket.hurry();
        }
        assert_eq!(calls.iter().count(), 1);
        assert_ne!(completer.begin(), withdraw);
    }
}

#[test]
fn nobody_left_to_complete_is_as_good_as_withdrawn() {
    let (completer, pending) = pending::<u32>();
    assert!(completer.begin());
    let ticket = pending.ticket();
    drop(completer);
    assert!(ticket.withdraw());
    assert!(Pending::<u32>::never().ticket().withdraw());
}
