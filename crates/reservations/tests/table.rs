//! The table's rules, one by one, and against a model that knows no more than what the standard says of each of them.

use proptest::prelude::*;
use reservations::{Access, Kind, News, Notice, Refused, Table, MOST_REGISTRANTS};

use Access::{Read, Write};
use Kind::{
    ExclusiveAccess, ExclusiveAccessAll, ExclusiveAccessRegistrants, WriteExclusive,
    WriteExclusiveAll, WriteExclusiveRegistrants,
};

/// Initiators 0 to 2 are registered with 10, 11, 12; 3 is not.
fn three() -> Table {
    let mut table = Table::default();
    for initiator in 0..3 {
        let key = 10 + u64::from(initiator);
        assert_eq!(table.register(initiator, 0, key, false), Ok(vec![]));
    }
    table
}

fn reserved(kind: Kind) -> Table {
    let mut table = three();
    assert_eq!(table.reserve(0, 10, kind), Ok(vec![]));
    table
}

fn told(to: &[u8], news: News) -> Vec<Notice> {
    to.iter().map(|&to| Notice { to, news }).collect()
}

fn keys(table: &Table) -> Vec<(u8, u64)> {
    table.registrants().collect()
}

#[test]
fn what_each_kind_lets_others_do() {
    // Holder, registrant, stranger: may each read, and write?
    for (kind, registrant, stranger) in [
        (WriteExclusive, (true, false), (true, false)),
        (ExclusiveAccess, (false, false), (false, false)),
        (WriteExclusiveRegistrants, (true, true), (true, false)),
        (ExclusiveAccessRegistrants, (true, true), (false, false)),
        (WriteExclusiveAll, (true, true), (true, false)),
        (ExclusiveAccessAll, (true, true), (false, false)),
    ] {
        let table = reserved(kind);
        let may = |initiator| {
            let may = |access| !table.conflicts(initiator, access);
            (may(Read), may(Write))
        };
        assert_eq!(may(0), (true, true), "{kind:?}");
        assert_eq!(may(1), registrant, "{kind:?}");
        assert_eq!(may(3), stranger, "{kind:?}");
    }
}

#[test]
fn a_key_has_to_be_the_registered_one() {
    let mut table = three();
    assert_eq!(table.register(0, 11, 20, false), Err(Refused::Conflict));
    assert_eq!(table.register(3, 11, 20, false), Err(Refused::Conflict));
    assert_eq!(table.reserve(0, 11, WriteExclusive), Err(Refused::Conflict));
    assert_eq!(table.reserve(3, 0, WriteExclusive), Err(Refused::Conflict));
    assert_eq!(table.clear(3, 0), Err(Refused::Conflict));
    assert_eq!(table, three());
    assert_eq!(table.register_anyway(0, 20, false), Ok(vec![]));
    assert_eq!(table.register(0, 20, 21, false), Ok(vec![]));
    assert_eq!(keys(&table), [(0, 21), (1, 11), (2, 12)]);
}

#[test]
fn a_reservation_is_the_holders() {
    let mut table = reserved(WriteExclusiveRegistrants);
    let conflict = Err(Refused::Conflict);
    assert_eq!(table.reserve(1, 11, WriteExclusiveRegistrants), conflict);
    assert_eq!(table.reserve(0, 10, WriteExclusive), conflict);
    assert_eq!(table.reserve(0, 10, WriteExclusiveRegistrants), Ok(vec![]));
    assert_eq!(table.release(1, 11, WriteExclusiveRegistrants), Ok(vec![]));
    assert!(table.is_holder(0));
    let other = table.release(0, 10, WriteExclusive);
    assert_eq!(other, Err(Refused::OtherKind));
    let released = table.release(0, 10, WriteExclusiveRegistrants);
    assert_eq!(released, Ok(told(&[1, 2], News::ReservationsReleased)));
    assert_eq!(table.reservation(), None);
}

#[test]
fn all_registrants_hold_theirs_until_the_last_is_gone() {
    let mut table = reserved(WriteExclusiveAll);
    assert_eq!(table.holders_key(), Some(0));
    assert_eq!(table.reserve(1, 11, WriteExclusiveAll), Ok(vec![]));
    for initiator in 0..3 {
        assert!(table.is_holder(initiator));
        assert!(table.reservation().is_some());
        let key = 10 + u64::from(initiator);
        assert_eq!(table.register(initiator, key, 0, false), Ok(vec![]));
    }
    assert_eq!(table.reservation(), None);
}

