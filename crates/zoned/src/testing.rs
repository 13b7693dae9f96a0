//! A zoned disk in memory, for tests of what is above the waist. Nothing of it is fast.

mod bytes;

use std::collections::{BTreeMap, HashMap};
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::{
    fresh_word, pending, Answer, Completer, Completion, Data, Event, Extent, Extents, Failed,
    Geometry, Listener, Machine, Op, Operation, Plan, Request, Resumed, Statistics, Step,
    Submitted, Waits, Zone, ZonedDisk,
};

pub use bytes::Bytes;

/// A request that waits, or whose I/O does.
struct Waiter<D> {
    data: D,
    completer: Completer<Completion>,
}

impl<D> Waits for Waiter<D> {
    fn begin(&self) -> bool {
        self.completer.begin()
    }
}

/// What is not zeroes of a medium, by sectors.
#[derive(Default)]
struct Medium(HashMap<u64, [u8; SECTOR]>);

/// The smallest block.
const SECTOR: usize = 512;

impl Medium {
    fn read(&self, offset: u64, len: u64) -> Vec<u8> {
        let sectors = offset / SECTOR as u64..(offset + len) / SECTOR as u64;
        let sector = |at| self.0.get(&at).copied().unwrap_or([0; SECTOR]);
        sectors.flat_map(sector).collect()
    }

    fn write(&mut self, offset: u64, bytes: &[u8]) {
        for (at, sector) in (offset / SECTOR as u64..).zip(bytes.chunks_exact(SECTOR)) {
            self.0
                .insert(at, sector.try_into().expect("a whole sector"));
        }
    }

    fn fill(&mut self, offset: u64, len: u64, block: &[u8]) {
        for at in (0..len).step_by(block.len()) {
            self.write(offset + at, block);
        }
    }

    /// Nobody may read it any more.
    fn discard(&mut self, offset: u64, len: u64) {
        let gone = offset / SECTOR as u64..(offset + len) / SECTOR as u64;
        for (at, sector) in &mut self.0 {
            if gone.contains(at) {
                *sector = [0xDD; SECTOR];
            }
        }
    }
}

/// A zoned disk in memory.
pub struct RamDisk<D> {
    machine: Machine<Vec<AtomicU64>, Waiter<D>>,
    medium: Mutex<Medium>,
    extensions: Mutex<Vec<Vec<u8>>>,
    saved: Mutex<HashMap<u32, Vec<u8>>>,
    holding: AtomicBool,
    held: Mutex<BTreeMap<u64, (Plan, Waiter<D>)>>,
    next: AtomicU64,
    stabilized: AtomicUsize,
    listeners: Mutex<Vec<Listener>>,
}

impl<D: Data> RamDisk<D> {
    /// A new disk, of a geometry that is valid.
    ///
    /// # Panics
    /// If it is not.
    pub fn new(geometry: Geometry) -> RamDisk<D> {
        let words = (0..geometry.zones())
            .map(|zone| AtomicU64::new(fresh_word(&geometry, zone).to_le()))
            .collect();
        RamDisk::with_words(geometry, words)
    }

    /// A disk whose zones have these words.
    ///
    /// # Panics
    /// If they cannot have them.
    pub fn with_words(geometry: Geometry, words: Vec<AtomicU64>) -> RamDisk<D> {
        RamDisk {
            medium: Mutex::default(),
            extensions: Mutex::new(vec![Vec::new(); geometry.zones() as usize]),
            saved: Mutex::default(),
            machine: Machine::new(geometry, words).expect("what a disk can be"),
            holding: AtomicBool::new(false),
            held: Mutex::default(),
            next: AtomicU64::new(0),
            stabilized: AtomicUsize::new(0),
            listeners: Mutex::default(),
        }
    }

    /// Writes to the medium itself, past all rules: whole sectors of 512 bytes, at byte `offset`.
    pub fn poke(&self, offset: u64, bytes: &[u8]) {
        locked(&self.medium).write(offset, bytes);
    }

    /// The zones' words.
    pub fn words(&self) -> Vec<u64> {
        let words = self.machine.table().iter();
        words
            .map(|word| u64::from_le(word.load(Ordering::SeqCst)))
            .collect()
    }

