//! The controller's registers (NVMe 1.4, 3.1), as plain numbers: what writing them asks for. Does nothing itself.

use nvme::MOST_ENTRIES;

/// Where the doorbells begin; before them are registers.
pub(crate) const DOORBELLS: u64 = 0x1000;

/// The controller's properties that a client writes, and its status.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Registers {
    configuration: u32,
    status: u32,
    admin_entries: u32,
    admin_submission: u64,
    admin_completion: u64,
    /// It was disabled, and the reset is not over.
    is_disabling: bool,
}

/// What a write of registers asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Asked {
    Nothing,
    /// To be enabled, with this admin queue; ends with [`Registers::enabled`].
    Enable(AdminQueue),
    /// To be disabled, which is a controller reset; ends with [`Registers::disabled`].
    Disable,
    /// To be shut down; ends with [`Registers::shut_down`].
    ShutDown,
}

/// The admin queue: entries, and addresses in the client's memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct AdminQueue {
    pub submission: u64,
    pub submission_entries: u32,
    pub completion: u64,
    pub completion_entries: u32,
}

/// Registers, by their places.
mod place {
    pub const CAPABILITIES: u64 = 0x00;
    pub const VERSION: u64 = 0x08;
    pub const CONFIGURATION: u64 = 0x14;
    pub const STATUS: u64 = 0x1C;
    pub const ADMIN_ENTRIES: u64 = 0x24;
    pub const ADMIN_SUBMISSION: u64 = 0x28;
    pub const ADMIN_COMPLETION: u64 = 0x30;
    pub const END: usize = 0x38;
}

/// CC.
const ENABLE: u32 = 1 << 0;
const SHUTDOWN: u32 = 0b11 << 14;
/// CSTS.
const READY: u32 = 1 << 0;
const FATAL: u32 = 1 << 1;
const SHUTTING_DOWN: u32 = 0b01 << 2;
const SHUT_DOWN: u32 = 0b10 << 2;
const SHUTDOWN_STATUS: u32 = 0b11 << 2;

/// CAP: the largest queue, contiguous ones only, how long to wait for RDY (in 500 ms), and the command sets: NVM, and those
/// that Identify tells.
const CAPABILITIES: u64 = {
    const CONTIGUOUS: u64 = 1 << 16;
    const TIMEOUT: u64 = 60 << 24;
    const NVM: u64 = 1 << 37;
    const BY_IDENTIFY: u64 = 1 << 43;
    (MOST_ENTRIES - 1) as u64 | CONTIGUOUS | TIMEOUT | NVM | BY_IDENTIFY
};
const VERSION: u32 = 0x0001_0400;

impl Registers {
    /// Reads at an offset below [`DOORBELLS`].
    pub fn read(&self, offset: u64, into: &mut [u8]) {
        let mut bytes = [0; place::END];
        let mut put = |at: u64, value: &[u8]| {
            bytes[at as usize..at as usize + value.len()].copy_from_slice(value);
        };
        put(place::CAPABILITIES, &CAPABILITIES.to_le_bytes());
        put(place::VERSION, &VERSION.to_le_bytes());
        put(place::CONFIGURATION, &self.configuration.to_le_bytes());
        put(place::STATUS, &self.status.to_le_bytes());
        put(place::ADMIN_ENTRIES, &self.admin_entries.to_le_bytes());
        put(
            place::ADMIN_SUBMISSION,
            &self.admin_submission.to_le_bytes(),
        );
        put(
            place::ADMIN_COMPLETION,
            &self.admin_completion.to_le_bytes(),
        );
        for (byte, at) in into.iter_mut().zip(offset..) {
            *byte = bytes.get(at as usize).copied().unwrap_or(0);
        }
    }

