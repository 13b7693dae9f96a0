//! The driver's side of a split ring, which can also be filled in ways that no driver would.

use std::os::fd::{AsRawFd, BorrowedFd};
use std::sync::atomic::{fence, Ordering};
use std::time::{Duration, Instant};

use rustix::event::{poll, PollFd, PollFlags, Timespec};
use vm_memory::{Bytes, GuestAddress, GuestMemoryMmap};
use vmm_sys_util::eventfd::{EventFd, EFD_NONBLOCK};

use super::{GUEST_BASE, MAX_RINGS, RING_ROOM};

pub const NEXT: u16 = 1;
pub const WRITE: u16 = 2;
pub const INDIRECT: u16 = 4;

/// A descriptor: address, length, flags, next.
pub type Descriptor = (u64, u32, u16, u16);

/// The driver's side of a split ring.
pub struct Ring {
    pub index: usize,
    pub size: u16,
    pub(super) base: u64,
    pub(super) event_idx: bool,
    pub kick: EventFd,
    pub call: EventFd,
    pub next_available: u16,
    pub next_used: u16,
    /// The position that the device told when it was stopped.
    pub stopped_at: Option<u16>,
    published: u16,
}

impl Ring {
    pub(super) fn new(index: usize, size: u16, event_idx: bool) -> Ring {
        assert!((index as u64) < MAX_RINGS);
        Ring {
            index,
            size,
            base: GUEST_BASE + index as u64 * RING_ROOM,
            event_idx,
            kick: EventFd::new(EFD_NONBLOCK).unwrap(),
            call: EventFd::new(EFD_NONBLOCK).unwrap(),
            next_available: 0,
            next_used: 0,
            stopped_at: None,
            published: 0,
        }
    }

    pub fn descriptors(&self) -> u64 {
        self.base
    }
    pub fn available(&self) -> u64 {
        self.base + 0x4000
    }
    pub fn used(&self) -> u64 {
        self.base + 0x6000
    }
    /// A slot's indirect table, of 4 descriptors.
    pub fn indirect(&self, slot: u16) -> u64 {
        self.base + 0x10000 + u64::from(slot) * 64
    }

    pub fn put_descriptor(&self, memory: &GuestMemoryMmap, at: u64, descriptor: Descriptor) {
        let (address, len, flags, next) = descriptor;
        let mut bytes = [0; 16];
        bytes[..8].copy_from_slice(&address.to_le_bytes());
        bytes[8..12].copy_from_slice(&len.to_le_bytes());
        bytes[12..14].copy_from_slice(&flags.to_le_bytes());
        bytes[14..].copy_from_slice(&next.to_le_bytes());
        memory.write_slice(&bytes, GuestAddress(at)).unwrap();
    }

    /// Writes a chain into consecutive descriptors from `first` on, linked.
    pub fn put_chain(&self, memory: &GuestMemoryMmap, first: u16, chain: &[Descriptor]) {
        self.put_linked(memory, self.descriptors(), first, chain);
    }

    /// Writes a chain into a slot's indirect table, and its one descriptor into the ring's.
    pub fn put_indirect(&self, memory: &GuestMemoryMmap, slot: u16, chain: &[Descriptor]) {
        let table = self.indirect(slot);
        self.put_linked(memory, table, 0, chain);
        let at = self.descriptors() + u64::from(slot) * 16;
        let bytes = chain.len() as u32 * 16;
        self.put_descriptor(memory, at, (table, bytes, INDIRECT, 0));
    }

    fn put_linked(&self, memory: &GuestMemoryMmap, table: u64, first: u16, chain: &[Descriptor]) {
        for (at, &(address, len, flags, _)) in chain.iter().enumerate() {
            let index = first + at as u16;
            let more = if at + 1 < chain.len() { NEXT } else { 0 };
            let descriptor = (address, len, flags | more, index + 1);
            self.put_descriptor(memory, table + u64::from(index) * 16, descriptor);
        }
    }

