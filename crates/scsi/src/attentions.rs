//! Unit attentions (SAM-5, 5.14): what each initiator is still to be told, in the order in which it came about.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use command::MAX_INITIATORS;

use crate::sense::Sense;

/// The pending unit attentions of all initiators.
pub(crate) struct Attentions {
    /// A bit an initiator: there may be something for it.
    pending: AtomicU64,
    state: Mutex<State>,
}

struct State {
    /// The last power on or reset, of which `unaware` initiators were not told yet.
    restart: Sense,
    unaware: u64,
    /// Those that were ever told of one. Others have seen nothing that could change.
    known: u64,
    queues: [VecDeque<Sense>; MAX_INITIATORS],
}

const ALL: u64 = u64::MAX;

impl Attentions {
    /// Everybody is to be told of this power on.
    pub fn new(restart: Sense) -> Attentions {
        Attentions {
            pending: AtomicU64::new(ALL),
            state: Mutex::new(State {
                restart,
                unaware: ALL,
                known: 0,
                queues: std::array::from_fn(|_| VecDeque::new()),
            }),
        }
    }

    /// Everybody is to be told of this power on or reset, and of nothing from before.
    pub fn restart(&self, how: Sense) {
        let mut state = self.state();
        state.restart = how;
        state.unaware = ALL;
        state.queues.iter_mut().for_each(VecDeque::clear);
        self.pending.store(ALL, Ordering::Relaxed);
    }

    /// An initiator is to be told, once.
    pub fn tell(&self, initiator: u8, what: Sense) {
        let (bit, mut state) = (1 << initiator, self.state());
        let queue = &mut state.queues[usize::from(initiator)];
        if !queue.contains(&what) {
            queue.push_back(what);
            self.pending.fetch_or(bit, Ordering::Relaxed);
        }
    }

    /// All initiators but one are to be told, as far as they are known.
    pub fn tell_others(&self, but: u8, what: Sense) {
        let known = self.state().known & !(1 << but);
        let others = (0..MAX_INITIATORS as u8).filter(|initiator| known >> initiator & 1 == 1);
        others.for_each(|initiator| self.tell(initiator, what));
    }

    /// What an initiator is to be told next, which then is pending no more.
    pub fn take(&self, initiator: u8) -> Option<Sense> {
        let bit = 1 << initiator;
        if self.pending.load(Ordering::Relaxed) & bit == 0 {
            return None;
        }
        let mut state = self.state();
        let taken = if state.unaware & bit != 0 {
            state.unaware &= !bit;
            state.known |= bit;
            Some(state.restart)
        } else {
            state.queues[usize::from(initiator)].pop_front()
        };
        if state.queues[usize::from(initiator)].is_empty() {
            self.pending.fetch_and(!bit, Ordering::Relaxed);
        }
        taken
    }

    /// Whether anybody was ever told anything.
    pub fn were_told(&self) -> bool {
        self.state().known != 0
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
