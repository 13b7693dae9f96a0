//! What is in flight together becomes stable together.

use zoned::{Action, Completion, Operation, Request, Submitted, Target};

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
