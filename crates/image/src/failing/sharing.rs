//! What is in flight together: it becomes stable together, and helpers read some of it.

use zoned::{Action, Completion, Operation, Origin, Request, Submitted, Target};

use super::*;

impl Bench {
    fn submit(&self, operation: Operation) -> Submitted<Completion> {
        let data = Scatter::zeroed(BLOCK);
        self.disk.submit(Request::from(operation), &data)
    }

    /// How often `part` is called for the first of `operations` and for all others, which come while the first is at it.
    fn calls(&self, part: Part, operations: Vec<Operation>) -> u32 {
        let before = self.trouble.calls(part);
        let slow = self.trouble.slow.lock().unwrap();
        let mut operations = operations.into_iter();
        let mut submitted = vec![self.submit(operations.next().unwrap())];
        while self.trouble.calls(part) == before {
            std::thread::yield_now();
        }
        submitted.extend(operations.map(|operation| self.submit(operation)));
        drop(slow);
        for one in submitted {
            assert!(one.wait().unwrap().result.is_ok());
        }
        self.trouble.calls(part) - before
    }
}

#[test]
fn flushes_and_stable_writes_share_one_sync() {
    let bench = Bench::new();
    let write = |zone| Operation::Write {
        blocks: Blocks {
            lba: zone * ZONE,
            count: 1,
        },
        stable: true,
    };
    let mut all = vec![Operation::Flush; 20];
    all.extend((1..8).map(write));
    assert_eq!(bench.calls(Part::Sync, all), 2);
    assert_eq!(bench.stable_pointers()[1..], [1; 7]);
}

#[test]
fn resets_share_one_journal_record() {
    let bench = Bench::new();
    for zone in 1..8 {
        assert_eq!(bench.sense(WRITE, zone * ZONE, 1, &[1; BLOCK]), GOOD);
    }
    assert_eq!(bench.sense(SYNC, 0, 0, &[]), GOOD);
    let reset = |zone| Operation::Manage {
        action: Action::Reset,
        target: Target::Zones {
            first: zone,
            count: 1,
        },
    };
    assert_eq!(bench.calls(Part::Stable, (1..8).map(reset).collect()), 2);
    assert_eq!(bench.stable_pointers()[1..], [0; 7]);
}

#[test]
fn a_large_read_that_is_followed_is_a_helpers() {
    let bench = Bench::new();
    let lba = 2 * ZONE;
    let count = ZONE as u32;
    let data: Vec<u8> = (0..ZONE as usize * BLOCK)
        .map(|at| (at / 7) as u8)
        .collect();
    assert_eq!(bench.sense(WRITE, lba, count, &data), GOOD);
    let read = |followed| {
        let count = count.into();
        let into = Scatter::zeroed(data.len());
        let operation = Operation::Read {
            blocks: Blocks { lba, count },
            stable: false,
        };
        let origin = Origin {
            followed,
            ..Origin::default()
        };
        let submitted = bench.disk.submit(Request { operation, origin }, &into);
        let is_pending = matches!(submitted, Submitted::Pending(_));
        assert_eq!(submitted.wait().unwrap().moved, data.len() as u64);
        assert_eq!(into.to_vec(data.len() as u64), data);
        is_pending
    };
    let several = std::thread::available_parallelism().is_ok_and(|found| found.get() > 1);
    for _ in 0..10 {
        assert!(!read(false));
        while read(true) != several {
            // The helper of the read before has not left yet.
            std::thread::yield_now();
        }
    }
}

#[test]
fn all_in_a_round_that_fails_are_told() {
    let bench = Bench::new();
    let slow = bench.trouble.slow.lock().unwrap();
    let submitted: Vec<_> = (0..5).map(|_| bench.submit(Operation::Flush)).collect();
    bench.trouble.set(Part::Sync, libc::EIO);
    drop(slow);
    for one in submitted {
        assert_eq!(one.wait().unwrap().result, Err(Refusal::NotStable));
    }
    bench.trouble.set(Part::Sync, 0);
    assert_eq!(bench.sense(SYNC, 0, 0, &[]), GOOD);
}