    /// Whether I/O that begins from now on waits for [`Self::release`] or [`Self::fail`].
    pub fn hold(&self, holding: bool) {
        self.holding.store(holding, Ordering::SeqCst);
    }

    /// The I/O that waits, in the order in which it was begun: by numbers of its own.
    pub fn held(&self) -> Vec<u64> {
        locked(&self.held).keys().copied().collect()
    }

    /// What the I/O of this number is.
    ///
    /// # Panics
    /// If it does not wait.
    pub fn op(&self, number: u64) -> Op {
        locked(&self.held)[&number].0.op().clone()
    }

    /// Carries out the I/O of this number.
    ///
    /// # Panics
    /// If it does not wait.
    pub fn release(&self, number: u64) {
        let (plan, waiter) = self.take(number);
        self.carry_out(plan, waiter);
    }

    /// Has the I/O of this number fail, with nothing done.
    ///
    /// # Panics
    /// If it does not wait.
    pub fn fail(&self, number: u64, failed: Failed) {
        let (plan, waiter) = self.take(number);
        self.end(plan, waiter, 0, Err(failed));
    }

    fn take(&self, number: u64) -> (Plan, Waiter<D>) {
        locked(&self.held).remove(&number).expect("I/O that waits")
    }

    /// Lets all I/O go on, and from now on none waits.
    pub fn release_all(&self) {
        let mut held = locked(&self.held);
        self.hold(false);
        let all = std::mem::take(&mut *held);
        drop(held);
        for (plan, waiter) in all.into_values() {
            self.carry_out(plan, waiter);
        }
    }

    /// Power off and on: `change` is as of [`Machine::power_cycle`].
    pub fn power_cycle(&self, change: impl FnMut(u32, u64) -> u64) {
        self.machine.power_cycle(change);
        self.tell(Event::PowerCut);
    }

    /// Tells who listens of an event.
    pub fn tell(&self, event: Event) {
        for listener in &*locked(&self.listeners) {
            listener(event);
        }
    }

    /// How often it was asked to make full zones stable.
    pub fn stabilized(&self) -> usize {
        self.stabilized.load(Ordering::SeqCst)
    }

    fn carry_out(&self, plan: Plan, waiter: Waiter<D>) {
        if waiter.completer.begin() {
            let (moved, result) = self.perform(plan.op(), &waiter.data);
            self.end(plan, waiter, moved, result);
        } else {
            self.end(plan, waiter, 0, Err(Failed::NotStable));
        }
    }

    fn end(&self, plan: Plan, waiter: Waiter<D>, moved: u64, result: Result<(), Failed>) {
        let (result, resumed) = self.machine.finish(plan, result);
        waiter.completer.complete(Completion {
            result,
            moved,
            spent: None,
        });
        self.go_on(resumed);
    }

    fn go_on(&self, resumed: Resumed<Waiter<D>>) {
        for one in resumed.decided {
            match one.step {
                Ok(Step::Plan(plan)) => self.begin_io(plan, one.waiter),
                Ok(Step::Done(answer)) => one.waiter.completer.complete(answered(answer)),
                Ok(Step::Parked { .. }) => unreachable!("it was decided"),
                Err(refusal) => one.waiter.completer.complete(refusal.into()),
            }
        }
        if resumed.flush {
            self.all_stable();
        }
    }

    fn begin_io(&self, plan: Plan, waiter: Waiter<D>) {
        let mut held = locked(&self.held);
        if self.holding.load(Ordering::SeqCst) {
            let number = self.next.fetch_add(1, Ordering::SeqCst);
            held.insert(number, (plan, waiter));
        } else {
            drop(held);
            self.carry_out(plan, waiter);
        }
    }

    fn all_stable(&self) {
        self.stabilized.fetch_add(1, Ordering::SeqCst);
        let words = self.words();
        let resumed = self.machine.stable(Some(&words));
        self.go_on(resumed);
    }