    /// Puts a chain's head on the available ring; the device does not see it before [`Ring::publish`].
    pub fn offer(&mut self, memory: &GuestMemoryMmap, head: u16) {
        let at = self.available() + 4 + u64::from(self.next_available % self.size) * 2;
        memory.write_obj(head.to_le(), GuestAddress(at)).unwrap();
        self.next_available = self.next_available.wrapping_add(1);
    }

    /// Shows the device what was offered, and kicks it if it asked for that.
    pub fn publish(&mut self, memory: &GuestMemoryMmap) {
        let index = GuestAddress(self.available() + 2);
        memory
            .store(self.next_available.to_le(), index, Ordering::Release)
            .unwrap();
        fence(Ordering::SeqCst);
        let (old, new) = (self.published, self.next_available);
        self.published = new;
        let wanted = if self.event_idx {
            let event = self.used() + 4 + u64::from(self.size) * 8;
            let event: u16 = memory.load(GuestAddress(event), Ordering::Relaxed).unwrap();
            new.wrapping_sub(event).wrapping_sub(1) < new.wrapping_sub(old)
        } else {
            let flags: u16 = memory
                .load(GuestAddress(self.used()), Ordering::Relaxed)
                .unwrap();
            flags & 1 == 0
        };
        if wanted {
            self.kick.write(1).unwrap();
        }
    }

    /// The used elements there are, without waiting: head and length.
    pub fn take(&mut self, memory: &GuestMemoryMmap) -> Option<(u16, u32)> {
        let index: u16 = memory
            .load(GuestAddress(self.used() + 2), Ordering::Acquire)
            .unwrap();
        if index == self.next_used {
            return None;
        }
        let at = self.used() + 4 + u64::from(self.next_used % self.size) * 8;
        let head: u32 = memory.read_obj(GuestAddress(at)).unwrap();
        let len: u32 = memory.read_obj(GuestAddress(at + 4)).unwrap();
        self.next_used = self.next_used.wrapping_add(1);
        Some((u32::from_le(head) as u16, u32::from_le(len)))
    }

    /// Waits for `count` used elements; panics after 10 seconds.
    pub fn wait(&mut self, memory: &GuestMemoryMmap, count: usize) -> Vec<(u16, u32)> {
        let mut found = Vec::new();
        let end = Instant::now() + Duration::from_secs(10);
        loop {
            while let Some(used) = self.take(memory) {
                found.push(used);
            }
            if found.len() >= count {
                return found;
            }
            if !self.sleep(memory, Duration::from_secs(1)) {
                assert!(Instant::now() < end, "ring {}: no answer", self.index);
            }
        }
    }

    /// Asks for a signal at the next used element and waits for it; `true` if there is one.
    pub fn sleep(&mut self, memory: &GuestMemoryMmap, timeout: Duration) -> bool {
        if self.event_idx {
            let event = self.available() + 4 + u64::from(self.size) * 2;
            memory
                .store(
                    self.next_used.to_le(),
                    GuestAddress(event),
                    Ordering::Relaxed,
                )
                .unwrap();
            fence(Ordering::SeqCst);
        }
        let index: u16 = memory
            .load(GuestAddress(self.used() + 2), Ordering::Acquire)
            .unwrap();
        if index != self.next_used {
            return true;
        }
        self.called(timeout)
    }

    /// Waits for a signal; `true` if there was one.
    pub fn called(&self, timeout: Duration) -> bool {
        let timeout = Timespec::try_from(timeout).unwrap();
        // SAFETY: the descriptor stays open as long as `self`, which is borrowed until the end of this function.
        let call = unsafe { BorrowedFd::borrow_raw(self.call.as_raw_fd()) };
        let mut fds = [PollFd::new(&call, PollFlags::IN)];
        let woken = poll(&mut fds, Some(&timeout)).unwrap() > 0;
        if woken {
            let _ = self.call.read();
        }
        woken
    }
}
