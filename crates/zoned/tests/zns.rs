//! The rules of ZNS where they differ from those of ZBC (ZNS 1.1, 2.1.1 and 3.4).

mod common;

use common::*;
use zoned::testing::Bytes;
use zoned::{
    Action, Blocks, Condition, Degraded, Geometry, Kind, Operation, Refusal, Statistics, Target,
    ZonedDisk,
};

#[test]
fn writes_are_by_the_logical_block_and_end_at_the_capacity() {
    let disk = Disk::new(zns());
    assert_eq!(disk.write(0, 1, 1), Ok(()));
    assert_eq!(disk.write(1, 2, 2), Ok(()));
    let unaligned = Refusal::Unaligned {
        zone: 0,
        write_pointer: 3,
    };
    assert_eq!(disk.write(4, 1, 3), Err(unaligned));
    let boundary = Refusal::WriteBoundary { zone: 0 };
    assert_eq!(disk.write(3, CAPACITY - 2, 3), Err(boundary));
    assert_eq!(disk.write(3, CAPACITY - 3, 3), Ok(()));
    assert_eq!(disk.condition(0), Condition::Full);
    assert_eq!(disk.write(CAPACITY, 1, 4), Err(Refusal::Full { zone: 0 }));
}

#[test]
fn reads_behind_the_write_pointer_and_the_capacity_are_zeroes() {
    let disk = Disk::new(zns());
    disk.write(0, CAPACITY, 7).unwrap();
    disk.write(ZONE, 1, 8).unwrap();
    let mut expected = filled(CAPACITY, 7);
    expected.extend(filled(ZONE - CAPACITY, 0));
    expected.extend(filled(1, 8));
    expected.extend(filled(3, 0));
    assert_eq!(disk.read(0, ZONE + 4).unwrap(), expected);
}

#[test]
fn a_read_stays_within_a_zone_unless_it_may_cross() {
    let disk = Disk::new(Geometry {
        unrestricted_reads: false,
        ..zns()
    });
    assert_eq!(
        disk.read(ZONE - 1, 2),
        Err(Refusal::ReadBoundary { zone: 1 })
    );
    assert_eq!(disk.read(ZONE - 1, 1), Ok(filled(1, 0)));
}

#[test]
fn appends_tell_where_they_wrote_in_the_order_in_which_they_came() {
    let disk = Disk::new(zns());
    assert_eq!(disk.append(2, 3, 1), Ok(start(2)));
    disk.0.hold(true);
    let waiting: Vec<_> = (0..3)
        .map(|number| disk.submit(append(2, 2), filled(2, 10 + number)))
        .collect();
    disk.0.release_all();
    let lbas: Vec<_> = waiting
        .into_iter()
        .map(|one| one.wait().unwrap().result.unwrap().lba.unwrap())
        .collect();
    assert_eq!(lbas, [3, 5, 7].map(|at| start(2) + at));
    assert_eq!(disk.read(start(2) + 5, 2), Ok(filled(2, 11)));
    let boundary = Refusal::WriteBoundary { zone: 2 };
    assert_eq!(disk.append(2, CAPACITY, 1), Err(boundary));
    let nothing = disk.ask(append(3, 0), Vec::new()).map(|answer| answer.lba);
    assert_eq!((nothing, disk.condition(3)), (Ok(None), Condition::Empty));
    let smr = Disk::new(Geometry {
        kind: Kind::HostManaged,
        max_active: None,
        extension_bytes: 0,
        ..zns()
    });
    assert_eq!(smr.append(2, 8, 1), Err(Refusal::NotSupported));
}

#[test]
fn an_unwritten_zone_that_is_closed_stays_active_until_power_is_lost() {
    let disk = Disk::new(zns());
    disk.act(Action::Open, 0).unwrap();
    disk.act(Action::Close, 0).unwrap();
    assert_eq!((disk.condition(0), disk.active()), (Condition::Closed, 1));
    disk.0.power_cycle(|_, word| word);
    assert_eq!((disk.condition(0), disk.active()), (Condition::Empty, 0));
}

#[test]
fn an_implicit_open_closes_another_and_active_zones_have_a_limit_of_their_own() {
    let disk = Disk::new(zns());
    for zone in 0..3 {
        disk.write(start(zone), 1, 1).unwrap();
    }
    assert_eq!(disk.condition(0), Condition::Closed);
    let limit = Refusal::TooManyActive { limit: 3 };
    assert_eq!(disk.write(start(3), 1, 1), Err(limit));
    assert_eq!(disk.act(Action::Open, 3), Err(limit));
    disk.act(Action::Open, 1).unwrap();
    disk.act(Action::Open, 2).unwrap();
    let limit = Refusal::TooManyOpen { limit: 2 };
    assert_eq!(disk.write(1, 1, 1), Err(limit));
    disk.act(Action::Finish, 1).unwrap();
    assert_eq!(disk.write(start(3), 1, 1), Ok(()));
}

