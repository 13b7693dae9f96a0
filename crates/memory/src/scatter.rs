//! Scattered memory as one run of bytes: a request's buffers.
//!
//! A [`Scatter`] keeps what its pieces lie in, so that it can outlive the call that it came with. Others may change the
//! bytes at any moment: they are only reached through [`VolatileSlice`]s.

use std::cell::UnsafeCell;
use std::sync::Arc;

use vm_memory::{GuestAddress, GuestMemoryBackend, VolatileSlice};
use zoned::Data;

use crate::Guest;

/// Pieces of memory, in order.
#[derive(Clone)]
pub struct Scatter {
    owner: Owner,
    pieces: Vec<Piece>,
    /// How many of them were taken off the front.
    gone: usize,
    len: u64,
}

/// What the pieces lie in.
#[derive(Clone)]
enum Owner {
    Guest(Arc<Guest>),
    Bytes { _kept: Arc<Bytes> },
}

/// Bytes that several threads may access, each through [`VolatileSlice`]s only.
struct Bytes(Box<[UnsafeCell<u8>]>);

// SAFETY: nobody makes a reference to what is in the cells.
unsafe impl Sync for Bytes {}

/// A stretch of the owner's memory, of at least one byte.
#[derive(Clone, Copy)]
struct Piece {
    address: usize,
    len: usize,
}

impl Scatter {
    /// No pieces yet, which will be `guest`'s.
    pub fn of(guest: Arc<Guest>) -> Scatter {
        Scatter {
            owner: Owner::Guest(guest),
            pieces: Vec::new(),
            gone: 0,
            len: 0,
        }
    }

    /// `bytes`, in one piece.
    pub fn from_bytes(bytes: Vec<u8>) -> Scatter {
        let len = bytes.len();
        let cells = bytes.into_iter().map(UnsafeCell::new).collect();
        let bytes = Arc::new(Bytes(cells));
        let piece = Piece {
            address: bytes.0.as_ptr() as usize,
            len,
        };
        Scatter {
            owner: Owner::Bytes { _kept: bytes },
            pieces: (len > 0).then_some(piece).into_iter().collect(),
            gone: 0,
            len: len as u64,
        }
    }

    /// `len` zeroes of its own, in one piece.
    pub fn zeroed(len: usize) -> Scatter {
        Scatter::from_bytes(vec![0; len])
    }

    /// A copy of its first `len` bytes, or of all if there are fewer.
    pub fn to_vec(&self, len: u64) -> Vec<u8> {
        let mut bytes = vec![0; len.min(self.len) as usize];
        self.read(0, &mut bytes);
        bytes
    }

    /// Forgets all pieces, but not what they lay in.
    pub fn clear(&mut self) {
        self.pieces.clear();
        self.gone = 0;
        self.len = 0;
    }

    /// Adds `len` bytes of the guest's memory; `false`, with some of them added, if they are not all there.
    pub fn push(&mut self, address: GuestAddress, len: usize) -> bool {
        let Owner::Guest(guest) = &self.owner else {
            return false;
        };
        let mut add = |slice: VolatileSlice<'_>| {
            self.pieces.push(Piece {
                // The guard is only a pointer without vm-memory's Xen support, which we do not use.
                address: slice.ptr_guard_mut().as_ptr() as usize,
                len: slice.len(),
            });
            self.len += slice.len() as u64;
        };
        // Nearly always it is all in one region.
        if let Some(slice) = guest.slice(address, len) {
            add(slice);
            return true;
        }
        for slice in guest.map().get_slices(address, len) {
            match slice {
                Ok(slice) => add(slice),
                Err(_) => return false,
            }
        }
        true
    }

    /// Forgets the first `len` bytes; `false`, with nothing forgotten, if there are fewer.
    pub fn drop_front(&mut self, len: u64) -> bool {
        self.take_front(len, |_| ())
    }

    /// Moves the first `len` bytes to the end of `front`, which lies in the same memory; `false`, with nothing moved, if
    /// there are fewer.
    pub fn split_front(&mut self, len: u64, front: &mut Scatter) -> bool {
        let taken = self.take_front(len, |piece| front.pieces.push(piece));
        if taken {
            front.len += len;
        }
        taken
    }

    fn take_front(&mut self, len: u64, mut take: impl FnMut(Piece)) -> bool {
        if self.len < len {
            return false;
        }
        let mut missing = len;
        while missing > 0 {
            let piece = &mut self.pieces[self.gone];
            let taken = missing.min(piece.len as u64) as usize;
            take(Piece {
                len: taken,
                ..*piece
            });
            piece.address += taken;
            piece.len -= taken;
            if piece.len == 0 {
                self.gone += 1;
            }
            missing -= taken as u64;
        }
        self.len -= len;
        true
    }

    /// The pieces of `len` bytes from byte `at` on, as far as there are any.
    pub fn pieces(&self, at: u64, len: u64) -> impl Iterator<Item = VolatileSlice<'_>> {
        let mut skip = at;
        let mut left = len;
        self.pieces[self.gone..]
            .iter()
            .map_while(move |piece| {
                if left == 0 {
                    return None;
                }
                let here = skip.min(piece.len as u64) as usize;
                skip -= here as u64;
                let count = ((piece.len - here) as u64).min(left) as usize;
                left -= count as u64;
                let start = (piece.address + here) as *mut u8;
                // SAFETY: the piece lies in memory that the owner keeps mapped for as long as `self` lives, that was
                // reached through a slice of it, and that nobody has a reference to.
                Some(unsafe { VolatileSlice::new(start, count) })
            })
            .filter(|slice| !slice.is_empty())
    }

    /// Puts `len` zeroes at byte `at` and on, as far as there is room; returns how many.
    pub fn fill_with_zeroes(&self, at: u64, len: u64) -> u64 {
        const ZEROES: [u8; 4096] = [0; 4096];
        let mut done = 0;
        for slice in self.pieces(at, len) {
            for from in (0..slice.len()).step_by(ZEROES.len()) {
                let count = (slice.len() - from).min(ZEROES.len());
                let part = slice.subslice(from, count).expect("within the slice");
                part.copy_from(&ZEROES[..count]);
            }
            done += slice.len() as u64;
        }
        done
    }
}