#[test]
fn a_holder_that_unregisters_releases() {
    for (kind, news) in [
        (ExclusiveAccess, vec![]),
        (
            ExclusiveAccessRegistrants,
            told(&[1, 2], News::ReservationsReleased),
        ),
    ] {
        let mut table = reserved(kind);
        assert_eq!(table.register(0, 10, 0, false), Ok(news));
        assert_eq!(table.reservation(), None);
        assert_eq!(keys(&table), [(1, 11), (2, 12)]);
    }
}

#[test]
fn clearing_tells_the_others() {
    let mut table = reserved(ExclusiveAccess);
    let cleared = table.clear(1, 11);
    assert_eq!(cleared, Ok(told(&[0, 2], News::ReservationsPreempted)));
    assert_eq!((keys(&table), table.reservation()), (vec![], None));
}

#[test]
fn preempting_the_holder_takes_the_reservation_over() {
    let mut table = reserved(WriteExclusive);
    let preempted = table.preempt(1, 11, 10, Some(ExclusiveAccess));
    let mut news = told(&[0], News::RegistrationsPreempted);
    news.extend(told(&[2], News::ReservationsReleased));
    assert_eq!(preempted, Ok(news));
    assert_eq!(keys(&table), [(1, 11), (2, 12)]);
    assert!(table.is_holder(1) && table.conflicts(0, Read));

    // Of the same kind: the third one has nothing to know.
    let mut table = reserved(WriteExclusive);
    let preempted = table.preempt(1, 11, 10, Some(WriteExclusive));
    assert_eq!(preempted, Ok(told(&[0], News::RegistrationsPreempted)));

    // As which kind, has to be said.
    let mut table = reserved(WriteExclusive);
    assert_eq!(table.preempt(1, 11, 10, None), Err(Refused::NoKind));
    assert_eq!(table, reserved(WriteExclusive));

    // The holder itself: it stays registered.
    let mut table = reserved(WriteExclusive);
    assert_eq!(table.preempt(0, 10, 10, Some(WriteExclusive)), Ok(vec![]));
    assert_eq!(keys(&table), keys(&three()));
}

#[test]
fn preempting_another_removes_its_registration() {
    let mut table = reserved(WriteExclusive);
    let preempted = table.preempt(1, 11, 12, None);
    assert_eq!(preempted, Ok(told(&[2], News::RegistrationsPreempted)));
    assert_eq!(
        table.reservation().map(|held| held.kind),
        Some(WriteExclusive)
    );
    let own = table.preempt(1, 11, 11, Some(ExclusiveAccess));
    assert_eq!((own, keys(&table)), (Ok(vec![]), vec![(0, 10)]));
    let gone = table.preempt(0, 10, 12, Some(ExclusiveAccess));
    assert_eq!(gone, Err(Refused::Conflict));
    let none = table.preempt(0, 10, 0, Some(ExclusiveAccess));
    assert_eq!(none, Err(Refused::NoKey));
    assert_eq!(
        three().preempt(0, 10, 0, Some(ExclusiveAccess)),
        Err(Refused::Conflict)
    );
}

#[test]
fn zero_preempts_all_registrants() {
    let mut table = reserved(ExclusiveAccessAll);
    let preempted = table.preempt(1, 11, 0, Some(WriteExclusive));
    assert_eq!(preempted, Ok(told(&[0, 2], News::RegistrationsPreempted)));
    assert_eq!(keys(&table), [(1, 11)]);
    assert!(table.is_holder(1));

    // The last registrants of all remove themselves: nothing is reserved any more.
    let mut table = Table::default();
    table.register(5, 0, 7, false).unwrap();
    table.reserve(5, 7, WriteExclusiveAll).unwrap();
    assert_eq!(table.preempt(5, 7, 7, Some(WriteExclusiveAll)), Ok(vec![]));
    assert_eq!((keys(&table), table.reservation()), (vec![], None));
}

#[test]
fn the_generation_counts_changes_of_registrations() {
    let mut table = reserved(WriteExclusive);
    assert_eq!(table.generation(), 3);
    table.release(0, 10, WriteExclusive).unwrap();
    table.register(3, 0, 0, false).unwrap();
    table.register(3, 9, 1, false).unwrap_err();
    assert_eq!(table.generation(), 3);
    table.register(0, 10, 10, false).unwrap();
    table.preempt(0, 10, 12, Some(WriteExclusive)).unwrap();
    table.clear(0, 10).unwrap();
    assert_eq!(table.generation(), 6);
}

