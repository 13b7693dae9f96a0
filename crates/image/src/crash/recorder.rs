//! A store that remembers what was written and when it became stable, and what a crash of its host leaves.

use std::io;
use std::sync::Mutex;

use crate::store::{Punched, Store};
use ::random::Random;
use memory::Scatter;
use zoned::Data;

const SECTOR: usize = 512;

/// What was done to a store.
#[derive(Clone)]
pub(super) enum Event {
    Write(u64, Vec<u8>),
    Stable(u64, Vec<u8>),
    /// It is as long as this.
    Grow(u64),
    Sync,
}

/// How a store takes its orders.
#[derive(Clone, Copy, PartialEq)]
pub(super) enum Order {
    Right,
    /// A sync comes after the stable write that has to come after it.
    Swapped,
}

/// A store that remembers all that was done to it.
pub(super) struct Recorder {
    order: Order,
    pub state: Mutex<(Vec<u8>, Vec<Event>, bool)>,
}

impl Recorder {
    pub fn new(bytes: Vec<u8>, order: Order) -> Self {
        Self {
            order,
            state: Mutex::new((bytes, Vec::new(), false)),
        }
    }

    pub fn events(&self) -> Vec<Event> {
        self.state.lock().unwrap().1.clone()
    }
}

impl Store for Recorder {
    fn read_some(&self, offset: u64, into: &Scatter, at: u64, length: u64) -> io::Result<u64> {
        let bytes = &self.state.lock().unwrap().0;
        let from = &bytes[offset as usize..(offset + length) as usize];
        Ok(into.write(at, from) as u64)
    }

    fn write_some(&self, offset: u64, from: &Scatter, at: u64, length: u64) -> io::Result<u64> {
        let mut data = vec![0; length as usize];
        let count = from.read(at, &mut data);
        self.write_at(offset, &data[..count])?;
        Ok(count as u64)
    }

    fn read_at(&self, offset: u64, into: &mut [u8]) -> io::Result<()> {
        let offset = offset as usize;
        into.copy_from_slice(&self.state.lock().unwrap().0[offset..offset + into.len()]);
        Ok(())
    }

    fn write_at(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        let (bytes, events, _) = &mut *self.state.lock().unwrap();
        bytes[offset as usize..offset as usize + data.len()].copy_from_slice(data);
        events.push(Event::Write(offset, data.to_vec()));
        Ok(())
    }

    fn write_stable(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        let (bytes, events, owed) = &mut *self.state.lock().unwrap();
        bytes[offset as usize..offset as usize + data.len()].copy_from_slice(data);
        events.push(Event::Stable(offset, data.to_vec()));
        if std::mem::take(owed) {
            events.push(Event::Sync);
        }
        Ok(())
    }

    fn allocate(&self, _offset: u64, _length: u64) -> io::Result<()> {
        Ok(())
    }

    fn punch(&self, offset: u64, length: u64) -> io::Result<Punched> {
        self.write_at(offset, &vec![0; length as usize])?;
        Ok(Punched::Yes)
    }

    fn sync(&self) -> io::Result<()> {
        let (_, events, owed) = &mut *self.state.lock().unwrap();
        match self.order {
            Order::Right => events.push(Event::Sync),
            Order::Swapped => *owed = true,
        }
        Ok(())
    }

    fn length(&self) -> io::Result<u64> {
        Ok(self.state.lock().unwrap().0.len() as u64)
    }

    fn grow(&self, length: u64) -> io::Result<()> {
        let (bytes, events, _) = &mut *self.state.lock().unwrap();
        if bytes.len() < length as usize {
            bytes.resize(length as usize, 0);
            events.push(Event::Grow(length));
        }
        Ok(())
    }
}

/// A store's bytes at some point of its history, were the host to crash.
#[derive(Clone)]
pub(super) struct Crashing {
    pub stable: Vec<u8>,
    pending: Vec<(u64, Vec<u8>)>,
    /// How long it is, which is not stable yet.
    length: u64,
}

impl Crashing {
    /// With these bytes, which are stable.
    pub fn new(stable: Vec<u8>) -> Self {
        Self {
            length: stable.len() as u64,
            stable,
            pending: Vec::new(),
        }
    }

    pub fn apply(&mut self, event: &Event) {
        match event {
            Event::Write(offset, data) => self.pending.push((*offset, data.clone())),
            Event::Stable(offset, data) => put(&mut self.stable, *offset, data),
            Event::Grow(length) => self.length = *length,
            Event::Sync => {
                self.stable.resize(self.length as usize, 0);
                for (offset, data) in std::mem::take(&mut self.pending) {
                    put(&mut self.stable, offset, &data);
                }
            }
        }
    }

    /// What is there after a crash while `next` is in flight: of each sector that is not stable, and of what the file grew by,
    /// chance decides.
    pub fn crash(&self, next: Option<&Event>, chance: &mut Random) -> Vec<u8> {
        self.crash_with(next, chance, |_| None)
    }

    /// The same, but where `decided` says, by the sector's place, whether it is there.
    pub fn crash_with(
        &self,
        next: Option<&Event>,
        chance: &mut Random,
        decided: impl Fn(u64) -> Option<bool>,
    ) -> Vec<u8> {
        let mut bytes = self.stable.clone();
        let bias = chance.draw() % 5;
        if chance.draw() % 2 == 0 {
            bytes.resize(self.length as usize, 0);
        }
        for (at, sector) in self.unstable(next) {
            if decided(at).unwrap_or_else(|| chance.draw() % 4 < bias) {
                put(&mut bytes, at, sector);
            }
        }
        bytes
    }

    /// The places below `end` of the sectors that a crash while `next` is in flight leaves in one of two states.
    pub fn undecided(&self, next: Option<&Event>, end: u64) -> Vec<u64> {
        let differs =
            |at: u64, sector: &[u8]| self.stable[at as usize..][..sector.len()] != *sector;
        let below = self
            .unstable(next)
            .filter(|&(at, sector)| at < end && differs(at, sector));
        below.map(|(at, _)| at).collect()
    }

    /// The sectors that are being written, each with its place, in order.
    fn unstable<'a>(
        &'a self,
        next: Option<&'a Event>,
    ) -> impl Iterator<Item = (u64, &'a [u8])> + 'a {
        let in_flight = next.and_then(|event| match event {
            Event::Stable(offset, data) => Some((*offset, data)),
            Event::Write(..) | Event::Grow(_) | Event::Sync => None,
        });
        let pending = self.pending.iter().map(|(offset, data)| (*offset, data));
        pending
            .chain(in_flight)
            .flat_map(|(offset, data)| (offset..).step_by(SECTOR).zip(data.chunks(SECTOR)))
    }
}

/// Puts data where they belong, of which some may be behind the end.
pub(super) fn put(bytes: &mut Vec<u8>, offset: u64, data: &[u8]) {
    let end = offset as usize + data.len();
    if bytes.len() < end {
        bytes.resize(end, 0);
    }
    bytes[offset as usize..offset as usize + data.len()].copy_from_slice(data);
}
