//! Where bytes lie on a disk, and how long the way to them is. Knows no command and no queue.
//!
//! The capacity is spread from the outer edge to the inner one. The rate is proportional to the radius, and so is what a
//! track holds: that gives radius, rate and angle of every byte in closed form (Ruemmler and Wilkes, An introduction to
//! disk drive modeling, IEEE Computer 27(3), 1994, on what has to be modelled). Switches of heads and tracks are part of
//! the rate: what is read on takes what passes under the head.

use crate::model::millis;
use crate::{DiskProfile, Nanos};

#[derive(Clone, Debug)]
pub(super) struct Surface {
    /// The capacity in bytes.
    bytes: f64,
    /// Bytes a nanosecond at the outer edge.
    outer: f64,
    /// The inner radius, in outer ones.
    inner_radius: f64,
    revolution: f64,
    seek_min: f64,
    seek_full: f64,
}

/// Where a byte lies: worked out once, for the way to it is asked for again and again.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Spot {
    pub at: u64,
    /// From the outer edge, 0, to the inner one, 1.
    track: f64,
    /// Where on its track, in turns.
    angle: f64,
}

/// The soonest of several accesses; of those that begin at the same time the first.
pub(super) struct Soonest<'a> {
    surface: &'a Surface,
    from: Spot,
    now: Nanos,
    time: Nanos,
    /// What is farther away cannot be sooner.
    reach: f64,
    pub index: usize,
}

impl Soonest<'_> {
    /// Takes the access to `to` in, by its number.
    pub fn or(&mut self, to: Spot, index: usize) {
        if (self.from.track - to.track).abs() <= self.reach {
            self.or_in(self.surface.access(self.from, to, self.now), index);
        }
    }

    /// Takes one in that begins in so long.
    pub fn or_in(&mut self, time: Nanos, index: usize) {
        if time < self.time {
            self.time = time;
            self.reach = self.surface.reach(time);
            self.index = index;
        }
    }
}

impl Surface {
    /// To find the soonest of several accesses, with the arm where `from` is.
    pub fn soonest(&self, from: Spot, now: Nanos) -> Soonest<'_> {
        Soonest {
            surface: self,
            from,
            now,
            time: Nanos::MAX,
            reach: f64::INFINITY,
            index: 0,
        }
    }

    pub fn new(profile: &DiskProfile, bytes: u64) -> Surface {
        Surface {
            bytes: bytes as f64,
            outer: profile.outer_mb_s / 1e3,
            inner_radius: (profile.inner_mb_s / profile.outer_mb_s).min(1.0),
            revolution: 60e9 / profile.rpm,
            seek_min: millis(profile.seek_min_ms) as f64,
            seek_full: millis(profile.seek_full_ms.max(profile.seek_min_ms)) as f64,
        }
    }

    /// The radius at which a byte lies, in outer ones.
    fn radius(&self, at: u64) -> f64 {
        let place = (at as f64 / self.bytes).min(1.0);
        let inner = self.inner_radius * self.inner_radius;
        (1.0 - place * (1.0 - inner)).sqrt()
    }

    /// Nanoseconds from the first byte to this one, of a read of all of the disk.
    fn passed(&self, at: u64) -> f64 {
        let curve = 1.0 - self.inner_radius * self.inner_radius;
        if curve < 1e-9 {
            return at as f64 / self.outer;
        }
        2.0 * self.bytes / (curve * self.outer) * (1.0 - self.radius(at))
    }

    /// How long it takes to read or to write these bytes, from where the head is at the first.
    pub fn transfer(&self, at: u64, bytes: u64) -> Nanos {
        (self.passed(at + bytes) - self.passed(at)).round() as Nanos
    }

    /// Where a byte lies.
    pub fn spot(&self, at: u64) -> Spot {
        let whole = 1.0 - self.inner_radius;
        let track = if whole < 1e-9 {
            // Every track is as long as the others: they lie side by side.
            (at as f64 / self.bytes).min(1.0)
        } else {
            (1.0 - self.radius(at)) / whole
        };
        Spot {
            at,
            track,
            angle: self.angle(self.passed(at)),
        }
    }

    /// The part of a turn that is begun at a time.
    fn angle(&self, time: f64) -> f64 {
        // Times are not negative: this is much faster than a remainder.
        let turns = time / self.revolution;
        turns - (turns as u64) as f64
    }

    /// How long the arm takes from the track of one byte to that of another.
    pub fn seek(&self, from: Spot, to: Spot) -> Nanos {
        let part = (from.track - to.track).abs().min(1.0);
        (self.seek_min + (self.seek_full - self.seek_min) * part.sqrt()).round() as Nanos
    }

    /// How long from `now` on until a byte passes under the heads.
    pub fn wait(&self, to: Spot, now: Nanos) -> Nanos {
        let left = to.angle - self.angle(now as f64);
        let left = if left < 0.0 { left + 1.0 } else { left };
        // A byte that passes just now does not come round again: times are rounded, and a turn has millions of them.
        const JUST_NOW: f64 = 1e-4;
        if !(JUST_NOW..=1.0 - JUST_NOW).contains(&left) {
            return 0;
        }
        (left * self.revolution).round() as Nanos
    }

    /// How long from `now` on until a byte can be read or written, with the arm where `from` is.
    pub fn access(&self, from: Spot, to: Spot, now: Nanos) -> Nanos {
        let seek = self.seek(from, to);
        seek + self.wait(to, now + seek)
    }

    /// How far the arm may go, from the outer edge to the inner one, so that this does not take longer than `limit`.
    fn reach(&self, limit: Nanos) -> f64 {
        let root = (limit as f64 - self.seek_min) / (self.seek_full - self.seek_min).max(1.0);
        root.max(0.0) * root.max(0.0) + 1e-9
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::disk::tests::profile;

    const SIZE: u64 = 15_000_000_000_000;

    #[test]
    fn the_rate_falls_from_the_outer_edge_to_the_inner_one() {
        let surface = Surface::new(&profile(), SIZE);
        let rate = |at| 1e9 / surface.transfer(at, 1_000_000_000) as f64 * 1e3;
        assert!((rate(0) - 250.0).abs() < 0.1, "{}", rate(0));
        let last = rate(SIZE - 1_000_000_000);
        assert!((last - 120.0).abs() < 0.1, "{last}");
    }

    #[test]
    fn a_turn_is_what_a_byte_just_missed_takes() {
        let surface = Surface::new(&profile(), SIZE);
        let turn = 60_000_000_000 / 7200;
        let spot = surface.spot(1 << 30);
        let here = surface.wait(spot, 0);
        assert!(here < turn);
        assert_eq!(surface.wait(spot, here), 0);
        let missed = surface.wait(spot, here + 10_000);
        assert!(missed.abs_diff(turn - 10_000) <= 2, "{missed}");
    }

    #[test]
    fn what_is_read_on_is_under_the_head() {
        let surface = Surface::new(&profile(), SIZE);
        let mut now = surface.wait(surface.spot(0), 0);
        for step in 0..1000 {
            let at = step * 262_144;
            assert_eq!(surface.wait(surface.spot(at), now), 0, "step {step}");
            now += surface.transfer(at, 262_144);
        }
    }

    #[test]
    fn the_way_across_is_the_longest() {
        let surface = Surface::new(&profile(), SIZE);
        let [outer, middle, inner] = [0, SIZE / 2, SIZE].map(|at| surface.spot(at));
        assert_eq!(surface.seek(outer, inner), 15_000_000);
        assert_eq!(surface.seek(inner, inner), 1_000_000);
        assert!(surface.seek(outer, middle) < 15_000_000);
    }
}