#[test]
fn persistence_is_set_without_a_registration_too() {
    let mut table = three();
    assert!(table.to_keep().is_empty());
    table.set_persistence(true);
    let back = Table::from_kept(&table.to_keep());
    assert_eq!(
        [0, 3].map(|initiator| back.key(initiator)),
        [Some(10), None]
    );
    table.set_persistence(false);
    assert!(table.to_keep().is_empty());
}

#[test]
fn what_persists_is_kept_and_no_more() {
    let mut table = reserved(ExclusiveAccessRegistrants);
    assert_eq!(table.to_keep(), b"");
    table.register(1, 11, 11, true).unwrap();
    let back = Table::from_kept(&table.to_keep());
    assert_eq!(keys(&back), keys(&table));
    assert_eq!(back.reservation(), table.reservation());
    assert!(back.persists() && back.generation() == 0);
    table.register(1, 11, 11, false).unwrap();
    assert_eq!(table.to_keep(), b"");
    assert_eq!(Table::from_kept(b""), Table::default());
}

#[test]
fn as_many_register_as_can_be_kept() {
    let mut table = Table::default();
    for initiator in 0..MOST_REGISTRANTS as u8 {
        table.register(initiator, 0, u64::MAX, true).unwrap();
    }
    let other = MOST_REGISTRANTS as u8;
    assert_eq!(table.register(other, 0, 1, true), Err(Refused::Full));
    assert_eq!(table.register(0, u64::MAX, 1, true), Ok(vec![]));
    let kept = table.to_keep();
    assert!(kept.len() <= 2048, "{}", kept.len());
    assert_eq!(keys(&Table::from_kept(&kept)), keys(&table));
}

#[test]
fn what_no_table_can_be_is_read_as_none() {
    for bytes in [
        &b"\x02\0\0\0"[..],
        b"\x01\0\0",
        b"\x01\x01\0\0",
        b"\x01\x07\0\x01\0\x01\0\0\0\0\0\0\0",
        b"\x01\x01\x01\x01\0\x01\0\0\0\0\0\0\0",
        b"\x01\0\0\x01\0\0\0\0\0\0\0\0\0",
        b"\x01\0\0\x01\x40\x01\0\0\0\0\0\0\0",
        b"\x01\0\0\x01\0\x01\0\0\0\0\0\0\0\0",
        b"\x01\0\0\x02\0\x01\0\0\0\0\0\0\0\0\x01\0\0\0\0\0\0\0",
    ] {
        assert_eq!(Table::from_kept(bytes), Table::default(), "{bytes:?}");
    }
}

#[derive(Clone, Copy, Debug)]
enum Step {
    Register(u64, u64),
    Anyway(u64),
    Reserve(u64, Kind),
    Release(u64, Kind),
    Clear(u64),
    Preempt(u64, u64, Kind),
}

fn step() -> impl Strategy<Value = (u8, Step)> {
    let key = || 0..4u64;
    let kind = || prop::sample::select(&Kind::ALL[..]);
    let step = prop_oneof![
        4 => (key(), key()).prop_map(|(current, new)| Step::Register(current, new)),
        2 => key().prop_map(Step::Anyway),
        4 => (key(), kind()).prop_map(|(key, kind)| Step::Reserve(key, kind)),
        2 => (key(), kind()).prop_map(|(key, kind)| Step::Release(key, kind)),
        1 => key().prop_map(Step::Clear),
        2 => (key(), key(), kind()).prop_map(|(key, victim, kind)| Step::Preempt(key, victim, kind)),
    ];
    (0..4u8, step)
}

/// Keys by initiator, 0 for none; who reserved, and how.
#[derive(Clone, Debug, Default, PartialEq)]
struct Model {
    keys: [u64; 4],
    held: Option<(usize, Kind)>,
}

impl Model {
    fn holds(&self, who: usize) -> bool {
        self.held.is_some_and(|(by, kind)| {
            if kind.is_of_all() {
                self.keys[who] != 0
            } else {
                by == who
            }
        })
    }

    /// Drops a reservation that nobody holds any more.
    fn settle(&mut self) {
        if !(0..4).any(|who| self.holds(who) && self.keys[who] != 0) {
            self.held = None;
        }
    }

