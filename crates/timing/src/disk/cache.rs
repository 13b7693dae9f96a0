//! What was written to a disk and is not on the medium: extents, which grow where a write goes on. Knows no device.

use super::surface::Spot;
use crate::Nanos;

/// Bytes that lie one after the other, from one write or from several.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Extent {
    pub start: Spot,
    pub end: u64,
    /// When the first of its writes came: a number that grows.
    pub oldest: u64,
    pub since: Nanos,
    /// How many writes it is of.
    writes: u64,
}

impl Extent {
    pub fn bytes(&self) -> u64 {
        self.end - self.start.at
    }
}

#[derive(Debug)]
pub(super) struct Cache {
    /// The most bytes, and the most writes, whatever their size.
    capacity: u64,
    most: u64,
    extents: Vec<Extent>,
    /// What is being written, which still takes its place.
    leaving: Option<Extent>,
    used: u64,
    held: u64,
    /// How many there ever were.
    writes: u64,
}

impl Cache {
    pub fn new(capacity: u64, most: u64) -> Cache {
        Cache {
            capacity,
            most,
            extents: Vec::new(),
            leaving: None,
            used: 0,
            held: 0,
            writes: 0,
        }
    }

    /// Whether so much can be put in: anything into an empty one, if there is one at all.
    pub fn has_room(&self, bytes: u64) -> bool {
        let fits = self.used + bytes <= self.capacity && self.held < self.most;
        self.capacity > 0 && (self.held == 0 || fits)
    }

    /// Whether there is little room left.
    pub fn is_crowded(&self) -> bool {
        self.used * 2 > self.capacity || self.held * 2 > self.most
    }

    pub fn extents(&self) -> &[Extent] {
        &self.extents
    }

    /// Whether all of these bytes are here.
    pub fn holds(&self, start: u64, end: u64) -> bool {
        let held = |extent: &Extent| extent.start.at <= start && end <= extent.end;
        self.extents.iter().chain(&self.leaving).any(held)
    }

    /// Puts a write in. It goes on with an extent that ends where it starts, in the same zone.
    pub fn put(&mut self, start: Spot, end: u64, zone_bytes: u64, now: Nanos) {
        self.used += end - start.at;
        self.held += 1;
        self.writes += 1;
        let goes_on = |extent: &&mut Extent| extent.end == start.at && start.at % zone_bytes != 0;
        match self.extents.iter_mut().find(goes_on) {
            Some(extent) => {
                extent.end = end;
                extent.writes += 1;
            }
            None => self.extents.push(Extent {
                start,
                end,
                oldest: self.writes,
                since: now,
                writes: 1,
            }),
        }
    }

    /// Takes an extent out to be written.
    pub fn take(&mut self, place: usize) -> Extent {
        let extent = self.extents.swap_remove(place);
        self.leaving = Some(extent);
        extent
    }

    /// What was taken is on the medium.
    pub fn left(&mut self) {
        if let Some(extent) = self.leaving.take() {
            self.used -= extent.bytes();
            self.held -= extent.writes;
        }
    }

    /// Forgets what lies in these bytes: their zone is reset.
    pub fn forget(&mut self, start: u64, end: u64) {
        let (used, held) = (&mut self.used, &mut self.held);
        self.extents.retain(|extent| {
            let stays = extent.end <= start || end <= extent.start.at;
            if !stays {
                *used -= extent.bytes();
                *held -= extent.writes;
            }
            stays
        });
    }

    /// The number of the last write, for [`Cache::is_through`].
    pub fn stamp(&self) -> u64 {
        self.writes
    }

    /// Whether all writes up to a stamp are on the medium.
    pub fn is_through(&self, stamp: u64) -> bool {
        let after = |extent: &Extent| extent.oldest > stamp;
        self.extents.iter().chain(&self.leaving).all(after)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::disk::surface::Surface;
    use crate::disk::tests::profile;

    fn at(byte: u64) -> Spot {
        Surface::new(&profile(), 1 << 40).spot(byte)
    }

    #[test]
    fn writes_that_go_on_are_one_extent_up_to_the_zone_that_follows() {
        let mut cache = Cache::new(100, 10);
        cache.put(at(0), 10, 20, 0);
        cache.put(at(10), 20, 20, 0);
        cache.put(at(20), 30, 20, 0);
        assert_eq!(cache.extents().len(), 2);
        assert!(cache.holds(5, 20) && !cache.holds(15, 25));
    }

    #[test]
    fn what_leaves_has_its_place_until_it_has_left() {
        let mut cache = Cache::new(100, 10);
        cache.put(at(0), 60, 1000, 0);
        let stamp = cache.stamp();
        assert!(cache.is_crowded() && !cache.has_room(50));
        cache.take(0);
        assert!(!cache.has_room(50) && !cache.is_through(stamp));
        cache.left();
        assert!(cache.has_room(200) && cache.is_through(stamp));
    }

    #[test]
    fn there_is_no_room_for_more_writes_than_it_has_places() {
        let mut cache = Cache::new(1000, 2);
        cache.put(at(0), 10, 1000, 0);
        assert!(cache.has_room(10) && !cache.is_crowded());
        cache.put(at(10), 20, 1000, 0);
        assert!(!cache.has_room(10) && cache.is_crowded());
        cache.take(0);
        cache.left();
        assert!(cache.has_room(10) && !cache.is_crowded());
    }

    #[test]
    fn a_zone_that_is_reset_is_forgotten() {
        let mut cache = Cache::new(100, 10);
        cache.put(at(0), 20, 20, 0);
        cache.put(at(20), 40, 20, 0);
        cache.forget(0, 20);
        assert_eq!(cache.extents().len(), 1);
        assert!(cache.has_room(80));
    }
}
