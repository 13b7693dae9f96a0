//! A result now, or later. What is completed at once costs no allocation.
//!
//! [`Submitted`] is what a submission returns. Who wants the result of one that is [`Submitted::Pending`] leaves what
//! is to be done with it ([`Pending::then`]), which then runs once, in the thread that completes. A [`Ticket`] takes a
//! submission back that was not begun, or asks for it to begin now. Knows nothing of disks.

use std::sync::mpsc::channel;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// How a submission ended, or that it has not.
pub enum Submitted<T> {
    Completed(T),
    Pending(Pending<T>),
}

impl<T: Send + 'static> Submitted<T> {
    /// The result, changed by `change` as soon as it is there.
    pub fn map<U: Send + 'static>(
        self,
        change: impl FnOnce(T) -> U + Send + 'static,
    ) -> Submitted<U> {
        match self {
            Submitted::Completed(result) => Submitted::Completed(change(result)),
            Submitted::Pending(pending) => Submitted::Pending(pending.map(change)),
        }
    }

    /// What `next` submits with the result, as soon as that is there.
    pub fn and_then<U: Send + 'static>(
        self,
        next: impl FnOnce(T) -> Submitted<U> + Send + 'static,
    ) -> Submitted<U> {
        match self {
            Submitted::Completed(result) => next(result),
            Submitted::Pending(pending) => Submitted::Pending(pending.and_then(next)),
        }
    }

    /// Waits for the result, for those who may; `None` if it never comes.
    pub fn wait(self) -> Option<T> {
        match self {
            Submitted::Completed(result) => Some(result),
            Submitted::Pending(pending) => {
                let (told, result) = channel();
                // Who waits is there.
                pending.then(move |completed| drop(told.send(completed)));
                result.recv().ok()
            }
        }
    }

    /// Has `then` run with the result: now, or later in the thread that completes.
    pub fn then(self, then: impl FnOnce(T) + Send + 'static) {
        match self {
            Submitted::Completed(result) => then(result),
            Submitted::Pending(pending) => pending.then(then),
        }
    }
}

type Hook = Box<dyn FnOnce() + Send>;

type Then<T> = Box<dyn FnOnce(T) + Send>;

/// A result that is not there yet. To drop it is to have no interest in the result, not to take the submission back.
pub struct Pending<T> {
    ticket: Ticket,
    subscribe: Box<dyn FnOnce(Then<T>) + Send>,
}

impl<T: Send + 'static> Pending<T> {
    /// A result that never comes.
    pub fn never() -> Pending<T> {
        Pending {
            ticket: Ticket::new(Stage::Withdrawn),
            subscribe: Box::new(drop),
        }
    }

    /// By which the submission can be taken back.
    pub fn ticket(&self) -> Ticket {
        self.ticket.clone()
    }

    /// Has `then` run with the result in the thread that completes, or now if it is there.
    pub fn then(self, then: impl FnOnce(T) + Send + 'static) {
        (self.subscribe)(Box::new(then));
    }

    /// The result, changed by `change`.
    pub fn map<U: Send + 'static>(
        self,
        change: impl FnOnce(T) -> U + Send + 'static,
    ) -> Pending<U> {
        let Pending { ticket, subscribe } = self;
        Pending {
            ticket,
            subscribe: Box::new(move |then| {
                subscribe(Box::new(move |result| then(change(result))));
            }),
        }
    }

    /// What `next` submits with the result.
    pub fn and_then<U: Send + 'static>(
        self,
        next: impl FnOnce(T) -> Submitted<U> + Send + 'static,
    ) -> Pending<U> {
        let Pending { ticket, subscribe } = self;
        let both = ticket.clone();
        Pending {
            ticket,
            subscribe: Box::new(move |then| {
                subscribe(Box::new(move |result| match next(result) {
                    Submitted::Completed(result) => then(result),
                    Submitted::Pending(second) => {
                        both.follow(second.ticket());
                        (second.subscribe)(then);
                    }
                }));
            }),
        }
    }
}

/// A submission that may be taken back.
#[derive(Clone)]
pub struct Ticket(Arc<Mutex<Stage>>);

enum Stage {
    /// Nothing was done yet. What is to run when it is taken back, or is to begin now.
    Waiting(Option<Hook>),
    Begun,
    /// It never completes.
    Withdrawn,
    /// It goes on as another.
    Follows(Ticket),
}

impl Ticket {
    fn new(stage: Stage) -> Ticket {
        Ticket(Arc::new(Mutex::new(stage)))
    }