#[test]
fn where_the_limits_are_equal_it_is_active_zones_that_are_too_many() {
    let disk = Disk::new(Geometry {
        max_open: Some(2),
        max_active: Some(2),
        ..zns()
    });
    let target = Target::Zones { first: 0, count: 3 };
    let three = Operation::Manage {
        action: Action::Open,
        target,
    };
    let limit = Refusal::TooManyActive { limit: 2 };
    assert_eq!(disk.ask(three, Vec::new()).map(drop), Err(limit));
    disk.act(Action::Open, 0).unwrap();
    disk.act(Action::Open, 1).unwrap();
    assert_eq!(disk.act(Action::Open, 2), Err(limit));
    assert_eq!(disk.write(start(2), 1, 1), Err(limit));
    assert_eq!(disk.append(2, 1, 1), Err(limit));
    assert_eq!(disk.write(start(1), 1, 1), Ok(()));
}

#[test]
fn the_place_of_a_zone_that_was_filled_is_free_when_that_is_stable() {
    let disk = Disk::new(Geometry {
        max_open: None,
        ..zns()
    });
    for zone in 0..3 {
        disk.write(start(zone), 1, 1).unwrap();
    }
    disk.write(1, CAPACITY - 1, 1).unwrap();
    assert_eq!((disk.condition(0), disk.active()), (Condition::Full, 2));
    // The disk is asked to make it stable, and then goes on.
    assert_eq!(disk.0.stabilized(), 0);
    assert_eq!(disk.write(start(3), 1, 1), Ok(()));
    assert_eq!((disk.0.stabilized(), disk.active()), (1, 3));
    assert_eq!(
        disk.write(start(4), 1, 1),
        Err(Refusal::TooManyActive { limit: 3 })
    );
}

#[test]
fn the_place_of_a_zone_under_reset_is_free_when_that_is_stable() {
    let disk = Disk::new(zns());
    for zone in 0..3 {
        disk.write(start(zone), 1, 1).unwrap();
    }
    disk.0.hold(true);
    let reset = disk.submit(manage(Action::Reset, 0), Vec::new());
    let write = disk.submit(write(start(3), 1), filled(1, 1));
    assert_eq!(disk.0.held().len(), 1, "only the reset has begun");
    disk.0.release_all();
    assert!(reset.wait().unwrap().result.is_ok());
    assert!(write.wait().unwrap().result.is_ok());
}

#[test]
fn transitions_that_are_not_are_refused() {
    let disk = Disk::new(zns());
    disk.write(start(1), CAPACITY, 1).unwrap();
    disk.degrade(2, Degraded::ReadOnly);
    disk.degrade(3, Degraded::Offline);
    let all = [
        Action::Open,
        Action::Close,
        Action::Finish,
        Action::Reset,
        Action::Offline,
    ];
    let allowed = [
        (0, vec![Action::Open, Action::Finish, Action::Reset]),
        (1, vec![Action::Finish, Action::Reset]),
        (2, vec![Action::Offline]),
        (3, vec![Action::Offline]),
    ];
    for (zone, allowed) in allowed {
        for action in all.into_iter().filter(|action| !allowed.contains(action)) {
            let condition = disk.condition(zone);
            let refusal = Refusal::Transition { zone, condition };
            assert_eq!(disk.act(action, zone), Err(refusal), "{action:?}");
        }
    }
    assert_eq!(disk.act(Action::Finish, 1), Ok(()));
    assert_eq!(disk.act(Action::Offline, 2), Ok(()));
    assert_eq!(disk.condition(2), Condition::Offline);
    assert_eq!(disk.read(start(2), 1), Err(Refusal::Offline { zone: 2 }));
    assert_eq!(disk.act_on_all(Action::Reset), Ok(()));
    assert_eq!(disk.condition(1), Condition::Empty);
}

