//! One state of a recorded disk, shown as a disk: reads come from the record, what is written goes to an overlay.
//!
//! The overlay is a sparse file, in which a block is where it is on the medium. Everything is carried out by the thread that
//! submits it: a read of the record waits for the host's disk where the page cache has it not. Nothing is made stable.

use std::collections::HashMap;
use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::sync::atomic::AtomicU64;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use zoned::{
    pending, Answer, Blocks, Completer, Completion, Data, Extent, Extents as Stretches, Failed,
    Geometry, Identity, Listener, Machine, Op, Operation, Plan, Request, Resumed, Statistics, Step,
    Submitted, Waits, Zone, ZonedDisk,
};

use crate::error::Error;
use crate::extents::{Extents, Source};
use crate::moment::Moment;
use crate::reader::Reader;
use crate::shown::Shown;
use crate::states::Loss;

/// Bytes handled at a time.
const PIECE: u64 = 256 << 10;

/// A disk that is as a power cut has left it.
pub struct View<D> {
    machine: Machine<Vec<AtomicU64>, Waiter<D>>,
    identity: Identity,
    reader: Arc<Reader>,
    overlay: File,
    content: Mutex<Extents>,
    extensions: Mutex<HashMap<u32, Vec<u8>>>,
    saved: Mutex<HashMap<u32, Vec<u8>>>,
}

struct Waiter<D> {
    data: D,
    completer: Completer<Completion>,
}

impl<D> Waits for Waiter<D> {
    fn begin(&self) -> bool {
        self.completer.begin()
    }
}

impl<D: Data> View<D> {
    /// Disk `number` of a moment, with these losses; `overlay` is an empty file.
    ///
    /// # Errors
    /// `Invalid` where there is no such disk, or it cannot have lost that; `Damaged`, `Io`.
    pub fn new(
        moment: &Moment,
        losses: &[Loss],
        number: u16,
        overlay: File,
    ) -> Result<View<D>, Error> {
        let held = moment.disk(number)?;
        let shown = Shown::of(held, moment, losses)?;
        let words = shown.words.into_iter();
        let words = words.map(|word| AtomicU64::new(word.to_le())).collect();
        let machine = Machine::new(held.geometry().clone(), words);
        let saved = held.saved.iter();
        let saved = saved.map(|(&kind, &at)| Ok((kind, moment.reader.all(at)?)));
        Ok(View {
            machine: machine.map_err(|error| Error::damaged(error.to_string()))?,
            identity: held.medium.identity.clone(),
            reader: Arc::clone(&moment.reader),
            overlay,
            content: Mutex::new(shown.content),
            extensions: Mutex::new(shown.extensions),
            saved: Mutex::new(saved.collect::<Result<_, Error>>()?),
        })
    }

    /// How the disk names itself.
    pub fn identity(&self) -> &Identity {
        &self.identity
    }

    fn carry_out(&self, plan: Plan, waiter: Waiter<D>) {
        let mut moved = 0;
        let result = match waiter.completer.begin() {
            true => self.perform(plan.op(), &waiter.data, &mut moved),
            false => Err(Failed::NotStable),
        };
        let (result, resumed) = self.machine.finish(plan, result);
        waiter.completer.complete(Completion {
            result,
            ..Completion::done(moved)
        });
        self.go_on(resumed);
    }

    fn go_on(&self, resumed: Resumed<Waiter<D>>) {
        for one in resumed.decided {
            match one.step {
                Ok(Step::Plan(plan)) => self.carry_out(plan, one.waiter),
                Ok(Step::Done(answer)) => one.waiter.completer.complete(answered(answer)),
                Ok(Step::Parked { .. }) => {}
                Err(refusal) => one.waiter.completer.complete(refusal.into()),
            }
        }
        if resumed.flush {
            self.all_stable();
        }
    }

    /// Zones that are full count as stable at once: this disk loses nothing.
    fn all_stable(&self) {
        let words = self.machine.snapshot(0..self.geometry().zones());
        let words: Vec<u64> = words.into_iter().map(|(_, word)| word).collect();
        self.go_on(self.machine.stable(Some(&words)));
    }

