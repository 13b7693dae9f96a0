//! Device self-tests: time passes, media are read, results are kept, and one that runs can be ended.

mod common;

use std::time::{Duration, Instant};

use common::host::*;
use common::{blocks, filled, CAPACITY, WRITE, ZONE};
use zoned::{Failed, ZonedDisk};

const SELF_TEST: u8 = 0x14;
const SHORT: u32 = 1;
const EXTENDED: u32 = 2;
const ABORT: u32 = 0xF;

const IN_PROGRESS: u16 = 0x11D;
const UNUSED: [u8; 28] = {
    let mut unused = [0; 28];
    unused[0] = 0xF;
    unused
};

impl Host {
    fn test(&self, namespace: u32, code: u32) -> u16 {
        self.status(&of(SELF_TEST, namespace, &[code]))
    }

    fn page(&self) -> Vec<u8> {
        let page = self.data(&log(0x06, ALL_NAMESPACES, 564));
        assert_eq!(page.len(), 4 + 20 * 28);
        page
    }

    /// The newest result.
    fn result(&self) -> Vec<u8> {
        self.page()[4..32].to_vec()
    }

    /// Which test runs.
    fn running(&self) -> u8 {
        self.page()[0]
    }

    fn await_end(&self) {
        let begun = Instant::now();
        let mut last = 0;
        while self.running() != 0 {
            let percent = self.page()[1];
            assert!(percent < 100 && (percent >= last || self.running() == 0));
            last = percent;
            assert!(begun.elapsed() < Duration::from_secs(300), "it never ends");
            std::thread::sleep(Duration::from_millis(10));
        }
    }
}

#[test]
fn a_test_passes_after_a_while_and_is_kept() {
    let host = host();
    let controller = host.data(&of(IDENTIFY, 0, &[0x01]));
    assert_eq!(number(&controller[256..258]) >> 4 & 1, 1);
    assert_eq!((number(&controller[316..318]), controller[318]), (1, 1));
    assert_eq!(host.page(), [&[0; 4][..], &[UNUSED; 20].concat()].concat());
    let begun = Instant::now();
    assert_eq!(host.test(ALL_NAMESPACES, SHORT), 0);
    assert_eq!(host.running(), 1);
    assert_eq!(host.test(0, EXTENDED), IN_PROGRESS, "one at a time");
    host.await_end();
    assert!(begun.elapsed() >= Duration::from_secs(2));
    let mut passed = [0; 28];
    passed[0] = 0x10;
    assert_eq!(host.result(), passed);
    let page = host.page();
    assert_eq!(page[32..60], UNUSED);

    let disks = host.disks.clone();
    drop(host);
    assert_eq!(power_on(disks).page(), page);
}

#[test]
fn a_block_that_cannot_be_read_fails_it() {
    for code in [SHORT, EXTENDED] {
        let host = host();
        let at_zone_2 = blocks(WRITE, 2 * ZONE, CAPACITY as u32);
        assert_eq!(host.execute(&at_zone_2, &filled(CAPACITY as u32, 1)), 0);
        host.disks[0].hold(true);
        assert_eq!(host.test(1, code), 0);
        let number_of_read = loop {
            if let Some(&number) = host.disks[0].held().first() {
                break number;
            }
        };
        let offset = (2 * ZONE + 5) * 512;
        host.disks[0].fail(number_of_read, Failed::Read { offset });
        host.await_end();
        let result = host.result();
        assert_eq!(u32::from(result[0]), code << 4 | 0x7);
        assert_eq!(result[1..3], [1, 0b1111]);
        assert_eq!(number(&result[12..16]), 1);
        assert_eq!(number(&result[16..24]), 2 * ZONE + 5);
        assert_eq!(result[24..26], [0x2, 0x81]);
    }
}

#[test]
fn a_test_is_ended_by_command_reset_format_and_power() {
    let host = host();
    assert_eq!(host.test(0, ABORT), 0, "none runs");
    assert_eq!(host.page()[4..32], UNUSED);
    assert_eq!(host.test(1, EXTENDED), 0);
    assert_eq!(host.test(0, ABORT), 0);
    assert_eq!((host.running(), host.result()[0]), (0, 0x21));

    assert_eq!(host.test(0, SHORT), 0);
    host.controller.reset();
    assert_eq!((host.running(), host.result()[0]), (0, 0x12));

    assert_eq!(host.test(2, EXTENDED), 0);
    host.controller.reset();
    assert_eq!(host.status(&of(FORMAT, 1, &[0])), 0);
    assert_eq!(host.running(), 2, "it goes on");
    assert_eq!(host.status(&of(FORMAT, ALL_NAMESPACES, &[0])), 0);
    assert_eq!((host.running(), host.result()[0]), (0, 0x24));

    assert_eq!(host.test(1, EXTENDED), 0);
    let disks = host.disks.clone();
    let begun = Instant::now();
    drop(host);
    assert!(begun.elapsed() < Duration::from_secs(9), "it need not end");
    let host = power_on(disks);
    let codes: Vec<u8> = host.page()[4..].chunks(28).map(|one| one[0]).collect();
    assert_eq!(codes[..5], [0x28, 0x24, 0x12, 0x21, 0xF]);
}

#[test]
fn no_more_results_are_kept_than_the_page_has() {
    let host = host();
    for _ in 0..21 {
        assert_eq!(host.test(0, SHORT), 0);
        assert_eq!(host.test(0, ABORT), 0);
    }
    assert_eq!(host.test(0, EXTENDED), 0);
    assert_eq!(host.test(0, ABORT), 0);
    let codes: Vec<u8> = host.page()[4..].chunks(28).map(|one| one[0]).collect();
    assert_eq!(codes, [&[0x21][..], &[0x11; 19]].concat());
    assert_eq!(host.disks[0].saved(6).len(), 20 * 28);
}

#[test]
fn tests_that_there_are_not_are_refused() {
    let host = host();
    for code in [0, 3, 0xE] {
        assert_eq!(host.test(1, code), 0x002);
    }
    assert_eq!(host.test(3, SHORT), 0x00B);
    assert_eq!(host.running(), 0);
}
