//! Dies that are read and programmed, and which of them a byte is on. A read waits for a slice of a program and holds up
//! the rest of it. Knows no command.

use std::collections::VecDeque;

use crate::events::Server;
use crate::model::{micros, transfer};
use crate::{Medium, Nanos, SsdProfile};

/// What is programmed.
#[derive(Clone, Copy, Debug)]
pub(super) struct Program {
    /// What of it came from the buffer.
    pub buffered: u64,
    /// The command that fills a zone up, for which it is.
    pub fills: Option<usize>,
}

#[derive(Debug, Default)]
struct Die {
    reads: Server,
    programs: VecDeque<Program>,
    /// When the program in flight began, as far as it goes on without reads.
    since: Option<Nanos>,
    /// By how much reads have held it up.
    held_up: Nanos,
}

#[derive(Debug)]
pub(super) struct Nand {
    dies: Vec<Die>,
    channels: Vec<Server>,
    dies_per_zone: u64,
    zone_bytes: u64,
    page_read: Nanos,
    program: Nanos,
    slice: Nanos,
    channel_rate: f64,
}

impl Nand {
    pub fn new(profile: &SsdProfile, medium: Medium) -> Nand {
        let dies = profile.dies as usize;
        Nand {
            dies: (0..dies).map(|_| Die::default()).collect(),
            channels: vec![Server::default(); profile.channels as usize],
            dies_per_zone: (profile.dies_per_zone as u64).clamp(1, dies as u64),
            zone_bytes: medium.zone_bytes,
            page_read: micros(profile.page_read_us),
            program: micros(profile.program_us),
            slice: micros(profile.program_slice_us),
            channel_rate: profile.channel_mb_s,
        }
    }

    /// How many dies a zone is on.
    pub fn dies_of_a_zone(&self) -> u64 {
        self.dies_per_zone
    }

    /// The die of unit `unit` of the zone that this byte is in. Zones on the same dies begin on different ones, or those
    /// that are written together would wait for each other.
    pub fn die(&self, at: u64, unit: u64) -> usize {
        let zone = at / self.zone_bytes;
        let first = zone * self.dies_per_zone;
        ((first + (unit + zone) % self.dies_per_zone) % self.dies.len() as u64) as usize
    }

    /// Reads a page; tells when it is in the die's register.
    pub fn read(&mut self, die: usize, now: Nanos) -> Nanos {
        let (slice, time) = (self.slice, self.page_read);
        let die = &mut self.dies[die];
        let mut from = now;
        if let Some(since) = die.since {
            // Behind another read the program is held up already.
            if slice > 0 && die.reads.is_free(now) {
                let done = now.saturating_sub(since + die.held_up);
                from += slice - done % slice;
            }
            die.held_up += time;
        }
        die.reads.serve(from, time).1
    }

    /// Moves what was read over the die's channel; tells when it is through.
    pub fn fetch(&mut self, die: usize, bytes: u64, now: Nanos) -> Nanos {
        let channel = die % self.channels.len();
        let time = transfer(bytes, self.channel_rate);
        self.channels[channel].serve(now, time).1
    }

    /// Has something programmed on a die; tells when it will be, if it is at once.
    pub fn program(&mut self, die: usize, program: Program, now: Nanos) -> Option<Nanos> {
        let die = &mut self.dies[die];
        die.programs.push_back(program);
        if die.since.is_some() {
            return None;
        }
        die.since = Some(now);
        die.held_up = 0;
        Some(now + self.program)
    }

    /// The time of the program in flight is over: it is done, or was held up until later.
    pub fn programmed(
        &mut self,
        die: usize,
        now: Nanos,
    ) -> Result<(Program, Option<Nanos>), Nanos> {
        let time = self.program;
        let die = &mut self.dies[die];
        if die.held_up > 0 {
            let later = now + die.held_up;
            // Its slices go on where they were.
            die.since = die.since.map(|since| since + die.held_up);
            die.held_up = 0;
            return Err(later);
        }
        die.since = None;
        let program = die.programs.pop_front().unwrap_or(Program {
            buffered: 0,
            fills: None,
        });
        if die.programs.is_empty() {
            return Ok((program, None));
        }
        die.since = Some(now);
        Ok((program, Some(now + time)))
    }

    /// Whether anything is being programmed.
    pub fn is_programming(&self) -> bool {
        self.dies.iter().any(|die| die.since.is_some())
    }
}
