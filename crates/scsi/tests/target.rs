//! What a target answers itself, for the units that it has.

mod common;

use std::sync::Arc;

use command::{Command, Unit};
use common::*;
use scsi::{Address, Target};
use zoned::testing::Bytes;

#[test]
fn report_luns_may_have_the_bits_of_its_usage_data_and_no_others() {
    let units: Vec<Arc<dyn Unit<Bytes>>> = vec![Arc::new(Disk::new(small()).unit)];
    let target = Target::new(units);
    let run = |address, at: usize, bits| {
        let mut cdb = [0xA0, 0, 2, 0, 0, 0, 0, 0, 1, 0, 0, 0];
        cdb[at] |= bits;
        let into = Bytes::new(vec![0; 256]);
        let command = Command::new(&cdb, None, Bytes::default(), into);
        let ended = target.execute(address, &command).wait();
        let outcome = ended.expect("an outcome");
        (outcome.status, outcome.sense.get(12).copied())
    };
    const NACA: u8 = 0x04;
    for address in [Address::Unit(0), Address::WellKnown] {
        assert_eq!(run(address, 9, 0x10), (0, None));
        // SAM-5, 5.2: NACA is refused by a unit that does not support it.
        assert_eq!(run(address, 11, NACA), (2, Some(0x24)));
        assert_eq!(run(address, 3, 0x20), (2, Some(0x24)));
    }
}