    /// Takes the submission back, if nothing of it was done. `true`: it never completes, and nothing of it will be done.
    /// `false`: it completes soon, or has; or it is about to wait once more, so ask again until it has completed.
    pub fn withdraw(&self) -> bool {
        let mut stage = self.stage();
        match &mut *stage {
            Stage::Waiting(hook) => {
                let hook = hook.take();
                *stage = Stage::Withdrawn;
                drop(stage);
                hook.into_iter().for_each(|hook| hook());
                true
            }
            Stage::Begun => false,
            Stage::Withdrawn => true,
            Stage::Follows(next) => {
                let next = next.clone();
                drop(stage);
                next.withdraw()
            }
        }
    }

    /// Asks for the submission to begin now, if it waits for no more than time to pass.
    pub fn hurry(&self) {
        let mut stage = self.stage();
        match &mut *stage {
            Stage::Waiting(hook) => {
                let hook = hook.take();
                drop(stage);
                hook.into_iter().for_each(|hook| hook());
            }
            Stage::Begun | Stage::Withdrawn => {}
            Stage::Follows(next) => {
                let next = next.clone();
                drop(stage);
                next.hurry();
            }
        }
    }

    /// Whether both are of the same submission.
    pub fn is(&self, other: &Ticket) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }

    /// Whether it never completes: it was taken back, or whoever should complete it is gone.
    pub fn is_over(&self) -> bool {
        match &*self.stage() {
            Stage::Withdrawn => true,
            Stage::Follows(next) => next.is_over(),
            Stage::Waiting(_) | Stage::Begun => false,
        }
    }

    /// Whether it may be begun: it was not taken back.
    fn begin(&self) -> bool {
        let mut stage = self.stage();
        if matches!(*stage, Stage::Waiting(_)) {
            *stage = Stage::Begun;
        }
        matches!(*stage, Stage::Begun)
    }

    fn follow(&self, next: Ticket) {
        *self.stage() = Stage::Follows(next);
    }

    fn stage(&self) -> MutexGuard<'_, Stage> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

enum Slot<T> {
    Empty,
    Result(T),
    Then(Then<T>),
    Over,
}

/// The other end of a [`Pending`]: who completes it.
///
/// Dropped before, it never completes, and counts as taken back.
pub struct Completer<T> {
    ticket: Ticket,
    slot: Arc<Mutex<Slot<T>>>,
}

/// A result that is not there yet, and who brings it.
pub fn pending<T: Send + 'static>() -> (Completer<T>, Pending<T>) {
    let ticket = Ticket::new(Stage::Waiting(None));
    let slot = Arc::new(Mutex::new(Slot::Empty));
    let completer = Completer {
        ticket: ticket.clone(),
        slot: Arc::clone(&slot),
    };
    let subscribe = Box::new(move |then: Then<T>| {
        let mut slot = locked(&slot);
        match std::mem::replace(&mut *slot, Slot::Over) {
            Slot::Result(result) => {
                drop(slot);
                then(result);
            }
            Slot::Empty => *slot = Slot::Then(then),
            Slot::Then(_) | Slot::Over => {}
        }
    });
    (completer, Pending { ticket, subscribe })
}

impl<T> Completer<T> {
    /// Whether to begin: `false` if the submission was taken back, and is to be dropped.
    pub fn begin(&self) -> bool {
        self.ticket.begin()
    }

    /// Has `hook` run, once, when the submission is taken back or is to begin now; at once if it was taken back.
    pub fn when_called(&self, hook: impl FnOnce() + Send + 'static) {
        let mut stage = self.ticket.stage();
        match &mut *stage {
            Stage::Waiting(place) => *place = Some(Box::new(hook)),
            Stage::Begun | Stage::Follows(_) => {}
            Stage::Withdrawn => {
                drop(stage);
                hook();
            }
        }
    }

    /// Completes the submission, unless it was taken back.
    pub fn complete(self, result: T) {
        if !self.begin() {
            return;
        }
        let mut slot = locked(&self.slot);
        match std::mem::replace(&mut *slot, Slot::Over) {
            Slot::Empty => *slot = Slot::Result(result),
            Slot::Then(then) => {
                drop(slot);
                then(result);
            }
            Slot::Result(_) | Slot::Over => {}
        }
    }
}

impl<T> Drop for Completer<T> {
    fn drop(&mut self) {
        let over = !matches!(*locked(&self.slot), Slot::Empty | Slot::Then(_));
        if !over {
            *self.ticket.stage() = Stage::Withdrawn;
            // What it holds may lead back to here.
            let unused = std::mem::replace(&mut *locked(&self.slot), Slot::Over);
            drop(unused);
        }
    }
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests;
