//! The logical unit as a whole: its volatile state, and the commands about no more than that.

use std::sync::atomic::{AtomicBool, AtomicU8, Ordering};

use zoned::Operation;

use crate::answer::{Answer, Buffer, Context, Reply};
use crate::sense::Sense;

/// What power on and reset set back. Each part is independent of the others, hence no lock.
pub(crate) struct UnitState {
    /// The write cache: on, a write is acknowledged before it is on stable storage.
    pub write_cache: AtomicBool,
    /// D_SENSE: descriptor format sense data.
    pub descriptor_sense: AtomicBool,
    stopped: AtomicBool,
    attention: AtomicU8,
    /// What keeps the disk is gone, for good.
    lost: AtomicBool,
}

const NO_ATTENTION: u8 = 0;
const POWER_ON: u8 = 1;
const RESET: u8 = 2;

impl UnitState {
    /// Power on.
    pub fn new() -> UnitState {
        UnitState {
            write_cache: AtomicBool::new(true),
            descriptor_sense: AtomicBool::new(false),
            stopped: AtomicBool::new(false),
            attention: AtomicU8::new(POWER_ON),
            lost: AtomicBool::new(false),
        }
    }

    /// Power on, once more.
    pub fn power_on(&self) {
        self.reset();
        self.attention.store(POWER_ON, Ordering::Relaxed);
    }

    /// LOGICAL UNIT RESET.
    pub fn reset(&self) {
        self.write_cache.store(true, Ordering::Relaxed);
        self.descriptor_sense.store(false, Ordering::Relaxed);
        self.stopped.store(false, Ordering::Relaxed);
        self.attention.store(RESET, Ordering::Relaxed);
    }

    pub fn lose(&self) {
        self.lost.store(true, Ordering::Relaxed);
    }

    pub fn is_lost(&self) -> bool {
        self.lost.load(Ordering::Relaxed)
    }

    pub fn is_stopped(&self) -> bool {
        self.stopped.load(Ordering::Relaxed)
    }

    /// Whether a write has to be on stable storage before it is acknowledged, FUA apart.
    pub fn writes_through(&self) -> bool {
        !self.write_cache.load(Ordering::Relaxed)
    }

    pub fn has_descriptor_sense(&self) -> bool {
        self.descriptor_sense.load(Ordering::Relaxed)
    }

    /// The pending unit attention, which is then pending no more.
    pub fn take_attention(&self) -> Option<Sense> {
        if self.attention.load(Ordering::Relaxed) == NO_ATTENTION {
            return None;
        }
        match self.attention.swap(NO_ATTENTION, Ordering::Relaxed) {
            POWER_ON => Some(Sense::POWER_ON),
            RESET => Some(Sense::RESET),
            _ => None,
        }
    }
}

/// TEST UNIT READY (SPC-5).
pub(crate) fn test_unit_ready(_: &Context<'_>) -> Answer {
    Reply::GOOD
}

/// REQUEST SENSE (SPC-5): the pending unit attention, or the state of the medium, as data.
pub(crate) fn request_sense(context: &Context<'_>) -> Answer {
    let sense = match context.state.take_attention() {
        Some(attention) => attention,
        None if context.state.is_stopped() => Sense::STOPPED,
        None => Sense::NONE,
    };
    let descriptor_format = context.cdb.bit(1, 0);
    Reply::cut(sense.encode(descriptor_format), context.cdb.byte(4))
}

/// START STOP UNIT (SBC-4), without power conditions: stop flushes, unless NO_FLUSH says not to.
pub(crate) fn start_stop(context: &Context<'_>) -> Answer {
    let start = context.cdb.bit(4, 0);
    let no_flush = context.cdb.bit(4, 2);
    context.state.stopped.store(!start, Ordering::Relaxed);
    if start || no_flush {
        Reply::GOOD
    } else {
        Ok(Reply::Medium(Operation::Flush, Buffer::None))
    }
}

/// READ CAPACITY(10) (SBC-4): a last LBA of more than 32 bits is FFFFFFFFh.
pub(crate) fn read_capacity_10(context: &Context<'_>) -> Answer {
    let last = u32::try_from(context.geometry.blocks - 1).unwrap_or(u32::MAX);
    let mut data = last.to_be_bytes().to_vec();
    data.extend(context.geometry.block_size.to_be_bytes());
    Ok(Reply::Data(data))
}

/// READ CAPACITY(16) (SBC-4; RC_BASIS: ZBC-2).
///
/// LBPME is zero, and there is no UNMAP: a host-managed disk gives space back by RESET WRITE POINTER, and
/// ZBC-2's command list for such disks has no logical block provisioning.
pub(crate) fn read_capacity_16(context: &Context<'_>) -> Answer {
    const RC_BASIS_LAST_LBA: u8 = 1 << 4;
    let mut data = vec![0; 32];
    data[0..8].copy_from_slice(&(context.geometry.blocks - 1).to_be_bytes());
    data[8..12].copy_from_slice(&context.geometry.block_size.to_be_bytes());
    data[12] = RC_BASIS_LAST_LBA;
    data[13] = context.geometry.physical_blocks().ilog2() as u8;
    Reply::cut(data, context.cdb.be32(10))
}