    fn perform(&self, op: &Op, data: &D, moved: &mut u64) -> Result<(), Failed> {
        match *op {
            Op::Read { ref extents, .. } => self.each_piece(extents, |_, piece| {
                data.write(*moved, piece);
                *moved += piece.len() as u64;
                Ok(())
            }),
            Op::Verify { ref extents } => self.each_piece(extents, |_, _| Ok(())),
            Op::Compare { ref extents } => self.each_piece(extents, |offset, piece| {
                let mut sent = vec![0; piece.len()];
                data.read(*moved, &mut sent);
                *moved += sent.len() as u64;
                let differs = sent.iter().zip(piece).position(|(a, b)| a != b);
                differs.map_or(Ok(()), |at| {
                    let offset = offset + at as u64;
                    Err(Failed::Differs { offset })
                })
            }),
            Op::Write { offset, len, .. } => {
                self.write(offset, len, |at, into| {
                    data.read(at, into);
                })?;
                *moved = len;
                Ok(())
            }
            Op::Fill { offset, len, .. } => {
                let mut block = vec![0; self.geometry().block_size as usize];
                *moved = data.read(0, &mut block) as u64;
                if block.iter().all(|byte| *byte == 0) {
                    self.content().set(self.blocks(offset, len), None);
                    return Ok(());
                }
                self.write(offset, len, |_, into| {
                    for each in into.chunks_exact_mut(block.len()) {
                        each.copy_from_slice(&block);
                    }
                })
            }
            Op::Discard { ref ranges, .. } => {
                for &(offset, len) in ranges {
                    self.content().set(self.blocks(offset, len), None);
                }
                Ok(())
            }
            Op::Extension { zone } => {
                locked(&self.extensions).insert(zone, bytes(data));
                *moved = data.len();
                Ok(())
            }
            Op::Flush | Op::Degrade { .. } => Ok(()),
        }
    }

    /// Calls `each` with an offset on the medium and what is there, a piece at a time.
    fn each_piece(
        &self,
        extents: &Stretches,
        mut each: impl FnMut(u64, &[u8]) -> Result<(), Failed>,
    ) -> Result<(), Failed> {
        for extent in extents.iter() {
            let (start, len, written) = match extent {
                Extent::Data { offset, len } => (offset, len, true),
                Extent::Zeroes { offset, len } => (offset, len, false),
            };
            for at in (0..len).step_by(PIECE as usize) {
                let offset = start + at;
                let mut piece = vec![0; (len - at).min(PIECE) as usize];
                if written {
                    let read = self.read(offset, &mut piece);
                    read.map_err(|_| Failed::Read { offset })?;
                }
                each(offset, &piece)?;
            }
        }
        Ok(())
    }

    fn read(&self, offset: u64, into: &mut [u8]) -> Result<(), Error> {
        let block = u64::from(self.geometry().block_size);
        let parts = self.content().parts(self.blocks(offset, into.len() as u64));
        for (part, source) in parts {
            let place = part.lba * block;
            let at = (place - offset) as usize;
            let piece = &mut into[at..at + (part.count * block) as usize];
            match source {
                Some(Source::Overlay) => {
                    let read = self.overlay.read_exact_at(piece, place);
                    read.map_err(|error| Error::io("read the overlay", &error))?;
                }
                source => self.reader.read(source, block, piece)?,
            }
        }
        Ok(())
    }

    /// Writes what `fill` makes of each piece, given where in the request that is.
    fn write(&self, offset: u64, len: u64, fill: impl Fn(u64, &mut [u8])) -> Result<(), Failed> {
        for at in (0..len).step_by(PIECE as usize) {
            let mut piece = vec![0; (len - at).min(PIECE) as usize];
            fill(at, &mut piece);
            let offset = offset + at;
            let written: io::Result<()> = self.overlay.write_all_at(&piece, offset);
            written.map_err(|_| Failed::Write { offset })?;
            let blocks = self.blocks(offset, piece.len() as u64);
            self.content().set(blocks, Some(Source::Overlay));
        }
        Ok(())
    }

    /// The blocks of a stretch of the medium.
    fn blocks(&self, offset: u64, len: u64) -> Blocks {
        let block = u64::from(self.geometry().block_size);
        Blocks {
            lba: offset / block,
            count: len / block,
        }
    }

    fn content(&self) -> MutexGuard<'_, Extents> {
        locked(&self.content)
    }
}

impl<D: Data> ZonedDisk<D> for View<D> {
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
            (Ok(Step::Plan(plan)), Some(waiter)) => self.carry_out(plan, waiter),
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
        let extensions = locked(&self.extensions);
        let valid = self.zone(number).extension_valid;
        let kept = extensions.get(&number).filter(|_| valid);
        kept.cloned().unwrap_or_default()
    }

    fn saved(&self, kind: u32) -> Vec<u8> {
        locked(&self.saved).get(&kind).cloned().unwrap_or_default()
    }

    /// Nothing happens to it by itself.
    fn listen(&self, _listener: Listener) {}
}

fn bytes(data: &impl Data) -> Vec<u8> {
    let mut bytes = vec![0; data.len() as usize];
    data.read(0, &mut bytes);
    bytes
}

fn answered(answer: Answer) -> Completion {
    Completion {
        result: Ok(answer),
        ..Completion::done(0)
    }
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
