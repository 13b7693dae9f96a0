//! Features (NVMe 1.4, 5.14 and 5.21; ZNS 1.1, 4.1.3): what a host sets and gets. None is kept over power cycles.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::controller::Limits;
use crate::submission::Submission;
use crate::Status;

/// Feature identifiers.
const ARBITRATION: u8 = 0x01;
const POWER_MANAGEMENT: u8 = 0x02;
const TEMPERATURE_THRESHOLD: u8 = 0x04;
const ERROR_RECOVERY: u8 = 0x05;
pub(crate) const VOLATILE_WRITE_CACHE: u8 = 0x06;
const NUMBER_OF_QUEUES: u8 = 0x07;
const INTERRUPT_COALESCING: u8 = 0x08;
const INTERRUPT_VECTOR: u8 = 0x09;
const WRITE_ATOMICITY: u8 = 0x0A;
const EVENTS: u8 = 0x0B;
const COMMAND_SETS: u8 = 0x19;

/// What may be done with a feature (SEL 011b).
pub(crate) const CHANGEABLE: u32 = 1 << 2;
pub(crate) const OF_NAMESPACE: u32 = 1 << 1;

/// The features of a controller: values by identifier, and by what of it they are for (a sensor, a vector, a namespace).
pub(crate) struct Features {
    limits: Limits,
    values: Mutex<BTreeMap<(u8, u32), u32>>,
    /// Which events are wanted, also in `values`.
    events: AtomicU32,
    /// How interrupts are put together, also in `values`.
    coalescing: AtomicU32,
}

/// A feature as a command names it.
#[derive(Clone, Copy)]
struct Named {
    id: u8,
    /// What of it.
    part: u32,
}

impl Features {
    pub fn new(limits: Limits) -> Features {
        Features {
            limits,
            values: Mutex::default(),
            events: AtomicU32::new(0),
            coalescing: AtomicU32::new(0),
        }
    }

    /// All have their default values again.
    pub fn reset(&self) {
        self.values().clear();
        self.events.store(0, Ordering::Relaxed);
        self.coalescing.store(0, Ordering::Relaxed);
    }

    /// Whether the host wants to be told of events of this bit.
    pub fn wants(&self, bit: u32) -> bool {
        self.events.load(Ordering::Relaxed) & bit != 0
    }

    pub fn has_write_cache(&self) -> bool {
        let named = Named {
            id: VOLATILE_WRITE_CACHE,
            part: 0,
        };
        self.current(named) & 1 == 1
    }

    /// How many completions are put together before an interrupt, counted from zero, and for how many 100 us at most.
    pub fn coalescing(&self) -> (u8, u8) {
        let [most, time, ..] = self.coalescing.load(Ordering::Relaxed).to_le_bytes();
        (most, time)
    }

    /// Whether interrupts of this vector are put together.
    pub fn coalesces(&self, vector: u16) -> bool {
        const DISABLED: u32 = 1 << 16;
        let named = Named {
            id: INTERRUPT_VECTOR,
            part: vector.into(),
        };
        self.current(named) & DISABLED == 0
    }

    /// Get Features: the value, as SELECT says.
    pub fn get(&self, entry: Submission<'_>) -> Result<u32, Status> {
        let named = self.named(entry, entry.dword(11))?;
        match entry.bits(10, 10, 8) {
            0b000 => Ok(self.current(named)),
            // Saved values are default ones where nothing is saved.
            0b001 | 0b010 => Ok(self.default_of(named)),
            0b011 => Ok(capabilities(named.id)),
            _ => Err(Status::INVALID_FIELD),
        }
    }

    /// Set Features; what the command tells.
    pub fn set(&self, entry: Submission<'_>) -> Result<u32, Status> {
        const SAVE: u32 = 1;
        let value = entry.dword(11);
        let named = self.named(entry, value)?;
        if entry.bits(10, 31, 31) == SAVE {
            return Err(Status::FEATURE_NOT_SAVEABLE);
        }
        if capabilities(named.id) & CHANGEABLE == 0 {
            return Err(Status::FEATURE_NOT_CHANGEABLE);
        }
        let value = match named.id {
            POWER_MANAGEMENT if value & 0x1F != 0 => return Err(Status::INVALID_FIELD),
            NUMBER_OF_QUEUES => {
                let [submission, completion] = [value & 0xFFFF, value >> 16];
                if submission == 0xFFFF || completion == 0xFFFF {
                    return Err(Status::INVALID_FIELD);
                }
                self.default_of(named)
            }
            COMMAND_SETS if value & 0x1FF != 0 => return Err(Status::COMMAND_SETS_REJECTED),
            _ => value,
        };
        self.values().insert((named.id, named.part), value);
        match named.id {
            EVENTS => self.events.store(value, Ordering::Relaxed),
            INTERRUPT_COALESCING => self.coalescing.store(value, Ordering::Relaxed),
            _ => {}
        }
        match named.id {
            NUMBER_OF_QUEUES => Ok(value),
            _ => Ok(0),
        }
    }

    /// The feature that a command names, in whose dword 11 `value` is.
    fn named(&self, entry: Submission<'_>, value: u32) -> Result<Named, Status> {
        let id = entry.bits(10, 7, 0) as u8;
        let part = match id {
            ARBITRATION | POWER_MANAGEMENT | VOLATILE_WRITE_CACHE | NUMBER_OF_QUEUES
            | INTERRUPT_COALESCING | WRITE_ATOMICITY | EVENTS | COMMAND_SETS => 0,
            // The composite temperature is the only one; over and under.
            TEMPERATURE_THRESHOLD => match (value >> 16 & 0xF, value >> 20 & 0b11) {
                (0 | 0xF, threshold @ (0 | 1)) => threshold,
                _ => return Err(Status::INVALID_FIELD),
            },
            ERROR_RECOVERY => entry.namespace(),
            INTERRUPT_VECTOR => match value & 0xFFFF {
                vector if vector < self.limits.vectors.into() => vector,
                _ => return Err(Status::INVALID_FIELD),
            },
            _ => return Err(Status::INVALID_FIELD),
        };
        Ok(Named { id, part })
    }

    fn current(&self, named: Named) -> u32 {
        let values = self.values();
        let set = values.get(&(named.id, named.part)).copied();
        set.unwrap_or_else(|| self.default_of(named))
    }

    fn default_of(&self, named: Named) -> u32 {
        const HOTTEST: u32 = 343;
        match (named.id, named.part) {
            (TEMPERATURE_THRESHOLD, 0) => HOTTEST,
            (VOLATILE_WRITE_CACHE, _) => 1,
            (NUMBER_OF_QUEUES, _) => {
                let most = u32::from(self.limits.queues) - 1;
                most << 16 | most
            }
            (INTERRUPT_VECTOR, vector) => vector,
            _ => 0,
        }
    }

    fn values(&self) -> MutexGuard<'_, BTreeMap<(u8, u32), u32>> {
        self.values.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn capabilities(id: u8) -> u32 {
    match id {
        ERROR_RECOVERY => CHANGEABLE | OF_NAMESPACE,
        _ => CHANGEABLE,
    }
}
