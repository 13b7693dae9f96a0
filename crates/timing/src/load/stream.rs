//! Which command a stream sends next, and how much of each zone is written. Knows no device and no time.

use random::Random;

use super::job::{Job, Kind, LoadError};
use crate::{Medium, Work};

/// How much of each zone is written, in bytes.
pub(super) struct Zones {
    pub medium: Medium,
    pub written: Vec<u64>,
}

impl Zones {
    fn start(&self, zone: u64) -> u64 {
        zone * self.medium.zone_bytes
    }

    /// How much of a zone can be written: all of one that was written past its capacity, which is a conventional one.
    fn capacity(&self, zone: u64) -> u64 {
        let there = self
            .medium
            .zone_bytes
            .min(self.medium.bytes - self.start(zone));
        let most = self.medium.zone_capacity.max(self.written[zone as usize]);
        most.min(there)
    }

    /// Makes a zone so full, in whole 4 KiB.
    fn fill(&mut self, zone: u64, share: f64) -> u64 {
        let bytes = (self.capacity(zone) as f64 * share) as u64;
        self.written[zone as usize] = bytes - bytes % 4096;
        self.written[zone as usize]
    }
}

/// One that sends the commands of a job, in order.
pub(super) struct Stream {
    job: Job,
    random: Random,
    /// The zones that it is for: the first, and how many.
    first: u64,
    count: u64,
    /// How many zones it has been through, or the zone that it is in where they are shuffled.
    zone: u64,
    /// Where it reads in its zone.
    place: u64,
    /// Zones from which a block can be read.
    readable: Vec<u64>,
}

impl Stream {
    /// Stream `number` of a job.
    pub fn new(
        job: &Job,
        index: usize,
        number: u64,
        zones: &Zones,
        seed: u64,
    ) -> Result<Stream, LoadError> {
        let apart = matches!(job.kind, Kind::Read | Kind::Write | Kind::Append);
        let (first, count) = if apart {
            let from = job.zones * number / job.streams;
            let until = job.zones * (number + 1) / job.streams;
            (job.first + from, until - from)
        } else {
            (job.first, job.zones)
        };
        if count == 0 {
            return Err(LoadError::TooManyStreams(index));
        }
        let has_a_block = |&zone: &u64| {
            let there = if job.unwritten {
                zones.capacity(zone)
            } else {
                zones.written[zone as usize]
            };
            there >= job.block
        };
        let reads = matches!(job.kind, Kind::Read | Kind::RandomRead);
        let readable: Vec<u64> = (first..first + count)
            .filter(|zone| reads && has_a_block(zone))
            .collect();
        if reads && readable.is_empty() {
            return Err(LoadError::NothingWritten(index));
        }
        let mut stream = Stream {
            job: job.clone(),
            random: Random::new(seed),
            first,
            count,
            zone: 0,
            place: 0,
            readable,
        };
        if stream.job.shuffled {
            stream.zone = stream.below(count);
        }
        Ok(stream)
    }

    fn below(&mut self, count: u64) -> u64 {
        ((u128::from(self.random.draw()) * u128::from(count)) >> 64) as u64
    }

    /// The next command; a zone that has to be reset for it first is reset by one of its own.
    pub fn next(&mut self, zones: &mut Zones) -> Work {
        match self.job.kind {
            Kind::Read => self.read_on(zones),
            Kind::RandomRead => self.read_anywhere(zones),
            Kind::Write | Kind::Append => self.write_on(zones),
            Kind::RandomWrite => {
                let zone = self.first + self.below(self.count);
                self.write_to(zone, zones)
            }
            Kind::Open => Work::Open,
            Kind::Close => Work::Close,
            Kind::Finish => {
                let zone = self.next_zone();
                let written = zones.fill(zone, self.job.fill);
                let missing = zones.capacity(zone) - written;
                zones.written[zone as usize] = zones.capacity(zone);
                let at = zones.start(zone);
                Work::Finish { at, missing }
            }
            Kind::Reset => {
                let zone = self.next_zone();
                let written = zones.fill(zone, self.job.fill);
                zones.written[zone as usize] = 0;
                let at = zones.start(zone);
                Work::Reset { at, written }
            }
            Kind::Flush => Work::Flush,
            Kind::Report => Work::Report,
        }
    }

    /// The zone that it is in, and goes on to the next one.
    fn next_zone(&mut self) -> u64 {
        let zone = self.first + self.zone % self.count;
        self.zone = if self.job.shuffled {
            self.below(self.count)
        } else {
            self.zone + 1
        };
        zone
    }

    fn write_on(&mut self, zones: &mut Zones) -> Work {
        let zone = self.first + self.zone % self.count;
        let work = self.write_to(zone, zones);
        if zones.written[zone as usize] >= zones.capacity(zone) {
            self.next_zone();
        }
        work
    }

    fn write_to(&mut self, zone: u64, zones: &mut Zones) -> Work {
        let written = zones.written[zone as usize];
        let left = zones.capacity(zone).saturating_sub(written);
        if left == 0 {
            zones.written[zone as usize] = 0;
            let at = zones.start(zone);
            return Work::Reset { at, written };
        }
        let bytes = left.min(self.job.block);
        zones.written[zone as usize] += bytes;
        let (at, stable) = (zones.start(zone) + written, self.job.stable);
        if self.job.kind == Kind::Append {
            Work::Append { at, bytes, stable }
        } else {
            Work::Write { at, bytes, stable }
        }
    }

    fn read_on(&mut self, zones: &Zones) -> Work {
        let index = self.zone % self.readable.len() as u64;
        let zone = self.readable[index as usize];
        let end = self.end(zone, zones);
        let bytes = self.job.block.min(end - self.place);
        let work = self.read(zone, self.place, bytes, zones);
        self.place += bytes;
        if self.place >= end {
            self.place = 0;
            self.zone += 1;
        }
        work
    }

    fn read_anywhere(&mut self, zones: &Zones) -> Work {
        let index = self.below(self.readable.len() as u64);
        let zone = self.readable[index as usize];
        let blocks = self.end(zone, zones) / self.job.block;
        let place = self.below(blocks.max(1)) * self.job.block;
        self.read(zone, place, self.job.block, zones)
    }

    /// To where a zone can be read. What another stream has reset meanwhile is read all the same.
    fn end(&self, zone: u64, zones: &Zones) -> u64 {
        if self.job.unwritten {
            return zones.capacity(zone);
        }
        zones.written[zone as usize].max(self.job.block)
    }

    fn read(&self, zone: u64, place: u64, bytes: u64, zones: &Zones) -> Work {
        Work::Read {
            at: zones.start(zone) + place,
            bytes,
            written: place < zones.written[zone as usize],
        }
    }
}
