//! Silent corruption: a bit of what is read is another, and the command says GOOD. The medium stays as it is.

use image::Outcome;
use vm_memory::VolatileSlice;

use super::{CommandFault, Rest};
use crate::command::Command;
use crate::rule::Strike;
use crate::Selector;

pub(crate) struct BitFlip;

impl CommandFault for BitFlip {
    fn commands(&self) -> Selector {
        Selector::Name("read".into())
    }

    /// The bit is any of the struck blocks' as far as they were transferred.
    fn run(&self, strike: &Strike, command: &Command<'_>, rest: Rest<'_>) -> Option<Outcome> {
        let outcome = rest(command)?;
        if let (Some(all), Some(bad)) = (command.blocks(), &strike.blocks) {
            let bytes = |blocks: u64| blocks * u64::from(command.disk.geometry().block_size);
            let start = bytes(bad.start - all.start);
            let end = bytes(bad.end - all.start).min(outcome.written);
            if start < end {
                let bit = strike.random % ((end - start) * 8);
                flip(command.into, start + bit / 8, 1 << (bit % 8));
            }
        }
        Some(outcome)
    }
}

/// Flips the bits of `mask` in byte `at` of the buffers.
fn flip(buffers: &[VolatileSlice<'_>], mut at: u64, mask: u8) {
    for buffer in buffers {
        let len = buffer.len() as u64;
        if at < len {
            let byte = buffer.subslice(at as usize, 1).expect("within the buffer");
            let mut value = [0];
            byte.copy_to(&mut value);
            byte.copy_from(&[value[0] ^ mask]);
            return;
        }
        at -= len;
    }
}
