//! The device as its users see it: a command in, an answer or I/O out.

use std::fmt;

use crate::api::{
    Completion, Condition, DataOut, Fault, Geometry, Identity, Op, Step, Zone, ZoneTable,
};
use crate::commands;
use crate::geometry::{GeometryError, IdentityError};
use crate::request::{Reply, Request};
use crate::sense::{good, Sense};
use crate::unit::{Unit, UnitState};
use crate::word::{check_word, describe, value_of, WordError};
use crate::zones::{Control, Hold, Zones};

/// Why a [`Device`] cannot be made.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum DeviceError {
    /// The geometry is not valid.
    Geometry(GeometryError),
    /// The identity is not valid.
    Identity(IdentityError),
    /// The table does not have one word a zone.
    Table {
        /// Words that the table has.
        words: usize,
        /// Zones of the geometry.
        zones: u32,
    },
    /// A zone's word is not valid.
    Word(WordError),
}

impl fmt::Display for DeviceError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            DeviceError::Geometry(error) => error.fmt(f),
            DeviceError::Identity(error) => error.fmt(f),
            DeviceError::Table { words, zones } => {
                write!(
                    f,
                    "the zone table has {words} words; it must have one for each of {zones} zones"
                )
            }
            DeviceError::Word(error) => error.fmt(f),
        }
    }
}

impl std::error::Error for DeviceError {}

/// A host-managed or host-aware zoned block device: one logical unit.
///
/// Any number of threads may run commands on it at a time.
pub struct Device<Z: ZoneTable> {
    geometry: Geometry,
    identity: Identity,
    table: Z,
    state: UnitState,
    control: Control,
}

impl<Z: ZoneTable> Device<Z> {
    /// Powers the device on: zones that were open become closed (or empty, if nothing was written), and a
    /// POWER ON unit attention is pending.
    ///
    /// # Errors
    /// [`DeviceError`] if the geometry, the identity or a word of the table is not valid; the table is unchanged.
    pub fn new(geometry: Geometry, identity: Identity, table: Z) -> Result<Self, DeviceError> {
        geometry.validate().map_err(DeviceError::Geometry)?;
        identity.validate().map_err(DeviceError::Identity)?;
        let words = table.words();
        if words.len() != geometry.zones() as usize {
            return Err(DeviceError::Table {
                words: words.len(),
                zones: geometry.zones(),
            });
        }
        for (zone, word) in (0..).zip(words) {
            check_word(&geometry, zone, value_of(word)).map_err(DeviceError::Word)?;
        }
        let device = Device {
            geometry,
            identity,
            table,
            state: UnitState::new(),
            control: Control::default(),
        };
        device.unit().zones.power_on();
        Ok(device)
    }

    /// What the medium looks like.
    pub fn geometry(&self) -> &Geometry {
        &self.geometry
    }

    /// How the device names itself.
    pub fn identity(&self) -> &Identity {
        &self.identity
    }

    /// The zone words.
    pub fn table(&self) -> &Z {
        &self.table
    }

