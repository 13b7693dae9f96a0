//! Descriptor chains, read strictly: what a guest wrote becomes pieces of its memory, or a reason why not.
//! Knows no SCSI.

use std::fmt;

use memory::Scatter;
use virtio_queue::desc::split::Descriptor;
use vm_memory::{Address as _, Bytes, GuestAddress, GuestMemoryBackend, GuestMemoryMmap};
use zoned::Data;

/// The most descriptors in a chain, and so the largest ring and indirect table: what QEMU allows, too.
pub(crate) const MAX_DESCRIPTORS: u16 = 1024;

const DESCRIPTOR_LEN: u32 = 16;

/// A table of descriptors in guest memory: a ring's own, or an indirect one.
#[derive(Clone, Copy)]
pub(crate) struct Table {
    pub(crate) address: GuestAddress,
    pub(crate) len: u16,
}

/// Reads the chain that starts at `head` of `table`: what the device may read goes to `readable`, what it may write to
/// `writable`, in order.
///
/// Fails where VIRTIO 1.2 (2.7.5, 2.7.13) forbids the chain: the guest's fault in every case.
pub(crate) fn load(
    memory: &GuestMemoryMmap,
    mut table: Table,
    head: u16,
    readable: &mut Scatter,
    writable: &mut Scatter,
) -> Result<(), BadChain> {
    let mut buffers = Buffers { readable, writable };
    buffers.readable.clear();
    buffers.writable.clear();
    {
        let mut index = head;
        let mut indirect = false;
        let mut seen = 0;
        let mut bytes = 0u64;
        loop {
            if index >= table.len {
                return Err(BadChain::Index(index, table.len));
            }
            if seen == table.len {
                return Err(BadChain::Loop);
            }
            let descriptor = table.read(memory, index)?;
            if descriptor.refers_to_indirect_table() {
                if indirect || descriptor.has_next() {
                    return Err(BadChain::Nested);
                }
                table = Table::indirect(&descriptor)?;
                indirect = true;
                index = 0;
                seen = 0;
                continue;
            }
            seen += 1;
            bytes += u64::from(descriptor.len());
            if bytes > u64::from(u32::MAX) {
                return Err(BadChain::TooLong);
            }
            buffers.push(&descriptor)?;
            if !descriptor.has_next() {
                return Ok(());
            }
            index = descriptor.next();
        }
    }
}

/// Where a chain's buffers go.
struct Buffers<'a> {
    readable: &'a mut Scatter,
    writable: &'a mut Scatter,
}

impl Buffers<'_> {
    fn push(&mut self, buffer: &Descriptor) -> Result<(), BadChain> {
        if buffer.len() == 0 {
            return Err(BadChain::Empty);
        }
        let list = if buffer.is_write_only() {
            &mut self.writable
        } else if self.writable.is_empty() {
            &mut self.readable
        } else {
            return Err(BadChain::Order);
        };
        if !list.push(buffer.addr(), buffer.len() as usize) {
            return Err(BadChain::outside(buffer.addr(), buffer.len()));
        }
        Ok(())
    }
}

impl Table {
    fn indirect(descriptor: &Descriptor) -> Result<Table, BadChain> {
        let (bytes, most) = (
            descriptor.len(),
            u32::from(MAX_DESCRIPTORS) * DESCRIPTOR_LEN,
        );
        if bytes == 0 || bytes % DESCRIPTOR_LEN != 0 || bytes > most {
            return Err(BadChain::IndirectLength(bytes));
        }
        Ok(Table {
            address: descriptor.addr(),
            len: (bytes / DESCRIPTOR_LEN) as u16,
        })
    }

    fn read(&self, memory: &GuestMemoryMmap, index: u16) -> Result<Descriptor, BadChain> {
        let at = u64::from(index) * u64::from(DESCRIPTOR_LEN);
        // Nearly always it is all in one region.
        let read = |address| match memory.get_slice(address, DESCRIPTOR_LEN as usize) {
            Ok(slice) => slice.read_obj(0).ok(),
            Err(_) => memory.read_obj(address).ok(),
        };
        self.address
            .checked_add(at)
            .and_then(read)
            .ok_or_else(|| BadChain::outside(self.address, u32::from(self.len) * DESCRIPTOR_LEN))
    }
}

/// Why a chain cannot be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum BadChain {
    /// A descriptor's number and the length of its table.
    Index(u16, u16),
    Loop,
    Nested,
    IndirectLength(u32),
    Empty,
    Order,
    TooLong,
    /// Address and length of a buffer or table.
    Outside(u64, u32),
}

impl BadChain {
    fn outside(address: GuestAddress, len: u32) -> BadChain {
        BadChain::Outside(address.raw_value(), len)
    }
}

impl fmt::Display for BadChain {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            BadChain::Index(index, len) => {
                write!(f, "descriptor {index} is outside its table of {len}")
            }
            BadChain::Loop => write!(f, "its descriptors form a loop"),
            BadChain::Nested => write!(
                f,
                "an indirect descriptor is inside an indirect table or has a successor"
            ),
            BadChain::IndirectLength(bytes) => write!(
                f,
                "an indirect table has {bytes} bytes: a multiple of 16 up to {} is allowed",
                u32::from(MAX_DESCRIPTORS) * DESCRIPTOR_LEN
            ),
            BadChain::Empty => write!(f, "a buffer has no bytes"),
            BadChain::Order => write!(f, "a readable buffer follows a writable one"),
            BadChain::TooLong => write!(f, "its buffers are longer than 2^32 bytes"),
            BadChain::Outside(address, len) => write!(
                f,
                "{len} bytes at guest address {address:#x} are outside guest memory"
            ),
        }
    }
}
