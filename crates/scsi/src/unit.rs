//! The logical unit as a whole: its volatile state, and the commands about no more than that.

use std::sync::atomic::{AtomicBool, Ordering};

use crate::answer::{Answer, Context, Reply};
use crate::attentions::Attentions;
use crate::background::{Background, Stopped, Work};
use crate::counters::{Counter, Counters};
use crate::echo::Echo;
use crate::erasing::Erasing;
use crate::mode_pages::Modes;
use crate::power::{Condition, Power};
use crate::reserved::Reserved;
use crate::self_test::SelfTests;
use crate::sense::Sense;
use crate::timestamp::Timestamp;

/// Numbers under which a disk keeps what is saved here, for good (docs/image-format.md).
pub(crate) mod saved {
    /// Mode pages, one after the other.
    pub const MODE_PAGES: u32 = 1;
    /// What is counted, a number each.
    pub const COUNTERS: u32 = 2;
    /// Results of self-tests, the newest first.
    pub const SELF_TESTS: u32 = 3;
    /// Persistent reservations that outlive power.
    pub const RESERVATIONS: u32 = reservations::KEPT_AS;
    /// A FORMAT UNIT or SANITIZE that has not ended.
    pub const ERASING: u32 = 5;
}

/// The state of a logical unit apart from its disk's. Each part is independent of the others, hence no lock.
pub(crate) struct UnitState {
    pub modes: Modes,
    pub power: Power,
    pub counters: Counters,
    pub background: Background,
    pub self_tests: SelfTests,
    pub erasing: Erasing,
    pub timestamp: Timestamp,
    pub echo: Echo,
    pub attentions: Attentions,
    pub reserved: Reserved,
    /// What keeps the disk is gone, for good.
    lost: AtomicBool,
}

impl UnitState {
    /// Power on; `kept` is what the disk keeps under a number.
    pub fn new(kept: impl Fn(u32) -> Vec<u8>) -> UnitState {
        UnitState {
            modes: Modes::new(&kept(saved::MODE_PAGES)),
            power: Power::on(),
            counters: Counters::new(&kept(saved::COUNTERS)),
            background: Background::default(),
            self_tests: SelfTests::new(&kept(saved::SELF_TESTS)),
            erasing: Erasing::new(&kept(saved::ERASING)),
            timestamp: Timestamp::new(),
            echo: Echo::default(),
            attentions: Attentions::new(Sense::POWER_ON),
            reserved: Reserved::new(kept(saved::RESERVATIONS)),
            lost: AtomicBool::new(false),
        }
    }

    /// Power on, once more.
    pub fn power_on(&self) {
        self.stop(|work| work != Work::Sanitize);
        self.reset();
        self.reserved.power_on();
        self.counters.add(Counter::Starts, 1);
        self.attentions.restart(Sense::POWER_ON);
    }

    /// LOGICAL UNIT RESET.
    pub fn reset(&self) {
        self.modes.reset();
        self.stop(|work| matches!(work, Work::Test(_)));
        self.power.set(Condition::Active);
        self.timestamp.reset();
        self.echo.reset();
        self.reserved.reset();
        self.attentions.restart(Sense::RESET);
    }

    /// Stops what is done in the background, if it is this.
    fn stop(&self, is: impl FnOnce(Work) -> bool) {
        if let Some(task) = self.background.current().filter(|task| is(task.work())) {
            task.stop(Stopped::Otherwise);
        }
    }

    /// Whether anybody spoke to it.
    pub fn was_used(&self) -> bool {
        self.attentions.were_told()
    }

    pub fn lose(&self) {
        self.lost.store(true, Ordering::Relaxed);
    }

    pub fn is_lost(&self) -> bool {
        self.lost.load(Ordering::Relaxed)
    }

    /// Whether a write has to be on stable storage before it is acknowledged, FUA apart.
    pub fn writes_through(&self) -> bool {
        !self.modes.has_write_cache()
    }
}

/// TEST UNIT READY (SPC-5).
pub(crate) fn test_unit_ready(_: &Context<'_>) -> Answer {
    Reply::GOOD
}

/// REQUEST SENSE (SPC-5, 6.39): the pending unit attention, a predicted failure, how far work in the background is, or the
/// power condition, as data.
pub(crate) fn request_sense(context: &Context<'_>) -> Answer {
    let state = context.state;
    let sense = match state.attentions.take(context.initiator) {
        Some(attention) => attention,
        None if state.modes.predicts_failure() => Sense::FAILURE_PREDICTION_FALSE,
        None => match state.background.current() {
            Some(task) => Sense::in_progress(&task),
            None => state.power.sense(),
        },
    };
    let descriptor_format = context.cdb.bit(1, 0);
    Reply::cut(sense.encode(descriptor_format), context.cdb.byte(4))
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

/// REPORT SUPPORTED TASK MANAGEMENT FUNCTIONS (SPC-5, 6.38).
pub(crate) fn report_task_management(context: &Context<'_>) -> Answer {
    const ABORT_TASK: u8 = 0x80;
    const ABORT_TASK_SET: u8 = 0x40;
    const CLEAR_TASK_SET: u8 = 0x10;
    const LOGICAL_UNIT_RESET: u8 = 0x08;
    const QUERY_TASK: u8 = 0x04;
    const QUERY_TASK_SET: u8 = 0x02;
    const I_T_NEXUS_RESET: u8 = 0x01;
    /// The extended parameter data, without time limits.
    const EXTENDED: usize = 16;
    let extended = context.cdb.bit(2, 7);
    let allocation_length = context.cdb.be32(6);
    if allocation_length < 4 {
        return Err(Sense::cdb_field(6));
    }
    let mut data = vec![0; if extended { EXTENDED } else { 4 }];
    data[0] = ABORT_TASK | ABORT_TASK_SET | CLEAR_TASK_SET | LOGICAL_UNIT_RESET | QUERY_TASK;
    data[1] = QUERY_TASK_SET | I_T_NEXUS_RESET;
    data[3] = data.len() as u8 - 4;
    Reply::cut(data, allocation_length)
}