    /// All zones, each as it is when the iterator comes to it.
    pub fn zones(&self) -> impl Iterator<Item = Zone> + '_ {
        let zones = self.unit().zones;
        (0..self.geometry.zones()).map(move |zone| describe(zones.geometry, zone, zones.word(zone)))
    }

    /// The zone of `lba`, with its number, as it is now; `None` past the end of the disk.
    pub fn zone_of(&self, lba: u64) -> Option<(u32, Zone)> {
        let zones = self.unit().zones;
        (lba < self.geometry.blocks).then(|| {
            let number = self.geometry.zone_of(lba);
            (number, describe(zones.geometry, number, zones.word(number)))
        })
    }

    /// Starts a command: `out` is its data-out buffer, `in_len` the length of its data-in buffer in bytes.
    ///
    /// Waits while another command's I/O holds a zone that this one changes. So a thread must finish
    /// or drop one [`Plan`] before it begins the next command.
    pub fn begin(&self, cdb: &[u8], out: &dyn DataOut, in_len: u64) -> Step<Plan<'_, Z>> {
        match commands::run(&self.unit(), Request { cdb, out, in_len }) {
            Ok(Reply::Data(mut data)) => {
                data.truncate(usize::try_from(in_len).unwrap_or(usize::MAX));
                Step::Done {
                    data,
                    completion: good(),
                }
            }
            Ok(Reply::Io(op, hold)) => Step::Io(Plan {
                device: self,
                op,
                hold,
            }),
            Ok(Reply::Overrun { needed }) => Step::Overrun { needed },
            Err(sense) => Step::Done {
                data: Vec::new(),
                completion: self.failed(sense),
            },
        }
    }

    /// LOGICAL UNIT RESET, or target reset: a unit attention is pending, mode pages are back to their
    /// defaults, the unit is started. Zones stay as they are. I/O in flight is the transport's business.
    pub fn reset(&self) {
        self.state.reset();
    }

    /// Zone `number`, one of the disk's, as it is now.
    pub fn zone(&self, number: u32) -> Zone {
        describe(&self.geometry, number, self.unit().zones.word(number))
    }

    /// Brings a zone into condition READ ONLY, from which it goes nowhere but OFFLINE (ZBC-2, 4.4), and
    /// waits for I/O in flight that changes it.
    pub fn make_read_only(&self, zone: u32) {
        self.unit().zones.degrade(zone, Condition::ReadOnly);
    }

    /// Brings a zone into condition OFFLINE, for good (ZBC-2, 4.4); waits as [`Self::make_read_only`] does.
    pub fn take_offline(&self, zone: u32) {
        self.unit().zones.degrade(zone, Condition::Offline);
    }

    /// Recommends to reset the write pointer of a sequential zone: its RESET bit in REPORT ZONES (ZBC-2, 5.10) is
    /// set until its write pointer is reset, or power is lost.
    pub fn recommend_reset(&self, zone: u32) {
        self.control.recommended.add(zone);
    }

    /// CHECK CONDITION as this device would say it, in the sense data format that D_SENSE selects: sense key,
    /// additional sense code and qualifier (`code`, in this order), and an LBA for the INFORMATION field.
    pub fn check_condition(&self, key: u8, code: u16, lba: Option<u64>) -> Completion {
        let sense = Sense::new(key, code);
        self.failed(lba.map_or(sense, |lba| sense.at(lba)))
    }

    /// Power off and on. `change` says what becomes of each zone: given its number and its word, in which it is
    /// not open, it returns one that [`check_word`] accepts. Waits until no zone has I/O in flight.
    pub fn power_cycle(&self, change: impl Fn(u32, u64) -> u64) {
        self.unit().zones.power_cycle(change);
        self.control.recommended.clear();
        self.state.power_on();
    }

    /// How a command ends that was carried out and could not be made stable.
    pub fn not_stable(&self) -> Completion {
        self.failed(Sense::WRITE_ERROR)
    }

    fn unit(&self) -> Unit<'_> {
        Unit {
            geometry: &self.geometry,
            identity: &self.identity,
            state: &self.state,
            zones: Zones {
                geometry: &self.geometry,
                words: self.table.words(),
                table: &self.table,
                control: &self.control,
            },
        }
    }

    fn failed(&self, sense: Sense) -> Completion {
        sense.completion(self.state.has_descriptor_sense())
    }
}

/// A command that needs I/O, and what it holds of the device meanwhile.
///
/// Dropped unfinished, it lets go as if the I/O had failed.
pub struct Plan<'a, Z: ZoneTable> {
    device: &'a Device<Z>,
    op: Op,
    hold: Hold,
}

impl<Z: ZoneTable> Plan<'_, Z> {
    /// The I/O to carry out.
    pub fn op(&self) -> &Op {
        &self.op
    }

    /// Ends the command with the result of its I/O.
    ///
    /// A write moves the write pointer now, and only if it succeeded. Space that could not be given back
    /// after a reset is no error: the zone is empty, and reads of it never touch the medium.
    pub fn finish(mut self, result: Result<(), Fault>) -> Completion {
        let space_stays = matches!(
            (&result, &self.op),
            (
                Err(Fault::Read { .. } | Fault::Write { .. }),
                Op::Discard { .. }
            )
        );
        let result = if space_stays { Ok(()) } else { result };
        self.release(result.is_ok());
        match result {
            Ok(()) => good(),
            Err(fault) => self.device.failed(self.sense(fault)),
        }
    }

    fn sense(&self, fault: Fault) -> Sense {
        let lba = |offset| offset / u64::from(self.device.geometry.block_size);
        match fault {
            Fault::Read { offset } => Sense::READ_ERROR.at(lba(offset)),
            Fault::Write { offset } => Sense::WRITE_ERROR.at(lba(offset)),
            Fault::Miscompare { offset } => Sense::MISCOMPARE.at(lba(offset)),
            Fault::Flush => Sense::WRITE_ERROR,
        }
    }

    fn release(&mut self, moved: bool) {
        let hold = std::mem::replace(&mut self.hold, Hold::Nothing);
        self.device.unit().zones.release(&hold, moved);
    }
}

impl<Z: ZoneTable> Drop for Plan<'_, Z> {
    fn drop(&mut self) {
        self.release(false);
    }
}
