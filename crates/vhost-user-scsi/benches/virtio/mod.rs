//! Drivers of virtio devices behind vhost-user: SCSI and block, of ours and of other tools.

use std::path::Path;
use std::time::Duration;

#[path = "../../tests/common/mod.rs"]
pub mod common;

use common::ring::{Descriptor, WRITE};
use common::{Data, Guest, ANSWER_AT, BUFFERS, FEATURES, LUN0, SLOT};

use crate::rows::{Action, Command, BLOCK, MOST};

/// How a kind of device is asked.
pub trait Format {
    /// Writes a request into a slot, and returns its chain.
    fn prepare(&self, guest: &Guest, slot: u16, command: Command) -> Vec<Descriptor>;
    /// Makes the same request, which is in the slot, one of another block.
    fn set_block(&self, guest: &Guest, slot: u16, block: u64);
    /// Whether it was carried out.
    fn is_good(&self, guest: &Guest, slot: u16) -> bool;
}

/// A driver of one request queue.
pub struct Driver<F> {
    pub guest: Guest,
    pub format: F,
    ring: usize,
    /// What is in the slots.
    prepared: [Option<(Action, u32)>; MOST as usize],
}

impl<F: Format> Driver<F> {
    /// Of the last of the device's rings.
    pub fn new(socket: &Path, rings: usize, features: u64, format: F) -> Driver<F> {
        let mut guest = Guest::of_any(socket, rings, MOST, FEATURES | features);
        for ring in 0..rings {
            guest.start_ring(ring);
        }
        Driver {
            guest,
            format,
            ring: rings - 1,
            prepared: [None; MOST as usize],
        }
    }

    pub fn send(&mut self, slot: u16, command: Command) {
        let Command {
            action,
            block,
            blocks,
        } = command;
        let prepared = &mut self.prepared[usize::from(slot)];
        if *prepared == Some((action, blocks)) {
            self.format.set_block(&self.guest, slot, block);
        } else {
            *prepared = Some((action, blocks));
            let chain = self.format.prepare(&self.guest, slot, command);
            let Guest { memory, rings, .. } = &self.guest;
            rings[self.ring].put_indirect(memory, slot, &chain);
        }
        let Guest { memory, rings, .. } = &mut self.guest;
        rings[self.ring].offer(memory, slot);
        rings[self.ring].publish(memory);
    }

    /// Carries out one command without data, while no other is in flight.
    pub fn command(&mut self, lun: [u8; 8], cdb: &[u8]) {
        self.prepared[0] = None;
        let answer = self.guest.run(self.ring, lun, cdb, Data::None);
        assert_eq!((answer.response, answer.status), (0, 0), "{cdb:x?}");
    }

    pub fn done(&mut self) -> Option<u16> {
        let Guest { memory, rings, .. } = &mut self.guest;
        let (slot, _) = rings[self.ring].take(memory)?;
        assert!(self.format.is_good(&self.guest, slot), "a command failed");
        Some(slot)
    }

    pub fn sleep(&mut self) {
        let Guest { memory, rings, .. } = &mut self.guest;
        rings[self.ring].sleep(memory, Duration::from_secs(10));
    }
}

/// SCSI commands.
pub enum Scsi {
    /// Of 16 bytes, in blocks of [`BLOCK`].
    Long,
    /// Of 10 bytes, in blocks of 512.
    Short,
}

impl Scsi {
    /// In blocks of the device.
    fn of(&self, blocks: u64) -> u64 {
        match self {
            Scsi::Long => blocks,
            Scsi::Short => blocks * (BLOCK / 512),
        }
    }
}

impl Format for Scsi {
    fn prepare(&self, guest: &Guest, slot: u16, command: Command) -> Vec<Descriptor> {
        let Command {
            action,
            block,
            blocks,
        } = command;
        let bytes = blocks * BLOCK as u32;
        let (code, data) = match action {
            Action::Read => (0x08, Data::In(bytes)),
            Action::Write => (0x0a, Data::Out(bytes)),
            Action::Flush => (0x11, Data::None),
        };
        let count = self.of(blocks.into());
        let mut cdb = [0; 16];
        match self {
            // SYNCHRONIZE CACHE of all blocks, otherwise.
            Scsi::Long if action != Action::Flush => {
                cdb[10..14].copy_from_slice(&(count as u32).to_be_bytes());
            }
            Scsi::Long => {}
            Scsi::Short => cdb[7..9].copy_from_slice(&(count as u16).to_be_bytes()),
        }
        cdb[0] = match self {
            Scsi::Long => 0x80 | code,
            Scsi::Short => 0x20 | code,
        };
        let chain = guest.prepare(slot, LUN0, &cdb, data);
        self.set_block(guest, slot, block);
        chain
    }

    fn set_block(&self, guest: &Guest, slot: u16, block: u64) {
        let lba = self.of(block);
        match self {
            Scsi::Long => guest.set_block(slot, lba),
            Scsi::Short => guest.write(header(slot) + 19 + 2, &(lba as u32).to_be_bytes()),
        }
    }

    fn is_good(&self, guest: &Guest, slot: u16) -> bool {
        guest.code(slot) == [0, 0]
    }
}

/// Requests of virtio-blk, whose header is type, a reserved word, sector (virtio 1.2, 5.2.6).
pub struct Blk;

impl Blk {
    pub const FLUSH: u64 = 1 << 9;
}

impl Format for Blk {
    fn prepare(&self, guest: &Guest, slot: u16, command: Command) -> Vec<Descriptor> {
        let Command {
            action,
            block,
            blocks,
        } = command;
        let (kind, flags) = match action {
            Action::Read => (0u32, WRITE),
            Action::Write => (1, 0),
            Action::Flush => (4, 0),
        };
        guest.write(header(slot), &u64::from(kind).to_le_bytes());
        self.set_block(guest, slot, if action == Action::Flush { 0 } else { block });
        guest.write(header(slot) + ANSWER_AT, &[0xee]);
        let mut chain = vec![(header(slot), 16, 0, 0)];
        if action != Action::Flush {
            chain.push((Guest::data(slot), blocks * BLOCK as u32, flags, 0));
        }
        chain.push((header(slot) + ANSWER_AT, 1, WRITE, 0));
        chain
    }

    fn set_block(&self, guest: &Guest, slot: u16, block: u64) {
        let sector = block * (BLOCK / 512);
        guest.write(header(slot) + 8, &sector.to_le_bytes());
    }

    fn is_good(&self, guest: &Guest, slot: u16) -> bool {
        guest.read(header(slot) + ANSWER_AT, 1) == [0]
    }
}

fn header(slot: u16) -> u64 {
    BUFFERS + u64::from(slot) * SLOT
}
