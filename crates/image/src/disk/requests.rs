//! Requests to a disk: the machine decides, the medium and the durability carry out. A disk whose image is lost does
//! neither.
//!
//! Reads and writes are carried out by the thread that submits them. What has to wait for the host's disk (a read of what
//! is not in its page cache, a flush, a reset, the end of a stable write) goes to a helper, and completes later.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::io;
use std::sync::atomic::Ordering;
use std::sync::Arc;

use memory::Scatter;
use zoned::{
    pending, Answer, Completer, Completion, Decided, Event, Failed, Op, Operation, Plan, Refusal,
    Request, Resumed, Step, Submitted, Target, Waits,
};

use super::rounds::What;
use super::{Cache, Inner};
use crate::helpers::is_helper;
use crate::medium::Done;
use crate::slots::CUT;

/// How many requests that waited for another one its thread carries out before the rest goes to a helper.
const AT_ONCE: usize = 8;

thread_local! {
    /// What this thread carries out next, while it does such.
    static RESUMING: RefCell<Option<Queue>> = const { RefCell::new(None) };
}

/// Requests to carry out, each with its disk.
type Queue = VecDeque<(Arc<Inner>, Decided<Waiter>)>;

/// Who waits for a request.
pub(super) struct Waiter {
    data: Scatter,
    completer: Completer<Completion>,
}

impl Waits for Waiter {
    fn begin(&self) -> bool {
        self.completer.begin()
    }
}

/// A request that came while the power was off.
pub(super) struct Held(pub Request, pub Waiter);

impl Inner {
    pub(super) fn begin(
        self: &Arc<Self>,
        request: Request,
        data: &Scatter,
    ) -> Submitted<Completion> {
        if self.is_lost() {
            return Submitted::Completed(self.lost());
        }
        if let Operation::Save { kind } = request.operation {
            return self.save(kind, data);
        }
        let mut later = None;
        match self.machine.begin(request, || waiter(data, &mut later)) {
            Ok(Step::Plan(plan)) => {
                if request.origin.followed && self.shares(plan.op(), data) {
                    self.share(plan, waiter(data, &mut later));
                } else if let Some(done) = self.perform_at_once(plan.op(), data) {
                    return self.carried_out(plan, done);
                } else {
                    self.carry_out_later(plan, waiter(data, &mut later));
                }
            }
            Ok(Step::Parked { flush: true }) => self.stabilize(),
            Ok(Step::Parked { flush: false }) => {}
            Ok(Step::Done(answer)) => {
                if let Operation::RecommendReset { target } = request.operation {
                    self.tell_changed(target);
                }
                return Submitted::Completed(self.unless_lost(answered(answer)));
            }
            // A zone's word that is not there any more may be why.
            Err(refusal) => return Submitted::Completed(self.unless_lost(refusal.into())),
        }
        later.map_or(refused(Refusal::Lost), Submitted::Pending)
    }

    /// `None`: it has to wait for the host's disk.
    fn perform_at_once(&self, op: &Op, data: &Scatter) -> Option<Done> {
        if self.waits(op) {
            return None;
        }
        self.medium.perform_at_once(self.machine.table(), op, data)
    }

    /// Whether carrying it out has to wait for the host's disk first.
    fn waits(&self, op: &Op) -> bool {
        match op {
            Op::Flush | Op::Read { stable: true, .. } => self.cache != Cache::Lying,
            Op::Verify { .. } | Op::Compare { .. } => true,
            Op::Discard { .. } | Op::Degrade { .. } | Op::Extension { .. } => true,
            _ => false,
        }
    }

    /// Ends what did not have to wait, but for the end of a stable write.
    fn carried_out(self: &Arc<Self>, plan: Plan, done: Done) -> Submitted<Completion> {
        let stable = is_stable(plan.op()) && self.cache != Cache::Lying;
        let (result, resumed) = self.machine.finish(plan, done.result);
        let completion = self.unless_lost(Completion {
            result,
            moved: done.moved,
            spent: None,
        });
        self.go_on(resumed);
        // Only now does the zone's word speak of the data.
        if !stable || completion.result.is_err() {
            return Submitted::Completed(completion);
        }
        let (completer, later) = pending();
        // It is written, so it cannot be taken back.
        completer.begin();
        self.complete_stable(completion, completer);
        Submitted::Pending(later)
    }

