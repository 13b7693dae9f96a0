//! Large reads while others are behind them: helpers copy some, so that one thread does not copy all.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::Arc;
use std::thread::available_parallelism;

use memory::Scatter;
use zoned::{Data, Op, Plan};

use super::requests::Waiter;
use super::Inner;

/// From so many bytes on a copy takes longer than it takes to wake a helper.
const WORTH: u64 = 64 << 10;

/// How many reads helpers may copy at a time: one for each processor but that of the thread which hands them over.
pub(super) struct Sharing {
    most: usize,
    shared: AtomicUsize,
}

impl Default for Sharing {
    fn default() -> Sharing {
        Sharing {
            most: available_parallelism().map_or(0, |processors| processors.get() - 1),
            shared: AtomicUsize::new(0),
        }
    }
}

impl Sharing {
    fn enter(&self) -> bool {
        let add = |shared| (shared < self.most).then_some(shared + 1);
        let shared = &self.shared;
        shared
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, add)
            .is_ok()
    }

    fn leave(&self) {
        self.shared.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Inner {
    /// Whether [`Self::share`] is to carry it out. `true` takes a place of those that there are.
    pub(super) fn shares(&self, op: &Op, data: &Scatter) -> bool {
        matches!(op, Op::Read { stable: false, .. }) && data.len() >= WORTH && self.sharing.enter()
    }

    /// Has a helper carry it out.
    pub(super) fn share(self: &Arc<Self>, plan: Plan, waiter: Waiter) {
        let inner = Arc::clone(self);
        self.helpers.run(move || {
            inner.carry_out(plan, waiter);
            inner.sharing.leave();
        });
    }
}
