//! Commands and their answers: data, residuals, sense data, logical unit addresses.
#![allow(missing_docs)]

mod common;
mod fake;

use std::sync::Arc;

use command::Unit;
use common::ring::WRITE;
use common::{lun, Answer, Data, Dir, Guest, LUN0};
use fake::Fake;
use memory::Scatter;
use vhost_user_scsi::{listen, Server};

const REPORT_LUNS: [u8; 12] = [0xa0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0];
const INQUIRY: [u8; 6] = [0x12, 0, 0, 0, 255, 0];

fn start(units: usize) -> (Dir, Server, Guest, Vec<Arc<Fake>>) {
    let dir = Dir::new();
    let fakes: Vec<_> = (0..units).map(|_| Fake::new()).collect();
    let luns = fakes
        .iter()
        .map(|unit| Arc::clone(unit) as Arc<dyn Unit<Scatter>>);
    let server = listen(&dir.socket(), luns.collect(), 1).unwrap();
    let guest = Guest::start(&dir.socket(), 1, 16);
    (dir, server, guest, fakes)
}

#[test]
fn data_goes_both_ways() {
    let (_dir, _server, mut guest, fakes) = start(1);
    let answer = guest.run(2, LUN0, &[fake::FILL, 0x5a], Data::In(8192));
    let good = Answer {
        used: 108 + 8192,
        response: 0,
        status: 0,
        residual: 0,
        sense: vec![],
    };
    assert_eq!(answer, good);
    assert_eq!(
        guest.read(Guest::data(0), 8193),
        [[0x5a; 8192].as_slice(), &[0]].concat()
    );

    guest.write(Guest::data(0), b"some bytes");
    let answer = guest.run(2, LUN0, &[fake::STORE], Data::Out(10));
    assert_eq!(answer, Answer { used: 108, ..good });
    assert_eq!(*fakes[0].stored.lock().unwrap(), b"some bytes");
}

#[test]
fn the_residual_is_what_was_not_moved() {
    let (_dir, _server, mut guest, _) = start(1);
    let answer = guest.run(2, LUN0, &[fake::SHORT, 36], Data::In(255));
    assert_eq!((answer.used, answer.residual), (108 + 36, 255 - 36));
    let answer = guest.run(2, LUN0, &[fake::FAIL], Data::Out(512));
    assert_eq!(
        (answer.response, answer.status, answer.residual),
        (0, 2, 512)
    );
    assert_eq!(answer.code(), (3, 0x11, 0));
    let answer = guest.run(2, LUN0, &[fake::OVERRUN], Data::In(512));
    assert_eq!(
        (answer.response, answer.used, answer.residual),
        (1, 108, 512)
    );
}

#[test]
fn header_answer_and_data_may_be_cut_anywhere() {
    let (_dir, _server, mut guest, fakes) = start(1);
    guest.write(Guest::data(0), b"headers and data in one buffer?");
    let whole = guest.prepare(0, LUN0, &[fake::STORE], Data::Out(12));
    // One byte, then the rest of the header and 0 bytes of data, then data in two parts.
    let (header, data, answer) = (whole[0].0, whole[1].0, whole[2].0);
    let chain = [
        (header, 1, 0, 0),
        (header + 1, 50, 0, 0),
        (data, 5, 0, 0),
        (data + 5, 7, 0, 0),
        (answer, 11, WRITE, 0),
        (answer + 11, 97, WRITE, 0),
    ];
    guest.rings[2].put_chain(&guest.memory, 3, &chain);
    guest.rings[2].offer(&guest.memory, 3);
    guest.rings[2].publish(&guest.memory);
    assert_eq!(guest.rings[2].wait(&guest.memory, 1), [(3, 108)]);
    assert_eq!(guest.answer((0, 108)).response, 0);
    assert_eq!(*fakes[0].stored.lock().unwrap(), b"headers and ");
}