    /// Carries out what has to wait for the host's disk.
    fn carry_out_later(self: &Arc<Self>, plan: Plan, waiter: Waiter) {
        let first = match plan.op() {
            Op::Flush | Op::Read { stable: true, .. } if self.cache != Cache::Lying => What::All,
            Op::Discard { zones, .. } => What::Reset(zones.clone()),
            _ => {
                let inner = Arc::clone(self);
                return self.helpers.run(move || inner.carry_out(plan, waiter));
            }
        };
        if !waiter.completer.begin() {
            return self.end(plan, Err(Failed::NotStable), 0, waiter.completer);
        }
        self.when_stable(first, move |inner, stable| {
            if !stable || *plan.op() == Op::Flush {
                let result = if stable {
                    Ok(())
                } else {
                    Err(Failed::NotStable)
                };
                return inner.end(plan, result, 0, waiter.completer);
            }
            let this = Arc::clone(inner);
            inner.helpers.run(move || this.carry_out(plan, waiter));
        });
    }

    /// Carries out what may wait, in a helper, unless it was taken back.
    pub(super) fn carry_out(self: &Arc<Self>, plan: Plan, Waiter { data, completer }: Waiter) {
        if !completer.begin() {
            return self.end(plan, Err(Failed::NotStable), 0, completer);
        }
        if let Op::Degrade { zones } = plan.op() {
            let table = self.machine.table();
            let degraded = self
                .whole()
                .and_then(|()| self.durability.degrade(table, zones.clone()));
            if let Err(error) = degraded {
                self.causes.note("make a zone's condition stable in", error);
                return self.end(plan, Err(Failed::NotStable), 0, completer);
            }
        }
        let done = self.medium.perform(self.machine.table(), plan.op(), &data);
        self.end(plan, done.result, done.moved, completer);
    }

    fn end(
        self: &Arc<Self>,
        plan: Plan,
        result: Result<(), Failed>,
        moved: u64,
        completer: Completer<Completion>,
    ) {
        let extends = matches!(plan.op(), Op::Extension { .. });
        let degraded = match plan.op() {
            Op::Degrade { zones } => Some(Target::Zones {
                first: zones.start,
                count: zones.end - zones.start,
            }),
            _ => None,
        };
        let (result, resumed) = self.machine.finish(plan, result);
        let completion = self.unless_lost(Completion {
            result,
            moved,
            spent: None,
        });
        let changed = degraded.filter(|_| completion.result.is_ok());
        if extends && completion.result.is_ok() {
            self.complete_stable(completion, completer);
        } else {
            completer.complete(completion);
            self.leave();
        }
        self.go_on(resumed);
        if let Some(zones) = changed {
            self.tell_changed(zones);
        }
    }

    /// Carries out requests that waited for another one. Each may let others go on: they are carried out one after the
    /// other, here or, if they are many, in a helper.
    fn go_on(self: &Arc<Self>, resumed: Resumed<Waiter>) {
        if resumed.flush {
            self.stabilize();
        }
        if resumed.decided.is_empty() {
            return;
        }
        let outermost = RESUMING.with_borrow_mut(|resuming| {
            let outermost = resuming.is_none();
            let queue = resuming.get_or_insert_default();
            queue.extend(
                resumed
                    .decided
                    .into_iter()
                    .map(|one| (Arc::clone(self), one)),
            );
            outermost
        });
        if !outermost {
            return;
        }
        let next = || RESUMING.with_borrow_mut(|resuming| resuming.as_mut()?.pop_front());
        let most = if is_helper() { usize::MAX } else { AT_ONCE };
        for (inner, one) in std::iter::from_fn(next).take(most) {
            inner.resume(one);
        }
        let rest = RESUMING.take().unwrap_or_default();
        if !rest.is_empty() {
            self.helpers
                .run(move || rest.into_iter().for_each(|(inner, one)| inner.resume(one)));
        }
    }

