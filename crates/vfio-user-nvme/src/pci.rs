//! The configuration space of the device (PCI Express Base 5.0, 7.5; NVMe 1.4, 2.1), and what is where in its memory.

use crate::device::Device;
use nvme::VENDOR;

/// Length of the configuration space that there is; the extended one reads as zeroes.
pub(crate) const CONFIGURATION: u64 = 4096;
const LEN: usize = 256;

const DEVICE: u16 = 0x0001;
/// Mass storage, non-volatile memory, NVMe.
const CLASS: [u8; 3] = [0x02, 0x08, 0x01];

/// Places in the configuration space.
mod place {
    pub const COMMAND: usize = 0x04;
    pub const BAR: usize = 0x10;
    pub const SUBSYSTEM: usize = 0x2C;
    pub const CAPABILITIES: usize = 0x34;
    pub const POWER: usize = 0x40;
    pub const MSI_X: usize = 0x50;
    pub const EXPRESS: usize = 0x60;
}

/// The page that the MSI-X table begins on, and the pending bits.
const PAGE: u64 = 4096;
/// Bytes of an entry of the MSI-X table.
const ENTRY: u64 = 16;

/// The configuration space of a device.
pub(crate) struct Configuration {
    bytes: [u8; LEN],
    /// Bits that the client can change.
    changeable: [u8; LEN],
}

/// What a write to the configuration space asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Asked {
    Nothing,
    /// A function level reset.
    Reset,
}

/// Bytes of base address register 0: the device's own, the MSI-X table, and its pending bits.
pub(crate) fn bar_bytes(device: &dyn Device) -> u64 {
    (pending_offset(device) + PAGE).next_power_of_two()
}

/// Where the MSI-X table is.
fn table_offset(device: &dyn Device) -> u64 {
    device.bytes().next_multiple_of(PAGE)
}

fn pending_offset(device: &dyn Device) -> u64 {
    (table_offset(device) + ENTRY * u64::from(device.vectors())).next_multiple_of(PAGE)
}

impl Configuration {
    /// That of a device after a reset.
    pub fn new(device: &dyn Device) -> Configuration {
        const CAPABILITY_LIST: u8 = 1 << 4;
        const MEMORY_64: u8 = 0b100;
        const POWER: u8 = 0x01;
        const MSI_X: u8 = 0x11;
        const EXPRESS: u8 = 0x10;
        const VERSION_2: u8 = 2;
        const FUNCTION_LEVEL_RESET: u32 = 1 << 28;
        /// 2.5 GT/s, one lane.
        const LINK: u32 = 0x11;
        let mut new = Configuration {
            bytes: [0; LEN],
            changeable: [0; LEN],
        };
        new.put(0x00, &VENDOR.to_le_bytes());
        new.put(0x02, &DEVICE.to_le_bytes());
        new.put(0x06, &[CAPABILITY_LIST]);
        new.put(0x08, &[1]);
        new.put(0x09, &CLASS);
        new.put(place::BAR, &[MEMORY_64]);
        new.put(place::SUBSYSTEM, &VENDOR.to_le_bytes());
        new.put(place::SUBSYSTEM + 2, &DEVICE.to_le_bytes());
        new.put(place::CAPABILITIES, &[place::POWER as u8]);
        new.put(place::POWER, &[POWER, place::MSI_X as u8, 3, 0]);
        new.put(place::MSI_X, &[MSI_X, place::EXPRESS as u8]);
        new.put(place::MSI_X + 2, &(device.vectors() - 1).to_le_bytes());
        // Both in base address register 0.
        new.put(
            place::MSI_X + 4,
            &(table_offset(device) as u32).to_le_bytes(),
        );
        new.put(
            place::MSI_X + 8,
            &(pending_offset(device) as u32).to_le_bytes(),
        );
        new.put(place::EXPRESS, &[EXPRESS, 0, VERSION_2, 0]);
        new.put(place::EXPRESS + 4, &FUNCTION_LEVEL_RESET.to_le_bytes());
        new.put(place::EXPRESS + 12, &LINK.to_le_bytes());
        new.put(place::EXPRESS + 18, &(LINK as u16).to_le_bytes());

        // Memory space, bus master, interrupt disable.
        new.allow(place::COMMAND, &0x0406u16.to_le_bytes());
        new.allow(place::BAR, &(!(bar_bytes(device) - 1) & !0xF).to_le_bytes());
        new.allow(place::POWER + 4, &[0b11]);
        new.allow(place::MSI_X + 2, &0xC000u16.to_le_bytes());
        new.allow(place::EXPRESS + 8, &0x70FFu16.to_le_bytes());
        new
    }

    fn put(&mut self, at: usize, bytes: &[u8]) {
        self.bytes[at..at + bytes.len()].copy_from_slice(bytes);
    }

    fn allow(&mut self, at: usize, bits: &[u8]) {
        self.changeable[at..at + bits.len()].copy_from_slice(bits);
    }

    /// Reads at an offset.
    pub fn read(&self, offset: u64, into: &mut [u8]) {
        for (byte, at) in into.iter_mut().zip(offset..) {
            *byte = self.bytes.get(at as usize).copied().unwrap_or(0);
        }
    }

    /// Writes at an offset what can be written.
    pub fn write(&mut self, offset: u64, from: &[u8]) -> Asked {
        const RESET: u8 = 1 << 7;
        let mut asked = Asked::Nothing;
        for (&byte, at) in from.iter().zip(offset..) {
            let at = at as usize;
            if at >= LEN {
                break;
            }
            let mask = self.changeable[at];
            self.bytes[at] = self.bytes[at] & !mask | byte & mask;
            if at == place::EXPRESS + 9 && byte & RESET != 0 {
                asked = Asked::Reset;
            }
        }
        asked
    }
}