#[test]
fn each_lun_reaches_its_unit() {
    let (_dir, _server, mut guest, fakes) = start(3);
    for (number, unit) in fakes.iter().enumerate() {
        guest.run(2, lun(number as u8), &[fake::STORE], Data::None);
        assert_eq!(unit.executed(), 1);
    }
    // The peripheral method of addressing.
    guest.run(2, [1, 0, 0, 1, 0, 0, 0, 0], &[fake::STORE], Data::None);
    assert_eq!(fakes[1].executed(), 2);
}

#[test]
fn another_target_is_a_bad_target() {
    let (_dir, _server, mut guest, fakes) = start(1);
    for address in [
        [1, 1, 0x40, 0, 0, 0, 0, 0],
        [0; 8],
        [2, 0, 0x40, 0, 0, 0, 0, 0],
    ] {
        let answer = guest.run(2, address, &INQUIRY, Data::In(255));
        assert_eq!((answer.response, answer.used), (3, 108));
    }
    assert_eq!(fakes[0].executed(), 0);
}

#[test]
fn an_absent_unit_says_so() {
    let (_dir, _server, mut guest, _) = start(2);
    let answer = guest.run(2, lun(2), &INQUIRY, Data::In(255));
    assert_eq!((answer.status, answer.used), (0, 108 + 36));
    assert_eq!(guest.read(Guest::data(0), 1), [0x7f]);
    let answer = guest.run(2, lun(2), &[0], Data::None);
    assert_eq!((answer.status, answer.code()), (2, (5, 0x25, 0)));
    let answer = guest.run(2, lun(2), &[3, 0, 0, 0, 252, 0], Data::In(252));
    assert_eq!((answer.status, answer.used), (0, 108 + 18));
    assert_eq!(guest.read(Guest::data(0) + 12, 1), [0x25]);
}

#[test]
fn report_luns_lists_all_units() {
    let (_dir, _server, mut guest, fakes) = start(3);
    let answer = guest.run(2, lun(1), &REPORT_LUNS, Data::In(256));
    assert_eq!((answer.status, answer.used), (0, 108 + 32));
    let list = guest.read(Guest::data(0), 32);
    assert_eq!(&list[..8], [0, 0, 0, 24, 0, 0, 0, 0]);
    assert_eq!(
        &list[8..26],
        [[0; 8], [0, 1, 0, 0, 0, 0, 0, 0]]
            .concat()
            .iter()
            .chain(&[0, 2])
            .copied()
            .collect::<Vec<_>>()
    );
    // The well-known unit, and what it lists beside the others.
    let mut all = REPORT_LUNS;
    all[2] = 2;
    let answer = guest.run(2, [0xc1, 1, 0, 0, 0, 0, 0, 0], &all, Data::In(256));
    assert_eq!((answer.status, answer.used), (0, 108 + 40));
    assert_eq!(guest.read(Guest::data(0) + 8, 2), [0xc1, 1]);
    let mut wrong = REPORT_LUNS;
    wrong[2] = 3;
    let answer = guest.run(2, LUN0, &wrong, Data::In(256));
    assert_eq!(answer.code(), (5, 0x24, 0));
    assert!(fakes.iter().all(|unit| unit.executed() == 0));
}

#[test]
fn luns_above_255_use_the_flat_space_method() {
    let (_dir, _server, mut guest, fakes) = start(258);
    let answer = guest.run(
        2,
        LUN0,
        &[0xa0, 0, 0, 0, 0, 0, 0, 0x20, 0, 0, 0, 0],
        Data::In(0x2000),
    );
    assert_eq!(answer.used, 108 + 8 + 258 * 8);
    assert_eq!(guest.read(Guest::data(0) + 8 + 257 * 8, 4), [0x41, 1, 0, 0]);
    guest.run(2, [1, 0, 0x41, 1, 0, 0, 0, 0], &[fake::STORE], Data::None);
    assert_eq!(fakes[257].executed(), 1);
}