    fn resume(self: &Arc<Self>, Decided { waiter, step }: Decided<Waiter>) {
        match step {
            Ok(Step::Plan(plan)) if self.waits(plan.op()) => self.carry_out_later(plan, waiter),
            Ok(Step::Plan(plan)) => {
                let table = self.machine.table();
                let done = self.medium.perform(table, plan.op(), &waiter.data);
                self.pass_on(self.carried_out(plan, done), waiter.completer);
            }
            Ok(Step::Done(answer)) => {
                self.pass_on(Submitted::Completed(answered(answer)), waiter.completer)
            }
            Ok(Step::Parked { .. }) => {}
            Err(refusal) => self.pass_on(refused(refusal), waiter.completer),
        }
    }

    fn pass_on(&self, submitted: Submitted<Completion>, completer: Completer<Completion>) {
        match submitted {
            Submitted::Completed(completion) => {
                completer.complete(completion);
                self.leave();
            }
            // Its helper leaves.
            Submitted::Pending(pending) => {
                pending.then(|completion| completer.complete(completion))
            }
        }
    }

    /// Lets in who waited for power.
    pub(super) fn let_in(self: &Arc<Self>, held: Vec<Held>) {
        for Held(request, Waiter { data, completer }) in held {
            if !completer.begin() {
                self.leave();
                continue;
            }
            match self.begin(request, &data) {
                Submitted::Completed(completion) => {
                    completer.complete(completion);
                    self.leave();
                }
                Submitted::Pending(pending) => {
                    pending.then(|completion| completer.complete(completion));
                }
            }
        }
    }

    /// A request has ended.
    pub(super) fn leave(&self) {
        self.gate.iter().for_each(super::Gate::leave);
    }

    /// Makes full zones stable, for those who wait for that.
    fn stabilize(self: &Arc<Self>) {
        self.when_stable(What::All, |inner, stable| {
            let words = stable.then(|| inner.durability.words());
            inner.go_on(inner.machine.stable(words.as_deref()));
        });
    }

    /// Completes what was written and has to be stable, when it is.
    fn complete_stable(self: &Arc<Self>, completion: Completion, completer: Completer<Completion>) {
        self.when_stable(What::All, move |inner, stable| {
            let not_stable = || {
                inner.unless_lost(Completion {
                    result: Err(Refusal::NotStable),
                    ..completion
                })
            };
            completer.complete(if stable { completion } else { not_stable() });
            inner.leave();
        });
    }

    pub(super) fn unless_lost(&self, completion: Completion) -> Completion {
        if self.is_lost() {
            return self.lost();
        }
        completion
    }

    /// Tells that the disk is lost, the first time.
    #[cold]
    fn lost(&self) -> Completion {
        if !self.told_lost.swap(true, Ordering::Relaxed) {
            log::error!("{} was lost while in use", self.path.display());
            self.tell(Event::Lost);
        }
        Refusal::Lost.into()
    }

    pub(super) fn flushed(&self) -> io::Result<()> {
        self.whole()?;
        self.durability.flush(&self.machine)
    }

    pub(super) fn is_lost(&self) -> bool {
        self.cut.load(Ordering::Relaxed) || self.machine.table().lost()
    }

    /// Whether the image is still all there. One that was cut may have grown again by a write, with holes for data: the
    /// next time this is asked it may look whole, so that the disk is lost from the first.
    pub(super) fn whole(&self) -> io::Result<()> {
        // In this order: it may just be growing.
        let needed = self.medium.length();
        if self.store.length()? < needed {
            self.cut.store(true, Ordering::Relaxed);
        }
        if self.is_lost() {
            return Err(io::Error::other(CUT));
        }
        Ok(())
    }
}

pub(super) fn waiter(data: &Scatter, later: &mut Option<zoned::Pending<Completion>>) -> Waiter {
    let (completer, pending) = pending();
    *later = Some(pending);
    Waiter {
        data: data.clone(),
        completer,
    }
}

fn is_stable(op: &Op) -> bool {
    matches!(
        op,
        Op::Write { stable: true, .. } | Op::Fill { stable: true, .. }
    )
}

fn answered(answer: Answer) -> Completion {
    Completion {
        result: Ok(answer),
        moved: 0,
        spent: None,
    }
}

pub(super) fn refused(refusal: Refusal) -> Submitted<Completion> {
    Submitted::Completed(refusal.into())
}