    /// Writes at an offset below [`DOORBELLS`]: a dword, or two. What else is written has no effect.
    pub fn write(&mut self, offset: u64, from: &[u8]) -> Asked {
        if offset % 4 != 0 || !matches!(from.len(), 4 | 8) {
            return Asked::Nothing;
        }
        let mut asked = Asked::Nothing;
        for (dword, at) in from.chunks_exact(4).zip((offset..).step_by(4)) {
            let value = u32::from_le_bytes([dword[0], dword[1], dword[2], dword[3]]);
            if let one @ (Asked::Enable(_) | Asked::Disable | Asked::ShutDown) =
                self.write_dword(at, value)
            {
                asked = one;
            }
        }
        asked
    }

    fn write_dword(&mut self, offset: u64, value: u32) -> Asked {
        let place = |address: &mut u64, high: bool| {
            let shift = if high { 32 } else { 0 };
            *address = *address & !(0xFFFF_FFFF << shift) | u64::from(value) << shift;
        };
        match offset {
            place::CONFIGURATION => return self.configure(value),
            place::ADMIN_ENTRIES => self.admin_entries = value & 0x0FFF_0FFF,
            place::ADMIN_SUBMISSION => place(&mut self.admin_submission, false),
            0x2C => place(&mut self.admin_submission, true),
            place::ADMIN_COMPLETION => place(&mut self.admin_completion, false),
            0x34 => place(&mut self.admin_completion, true),
            _ => {}
        }
        Asked::Nothing
    }

    fn configure(&mut self, value: u32) -> Asked {
        // A client has to wait until it is not ready any more (NVMe 1.4, 3.1.5).
        let refused = if self.is_disabling { ENABLE } else { 0 };
        let value = value & !refused;
        let before = std::mem::replace(&mut self.configuration, value);
        let shuts_down = value & SHUTDOWN != 0 && before & SHUTDOWN == 0;
        match (before & ENABLE != 0, value & ENABLE != 0) {
            (false, true) => self.enable(),
            (true, false) => {
                self.is_disabling = true;
                Asked::Disable
            }
            _ if shuts_down && self.status & SHUTDOWN_STATUS == 0 => {
                self.status |= SHUTTING_DOWN;
                Asked::ShutDown
            }
            _ => Asked::Nothing,
        }
    }

    fn enable(&mut self) -> Asked {
        const PAGE: u64 = 4096;
        let bits = |low: u32, count: u32| self.configuration >> low & ((1 << count) - 1);
        let (command_sets, page, arbitration) = (bits(4, 3), bits(7, 4), bits(11, 3));
        let submission_entries = (self.admin_entries & 0xFFF) + 1;
        let completion_entries = (self.admin_entries >> 16) + 1;
        let is_right = matches!(command_sets, 0b000 | 0b110)
            && page == 0
            && arbitration == 0
            && submission_entries >= 2
            && completion_entries >= 2
            && self.admin_submission % PAGE == 0
            && self.admin_completion % PAGE == 0;
        if !is_right {
            self.status |= FATAL;
            return Asked::Nothing;
        }
        Asked::Enable(AdminQueue {
            submission: self.admin_submission,
            submission_entries,
            completion: self.admin_completion,
            completion_entries,
        })
    }

    /// The controller has become ready.
    pub fn enabled(&mut self) {
        self.status = READY;
    }

    /// The controller is reset: what describes the admin queue stays (NVMe 1.4, 7.3.2).
    pub fn disabled(&mut self) {
        self.is_disabling = false;
        self.status = 0;
        self.configuration &= !ENABLE;
    }

    /// All is stable, and the client may turn the power off.
    pub fn shut_down(&mut self) {
        // Unless there was a reset meanwhile.
        if self.status & SHUTDOWN_STATUS == SHUTTING_DOWN {
            self.status = self.status & !SHUTDOWN_STATUS | SHUT_DOWN;
        }
    }

    /// Whether it is being reset.
    pub fn is_disabling(&self) -> bool {
        self.is_disabling
    }

    /// The client broke a rule that leaves the controller no way on.
    pub fn fail(&mut self) {
        self.status |= FATAL;
    }
}