    fn perform(&self, op: &Op, data: &D) -> (u64, Result<(), Failed>) {
        let mut medium = locked(&self.medium);
        match op {
            Op::Read { extents, .. } => (read(&medium, extents, data), Ok(())),
            Op::Verify { .. } | Op::Flush | Op::Degrade { .. } => (0, Ok(())),
            Op::Compare { extents } => compare(&medium, extents, data),
            Op::Write {
                offset,
                len,
                skipped,
                ..
            } => {
                let mut bytes = vec![0; *len as usize];
                data.read(0, &mut bytes);
                medium.fill(offset - skipped, *skipped, &[0; SECTOR]);
                medium.write(*offset, &bytes);
                (*len, Ok(()))
            }
            Op::Fill {
                offset,
                len,
                skipped,
                ..
            } => {
                let mut block = vec![0; self.machine.geometry().block_size as usize];
                data.read(0, &mut block);
                medium.fill(offset - skipped, *skipped, &[0; SECTOR]);
                medium.fill(*offset, *len, &block);
                (data.len().min(block.len() as u64), Ok(()))
            }
            Op::Discard { ranges, .. } => {
                for &(offset, len) in ranges {
                    medium.discard(offset, len);
                }
                (0, Ok(()))
            }
            Op::Extension { zone } => {
                locked(&self.extensions)[*zone as usize] = bytes(data);
                (data.len(), Ok(()))
            }
        }
    }
}

impl<D: Data> ZonedDisk<D> for RamDisk<D> {
    fn geometry(&self) -> &Geometry {
        self.machine.geometry()
    }

    fn submit(&self, request: Request, data: &D) -> Submitted<Completion> {
        if let Operation::Save { kind } = request.operation {
            locked(&self.saved).insert(kind, bytes(data));
            return Submitted::Completed(Completion::done(data.len()));
        }
        let (completer, later) = pending();
        let mut waiter = Some(Waiter {
            data: data.clone(),
            completer,
        });
        let step = self
            .machine
            .begin(request, || waiter.take().expect("it is parked once"));
        match (step, waiter) {
            (Ok(Step::Plan(plan)), Some(waiter)) => self.begin_io(plan, waiter),
            (Ok(Step::Parked { flush: true }), _) => self.all_stable(),
            (Ok(Step::Done(answer)), _) => return Submitted::Completed(answered(answer)),
            (Err(refusal), _) => return Submitted::Completed(refusal.into()),
            _ => {}
        }
        Submitted::Pending(later)
    }

    fn zone(&self, number: u32) -> Zone {
        self.machine.zone(number)
    }

    fn take_statistics(&self) -> Statistics {
        self.machine.take_statistics()
    }

    fn extension(&self, number: u32) -> Vec<u8> {
        match self.zone(number).extension_valid {
            true => locked(&self.extensions)[number as usize].clone(),
            false => Vec::new(),
        }
    }

    fn saved(&self, kind: u32) -> Vec<u8> {
        locked(&self.saved).get(&kind).cloned().unwrap_or_default()
    }

    fn listen(&self, listener: Listener) {
        locked(&self.listeners).push(listener);
    }
}

/// A copy of all of `data`.
fn bytes(data: &impl Data) -> Vec<u8> {
    let mut bytes = vec![0; data.len() as usize];
    data.read(0, &mut bytes);
    bytes
}

fn answered(answer: Answer) -> Completion {
    Completion {
        result: Ok(answer),
        moved: 0,
        spent: None,
    }
}

fn read(medium: &Medium, extents: &Extents, data: &impl Data) -> u64 {
    let mut done = 0;
    for extent in extents.iter() {
        done += match extent {
            Extent::Data { offset, len } => data.write(done, &medium.read(offset, len)),
            Extent::Zeroes { len, .. } => data.write(done, &vec![0; len as usize]),
        } as u64;
    }
    done
}

fn compare(medium: &Medium, extents: &Extents, data: &impl Data) -> (u64, Result<(), Failed>) {
    let mut done = 0;
    for extent in extents.iter() {
        let (offset, expected) = match extent {
            Extent::Data { offset, len } => (offset, medium.read(offset, len)),
            Extent::Zeroes { offset, len } => (offset, vec![0; len as usize]),
        };
        let mut sent = vec![0; expected.len()];
        data.read(done, &mut sent);
        done += sent.len() as u64;
        if let Some(at) = expected.iter().zip(&sent).position(|(a, b)| a != b) {
            let offset = offset + at as u64;
            return (done, Err(Failed::Differs { offset }));
        }
    }
    (done, Ok(()))
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