    fn apply(&mut self, who: usize, step: Step) -> bool {
        let own = self.keys[who];
        let right = |key: u64| key != 0 && key == own;
        match step {
            Step::Register(current, new) if current == own => self.keys[who] = new,
            Step::Anyway(new) => self.keys[who] = new,
            Step::Reserve(key, kind) if right(key) && self.held.is_none() => {
                self.held = Some((who, kind));
            }
            Step::Reserve(key, kind) => {
                let again = self.held.is_some_and(|held| held.1 == kind);
                return right(key) && again && self.holds(who);
            }
            Step::Release(key, kind) if right(key) => {
                if self.holds(who) {
                    if self.held.is_some_and(|held| held.1 != kind) {
                        return false;
                    }
                    self.held = None;
                }
            }
            Step::Clear(key) if right(key) => *self = Model::default(),
            Step::Preempt(key, victim, kind) if right(key) => {
                let of_all = self.held.is_some_and(|held| held.1.is_of_all());
                let whose = |other: usize| {
                    self.keys[other] != 0 && (self.keys[other] == victim || of_all && victim == 0)
                };
                let victims: Vec<usize> = (0..4).filter(|&other| whose(other)).collect();
                if victims.is_empty() {
                    return false;
                }
                let takes_over = match self.held {
                    Some(_) if of_all => victim == 0,
                    Some((by, _)) => victims.contains(&by),
                    None => false,
                };
                for other in victims {
                    if !(takes_over && other == who) {
                        self.keys[other] = 0;
                    }
                }
                if takes_over {
                    self.held = Some((who, kind));
                }
            }
            _ => return false,
        }
        self.settle();
        true
    }
}

proptest! {
    #[test]
    fn it_is_what_the_model_is(steps in prop::collection::vec(step(), 1..60)) {
        let (mut table, mut model) = (Table::default(), Model::default());
        for (who, step) in steps {
            let before = table.clone();
            let done = match step {
                Step::Register(current, new) => table.register(who, current, new, true),
                Step::Anyway(new) => table.register_anyway(who, new, true),
                Step::Reserve(key, kind) => table.reserve(who, key, kind),
                Step::Release(key, kind) => table.release(who, key, kind),
                Step::Clear(key) => table.clear(who, key),
                Step::Preempt(key, victim, kind) => table.preempt(who, key, victim, Some(kind)),
            };
            prop_assert_eq!(done.is_ok(), model.apply(usize::from(who), step), "{:?}", step);
            let keys: [u64; 4] = std::array::from_fn(|at| {
                let found = table.registrants().find(|(initiator, _)| usize::from(*initiator) == at);
                found.map_or(0, |(_, key)| key)
            });
            prop_assert_eq!(keys, model.keys);
            prop_assert_eq!(table.reservation().map(|held| held.kind), model.held.map(|held| held.1));
            for initiator in 0..4 {
                prop_assert_eq!(table.is_holder(initiator), model.holds(usize::from(initiator)));
                // Holders are registrants, and nothing is in their way.
                if table.is_holder(initiator) {
                    prop_assert!(keys[usize::from(initiator)] != 0);
                    prop_assert!(!table.conflicts(initiator, Write));
                }
                prop_assert!(table.reservation().is_some() || !table.conflicts(initiator, Write));
                prop_assert!(!table.conflicts(initiator, Read) || table.conflicts(initiator, Write));
            }
            match done {
                // Who loses its registration to another one, and nobody else, is told of that.
                Ok(notices) => for (initiator, _) in before.registrants() {
                    let lost = initiator != who && !table.registrants().any(|(other, _)| other == initiator);
                    let told = notices.iter().any(|notice| notice.to == initiator && matches!(
                        notice.news,
                        News::RegistrationsPreempted | News::ReservationsPreempted
                    ));
                    prop_assert_eq!(lost, told);
                },
                Err(_) => prop_assert_eq!(&table, &before),
            }
            let back = Table::from_kept(&table.to_keep());
            prop_assert!(back.registrants().eq(table.registrants()));
            prop_assert_eq!(back.reservation(), table.reservation());
        }
    }

    #[test]
    fn any_bytes_can_be_read(bytes in prop::collection::vec(any::<u8>(), 0..64)) {
        let table = Table::from_kept(&bytes);
        prop_assert!(table.reservation().is_none() || table.holders_key().is_some());
    }
}