#[test]
fn a_descriptor_extension_makes_an_empty_zone_a_closed_one() {
    let disk = Disk::new(zns());
    let set = || manage(Action::SetExtension, 4);
    disk.ask(set(), vec![0xAB; 64]).unwrap();
    let zone = disk.0.zone(4);
    assert_eq!(
        (zone.condition, zone.extension_valid),
        (Condition::Closed, true)
    );
    assert_eq!(disk.0.extension(4), [0xAB; 64]);
    let refusal = Refusal::Transition {
        zone: 4,
        condition: Condition::Closed,
    };
    assert_eq!(disk.ask(set(), vec![1; 64]), Err(refusal));
    disk.0.power_cycle(|_, word| word);
    assert_eq!(disk.condition(4), Condition::Closed, "it is kept");
    disk.act(Action::Reset, 4).unwrap();
    assert!(!disk.0.zone(4).extension_valid);
    for zone in 0..3 {
        disk.write(start(zone), 1, 1).unwrap();
    }
    let limit = Refusal::TooManyActive { limit: 3 };
    assert_eq!(disk.ask(set(), vec![1; 64]), Err(limit));
}

#[test]
fn an_offline_zone_has_no_descriptor_extension() {
    let disk = Disk::new(zns());
    for zone in 0..2 {
        disk.ask(manage(Action::SetExtension, zone), vec![1; 64])
            .unwrap();
    }
    disk.degrade(0, Degraded::Offline);
    disk.degrade(1, Degraded::ReadOnly);
    let valid = |zone| disk.0.zone(zone).extension_valid;
    assert_eq!([valid(0), valid(1)], [false, true]);
    disk.act(Action::Offline, 1).unwrap();
    assert!(!valid(1));
}

#[test]
fn a_namespace_has_sequential_zones_only() {
    assert_eq!(zns().validate(), Ok(()));
    let geometry = Geometry {
        conventional_zones: 1,
        ..zns()
    };
    assert!(geometry.validate().is_err());
}

#[test]
fn a_medium_without_sequential_zones_is_written_anywhere_and_has_none_to_manage() {
    let disk = Disk::new(Geometry {
        kind: Kind::Conventional,
        zone_capacity: None,
        conventional_zones: 8,
        max_open: None,
        max_active: None,
        extension_bytes: 0,
        ..zns()
    });
    assert_eq!(disk.write(5, 2 * ZONE, 3), Ok(()));
    assert_eq!(disk.read(4, 3).unwrap()[BLOCK..], filled(2, 3));
    assert_eq!(disk.write(8 * ZONE - 1, 1, 4), Ok(()));
    let conventional = Refusal::NotZoneStart {
        lba: start(2),
        zone: 2,
    };
    assert_eq!(disk.act(Action::Reset, 2), Err(conventional));
    assert_eq!(disk.act_on_all(Action::Reset), Ok(()));
    assert_eq!(disk.read(5, 1), Ok(filled(1, 3)));
}

#[test]
fn fill_moves_the_write_pointer_and_compare_tells_the_first_difference() {
    let disk = Disk::new(zns());
    let blocks = Blocks { lba: 0, count: 6 };
    let fill = Operation::Fill {
        blocks,
        stable: false,
    };
    disk.ask(fill, filled(1, 9)).unwrap();
    assert_eq!(disk.0.zone(0).write_pointer, Some(6));
    let mut data = filled(6, 9);
    let compare = Operation::Compare { blocks };
    assert!(disk.ask(compare, data.clone()).is_ok());
    data[3 * BLOCK + 7] ^= 1;
    assert_eq!(disk.ask(compare, data), Err(Refusal::Differs { lba: 3 }));
}

impl Disk {
    fn degrade(&self, zone: u32, to: Degraded) {
        let target = Target::Zones {
            first: zone,
            count: 1,
        };
        let degrade = Operation::Degrade { target, to };
        let submitted = self.0.submit(degrade.into(), &Bytes::default());
        submitted.wait().unwrap().result.unwrap();
    }
}

#[test]
fn what_happened_to_zones_is_counted_until_it_is_asked_for() {
    let disk = Disk::new(Geometry {
        max_open: None,
        max_active: None,
        ..zns()
    });
    assert_eq!(disk.0.take_statistics(), Statistics::default());
    for zone in [0, 1] {
        disk.act(Action::Open, zone).unwrap();
    }
    disk.write(start(2), 1, 1).unwrap();
    disk.act(Action::Close, 0).unwrap();
    disk.act(Action::Finish, 1).unwrap();
    let told = disk.0.take_statistics();
    let expected = Statistics {
        most_open: 3,
        most_explicitly_open: 2,
        most_implicitly_open: 1,
        most_used: 3,
        most_non_sequential: 0,
        emptied: 0,
    };
    assert_eq!(told, expected);
    for zone in [1, 2, 7] {
        disk.act(Action::Reset, zone).unwrap();
    }
    let told = disk.0.take_statistics();
    assert_eq!((told.most_open, told.most_used, told.emptied), (1, 3, 2));
    let told = disk.0.take_statistics();
    assert_eq!((told.most_open, told.most_used, told.emptied), (0, 1, 0));
}
