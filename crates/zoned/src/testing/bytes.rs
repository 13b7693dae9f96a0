//! Data in memory.

use std::sync::{Arc, Mutex};

use super::locked;
use crate::Data;

/// Bytes of its own.
#[derive(Clone, Default)]
pub struct Bytes {
    bytes: Arc<Mutex<Vec<u8>>>,
    /// How many of them count, from the first.
    len: usize,
}

impl Bytes {
    /// These bytes.
    pub fn new(bytes: Vec<u8>) -> Bytes {
        let len = bytes.len();
        let bytes = Arc::new(Mutex::new(bytes));
        Bytes { bytes, len }
    }

    /// A copy.
    pub fn to_vec(&self) -> Vec<u8> {
        locked(&self.bytes)[..self.len].to_vec()
    }
}

impl Data for Bytes {
    fn of(bytes: Vec<u8>) -> Bytes {
        Bytes::new(bytes)
    }

    fn len(&self) -> u64 {
        self.len as u64
    }

    fn read(&self, at: u64, into: &mut [u8]) -> usize {
        let bytes = locked(&self.bytes);
        let from = &bytes[(at as usize).min(self.len)..self.len];
        let count = from.len().min(into.len());
        into[..count].copy_from_slice(&from[..count]);
        count
    }

    fn write(&self, at: u64, from: &[u8]) -> usize {
        let mut bytes = locked(&self.bytes);
        let into = &mut bytes[(at as usize).min(self.len)..self.len];
        let count = into.len().min(from.len());
        into[..count].copy_from_slice(&from[..count]);
        count
    }

    fn first(&self, len: u64) -> Bytes {
        Bytes {
            bytes: Arc::clone(&self.bytes),
            len: self.len.min(len as usize),
        }
    }
}