impl Default for Scatter {
    /// Not a byte.
    fn default() -> Scatter {
        Scatter::zeroed(0)
    }
}

impl Data for Scatter {
    fn of(bytes: Vec<u8>) -> Scatter {
        Scatter::from_bytes(bytes)
    }

    fn len(&self) -> u64 {
        self.len
    }

    fn read(&self, at: u64, into: &mut [u8]) -> usize {
        let mut done = 0;
        for slice in self.pieces(at, into.len() as u64) {
            done += slice.copy_to(&mut into[done..]);
        }
        done
    }

    fn write(&self, at: u64, from: &[u8]) -> usize {
        let mut done = 0;
        for slice in self.pieces(at, from.len() as u64) {
            slice.copy_from(&from[done..]);
            done += slice.len();
        }
        done
    }

    fn first(&self, len: u64) -> Scatter {
        let mut first = self.clone();
        let mut left = len;
        first.pieces.retain_mut(|piece| {
            piece.len = (piece.len as u64).min(left) as usize;
            left -= piece.len as u64;
            piece.len > 0
        });
        first.gone = 0;
        first.len = first.len.min(len);
        first
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn guest() -> Arc<Guest> {
        let ranges = [(GuestAddress(0), 0x1000), (GuestAddress(0x1000), 0x1000)];
        let map = vm_memory::GuestMemoryMmap::from_ranges(&ranges).unwrap();
        Arc::new(Guest::new(map, Vec::new()))
    }

    #[test]
    fn pieces_are_one_run_of_bytes() {
        let mut data = Scatter::of(guest());
        assert!(data.push(GuestAddress(0xff0), 0x20));
        assert!(data.push(GuestAddress(0x10), 4));
        assert_eq!(data.len(), 0x24);
        let bytes: Vec<u8> = (0..0x24).collect();
        assert_eq!(data.write(0, &bytes), 0x24);
        assert_eq!(data.to_vec(99), bytes);
        assert_eq!(data.first(0x12).to_vec(99), bytes[..0x12]);
        let mut part = [0; 8];
        assert_eq!(data.read(0x1e, &mut part), 6);
        assert_eq!(part[..6], bytes[0x1e..]);
        assert_eq!(data.write(0x23, &[9, 9]), 1);
        assert_eq!(data.fill_with_zeroes(0, 0x11), 0x11);
        assert_eq!(data.to_vec(0x12)[0x0f..], [0, 0, 0x11]);
        let mut front = Scatter::of(guest());
        assert!(data.split_front(0x11, &mut front));
        assert_eq!((front.len(), data.len()), (0x11, 0x13));
        assert_eq!(data.to_vec(1), [0x11]);
        assert_eq!(data.first(2).to_vec(99), [0x11, 0x12]);
        let mut gone = Scatter::of(guest());
        assert!(front.split_front(0x11, &mut gone) && front.is_empty());
        assert_eq!(front.first(1).to_vec(1), []);
        assert!(!data.split_front(0x14, &mut front));
    }

    #[test]
    fn what_is_not_there_is_no_piece() {
        let mut data = Scatter::of(guest());
        assert!(!data.push(GuestAddress(0x1ff0), 0x20));
        assert!(!Scatter::zeroed(8).push(GuestAddress(0), 8));
    }

    #[test]
    fn it_outlives_what_it_came_from() {
        let data = Scatter::from_bytes(vec![1, 2, 3]);
        let clone = data.clone();
        drop(data);
        clone.write(1, &[7]);
        assert_eq!(clone.to_vec(3), [1, 7, 3]);
        assert!(Scatter::zeroed(0).is_empty());
    }
}
