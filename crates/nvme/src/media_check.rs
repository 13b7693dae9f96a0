//! What a self-test does with media: it reads what is written on them.

use std::sync::Arc;

use zoned::{Blocks, Data, Operation, Origin, Refusal, Request, ZonedDisk};

use crate::self_tests::{Ended, Kind, Test};

/// How much is read at a time.
const STEP: u64 = 1 << 20;
/// Of how many zones of a namespace a short test reads something.
const FEW: u32 = 64;

/// The media of a test, with the numbers of their namespaces.
pub(crate) type Media<D> = Vec<(u32, Arc<dyn ZonedDisk<D>>)>;

/// Tests the media; how that ended.
pub(crate) fn check<D: Data>(media: &Media<D>, test: &Test) -> Ended {
    let every = |zones: u32| match test.kind {
        Kind::Short => zones.div_ceil(FEW),
        Kind::Extended => 1,
    };
    for (at, (namespace, disk)) in (0..).zip(media) {
        let zones = disk.geometry().zones();
        for zone in (0..zones).step_by(every(zones) as usize) {
            if let Some(lba) = unreadable(&**disk, zone, test) {
                let namespace = *namespace;
                return Ended::Failed { namespace, lba };
            }
            let done = at * u64::from(zones) + u64::from(zone) + 1;
            test.reached(done, media.len() as u64 * u64::from(zones));
        }
    }
    test.reached(1, 1);
    test.await_end();
    Ended::Passed
}

/// Reads what is written of a zone, or the first of it in a short test. The first block that cannot be read.
fn unreadable<D: Data>(disk: &dyn ZonedDisk<D>, zone: u32, test: &Test) -> Option<u64> {
    let geometry = disk.geometry();
    let found = disk.zone(zone);
    let step = STEP / u64::from(geometry.block_size);
    let most = match test.kind {
        Kind::Short => step,
        Kind::Extended => u64::MAX,
    };
    let end = found.write_pointer.unwrap_or(found.start + found.len);
    let end = end.min(found.start.saturating_add(most));
    let mut lba = found.start;
    while lba < end && !test.is_over() {
        let count = step.min(end - lba);
        let request = Request {
            operation: Operation::Verify {
                blocks: Blocks { lba, count },
            },
            origin: Origin::of("Device Self-test", 0x14),
        };
        let done = disk.submit(request, &D::default()).wait();
        if let Some(Err(Refusal::Unreadable { lba })) = done.map(|done| done.result) {
            return Some(lba);
        }
        lba += count;
    }
    None
}
