//! What came of a job: how many commands in how much time, and how long each took. Knows no device.

use crate::{Done, Nanos};

/// What came of a job in the time that counted.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Outcome {
    /// Commands that ended, without the resets that writes needed.
    pub commands: u64,
    /// Bytes that they read or wrote.
    pub bytes: u64,
    /// Zones that were reset so that they could be written again.
    pub resets: u64,
    /// The time that counted.
    pub time: Nanos,
    /// How long they took, all of them together.
    pub latency: Nanos,
    /// What of it they waited before the device began with them.
    pub queued: Nanos,
    /// How long each took, sorted.
    pub latencies: Vec<Nanos>,
}

impl Outcome {
    pub(super) fn add(&mut self, done: &Done, bytes: u64) {
        self.commands += 1;
        self.bytes += bytes;
        self.latency += done.ended - done.arrived;
        self.queued += done.begun.max(done.arrived) - done.arrived;
        self.latencies.push(done.ended - done.arrived);
    }

    pub(super) fn close(&mut self, time: Nanos) {
        self.time = time;
        self.latencies.sort_unstable();
    }

    /// What a share of them, from 0 to 1, took at most; 0 without any.
    pub fn percentile(&self, share: f64) -> Nanos {
        let rank = (self.latencies.len() as f64 * share).ceil() as usize;
        let place = rank.clamp(1, self.latencies.len().max(1)) - 1;
        self.latencies.get(place).copied().unwrap_or(0)
    }
}
