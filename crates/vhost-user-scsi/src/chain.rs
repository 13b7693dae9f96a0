//! Descriptor chains, read strictly: what a guest wrote becomes pieces of its memory, or a reason why not.
//! Knows no SCSI.

use std::fmt;

use memory::{Guest, Scatter};
use vm_memory::{Address as _, Bytes, GuestAddress, VolatileMemory, VolatileSlice};
use zoned::Data;

/// The most descriptors in a chain, and so the largest ring and indirect table: what QEMU allows, too.
pub(crate) const MAX_DESCRIPTORS: u16 = 1024;

pub(crate) const DESCRIPTOR_LEN: usize = 16;

// VIRTQ_DESC_F_NEXT, _WRITE and _INDIRECT.
const NEXT: u16 = 1;
const WRITE: u16 = 2;
const INDIRECT: u16 = 4;

/// Reads the chain that starts at `head` of `ring`, the descriptors of a ring: what the device may read goes to `readable`, what it may write to
/// `writable`, in order.
///
/// Fails where VIRTIO 1.2 (2.7.5, 2.7.13) forbids the chain: the guest's fault in every case.
pub(crate) fn load(
    memory: &Guest,
    ring: VolatileSlice<'_>,
    head: u16,
    readable: &mut Scatter,
    writable: &mut Scatter,
) -> Result<(), BadChain> {
    let mut buffers = Buffers { readable, writable };
    buffers.readable.clear();
    buffers.writable.clear();
    let mut table = Table::Whole(ring);
    let mut index = head;
    let mut indirect = false;
    let mut seen = 0;
    let mut bytes = 0u64;
    loop {
        let descriptor = table.read(index)?;
        if seen == table.len() {
            return Err(BadChain::Loop);
        }
        if descriptor.is(INDIRECT) {
            if indirect || descriptor.is(NEXT) {
                return Err(BadChain::Nested);
            }
            table = Table::indirect(memory, &descriptor)?;
            indirect = true;
            index = 0;
            seen = 0;
            continue;
        }
        seen += 1;
        bytes += u64::from(descriptor.len);
        if bytes > u64::from(u32::MAX) {
            return Err(BadChain::TooLong);
        }
        buffers.push(&descriptor)?;
        if !descriptor.is(NEXT) {
            return Ok(());
        }
        index = descriptor.next;
    }
}

/// Where a chain's buffers go.
struct Buffers<'a> {
    readable: &'a mut Scatter,
    writable: &'a mut Scatter,
}

impl Buffers<'_> {
    fn push(&mut self, buffer: &Descriptor) -> Result<(), BadChain> {
        if buffer.len == 0 {
            return Err(BadChain::Empty);
        }
        let list = if buffer.is(WRITE) {
            &mut self.writable
        } else if self.writable.is_empty() {
            &mut self.readable
        } else {
            return Err(BadChain::Order);
        };
        if !list.push(buffer.address, buffer.len as usize) {
            return Err(BadChain::outside(buffer.address, buffer.len));
        }
        Ok(())
    }
}

/// A descriptor, as it was when it was read.
struct Descriptor {
    address: GuestAddress,
    len: u32,
    flags: u16,
    next: u16,
}

impl Descriptor {
    fn new([address, rest]: [u64; 2]) -> Descriptor {
        let rest = u64::from_le(rest);
        Descriptor {
            address: GuestAddress(u64::from_le(address)),
            len: rest as u32,
            flags: (rest >> 32) as u16,
            next: (rest >> 48) as u16,
        }
    }

    fn is(&self, flag: u16) -> bool {
        self.flags & flag != 0
    }
}

/// A table of descriptors in guest memory: a ring's own, or an indirect one.
enum Table<'a> {
    /// Nearly always it is all in one region.
    Whole(VolatileSlice<'a>),
    /// Its address, and how many bytes it has.
    Parted(&'a Guest, GuestAddress, usize),
}

impl<'a> Table<'a> {
    fn indirect(memory: &'a Guest, descriptor: &Descriptor) -> Result<Table<'a>, BadChain> {
        let len = descriptor.len as usize;
        let most = usize::from(MAX_DESCRIPTORS) * DESCRIPTOR_LEN;
        if len == 0 || len % DESCRIPTOR_LEN != 0 || len > most {
            return Err(BadChain::IndirectLength(descriptor.len));
        }
        let whole = memory.slice(descriptor.address, len).map(Table::Whole);
        Ok(whole.unwrap_or(Table::Parted(memory, descriptor.address, len)))
    }

    /// How many descriptors it has.
    fn len(&self) -> u16 {
        let bytes = match self {
            Table::Whole(slice) => slice.len(),
            Table::Parted(_, _, len) => *len,
        };
        (bytes / DESCRIPTOR_LEN) as u16
    }

    fn read(&self, index: u16) -> Result<Descriptor, BadChain> {
        if index >= self.len() {
            return Err(BadChain::Index(index, self.len()));
        }
        let at = usize::from(index) * DESCRIPTOR_LEN;
        let raw = match self {
            Table::Whole(slice) => slice.get_ref(at).expect("within the table").load(),
            Table::Parted(memory, address, len) => address
                .checked_add(at as u64)
                .and_then(|address| memory.map().read_obj(address).ok())
                .ok_or(BadChain::outside(*address, *len as u32))?,
        };
        Ok(Descriptor::new(raw))
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
                usize::from(MAX_DESCRIPTORS) * DESCRIPTOR_LEN
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

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use vm_memory::GuestMemoryMmap;

    use super::*;

    #[test]
    fn a_table_in_two_regions_is_a_table() {
        let ranges = [(GuestAddress(0), 0x1000), (GuestAddress(0x1000), 0x1000)];
        let map = GuestMemoryMmap::from_ranges(&ranges).unwrap();
        let guest = Arc::new(Guest::new(map, Vec::new()));
        let put = |at: u64, address: u64, len: u32, flags: u16, next: u16| {
            let rest = u64::from(len) | u64::from(flags) << 32 | u64::from(next) << 48;
            let raw = [address.to_le(), rest.to_le()];
            guest.map().write_obj(raw, GuestAddress(at)).unwrap();
        };
        // The second of three descriptors lies on both sides.
        put(0, 0xfe8, 48, INDIRECT, 0);
        put(0xfe8, 0x100, 8, NEXT, 1);
        put(0xff8, 0x200, 16, NEXT | WRITE, 2);
        put(0x1008, 0x300, 32, WRITE, 0);
        let ring = guest.slice(GuestAddress(0), DESCRIPTOR_LEN).unwrap();
        let nothing = Scatter::of(Arc::clone(&guest));
        let (mut readable, mut writable) = (nothing.clone(), nothing);
        load(&guest, ring, 0, &mut readable, &mut writable).unwrap();
        assert_eq!((readable.len(), writable.len()), (8, 48));
        put(0, 0x1ff0, 48, INDIRECT, 0);
        put(0x1ff0, 0x100, 8, NEXT, 1);
        let outside = load(&guest, ring, 0, &mut readable, &mut writable);
        assert_eq!(outside, Err(BadChain::Outside(0x1ff0, 48)));
    }
}
