//! Reservation Register, Report, Acquire and Release (NVMe 1.4, 6.10 to 6.13).
//!
//! The table of reservations decides. Commands that a preempt and abort finds begun are too late to be aborted, and
//! complete.

use reservations::{Done, Key, Kind, Reservation, Table};

use crate::answer::{Answer, Context, Reply};
use crate::host::HostIdentifier;
use crate::report::dwords;
use crate::Status;

/// RTYPE counts from 1.
fn kind(context: &Context<'_>) -> Option<Kind> {
    let number = context.entry.bits(10, 15, 8) as usize;
    Kind::ALL.get(number.checked_sub(1)?).copied()
}

fn type_of(held: Reservation) -> u8 {
    let earlier = Kind::ALL.iter().take_while(|&&kind| kind != held.kind);
    1 + earlier.count() as u8
}

/// The keys that came with the command.
fn keys<const COUNT: usize>(context: &Context<'_>) -> Result<[Key; COUNT], Status> {
    let mut bytes = vec![0; COUNT * 8];
    if context.out.copy(&mut bytes) < bytes.len() {
        return Err(Status::DATA_TRANSFER_ERROR);
    }
    let key = |at: usize| u64::from_le_bytes(std::array::from_fn(|byte| bytes[8 * at + byte]));
    Ok(std::array::from_fn(key))
}

/// The current key does not matter (IEKEY).
fn ignores_key(context: &Context<'_>) -> bool {
    context.entry.bits(10, 3, 3) == 1
}

fn change(context: &Context<'_>, how: impl FnOnce(&mut Table) -> Done) -> Answer {
    context.reserved.change(how)?;
    Ok(Reply::Reservations)
}

/// Reservation Register.
pub(crate) fn register(context: &Context<'_>) -> Answer {
    const REGISTER: u32 = 0b000;
    const UNREGISTER: u32 = 0b001;
    const REPLACE: u32 = 0b010;
    let persists = match context.entry.bits(10, 31, 30) {
        0b00 => None,
        0b10 => Some(false),
        0b11 => Some(true),
        _ => return Err(Status::INVALID_FIELD),
    };
    let action = context.entry.bits(10, 2, 0);
    let [current, new] = keys(context)?;
    // No key is 0: the table takes that for an unregistration.
    if action > REPLACE || (action != UNREGISTER && new == 0) {
        return Err(Status::INVALID_FIELD);
    }
    let (initiator, ignores_key) = (context.initiator, ignores_key(context));
    change(context, |table| {
        let persists = persists.unwrap_or(table.persists());
        let registered = table.key(initiator);
        match action {
            REGISTER => {
                let same = registered.filter(|&key| key == new);
                table.register(initiator, same.unwrap_or(0), new, persists)
            }
            REPLACE if ignores_key => table.register_anyway(initiator, new, persists),
            _ => {
                let new = if action == REPLACE { new } else { 0 };
                // Who has not registered has no key that would be right.
                let current = match registered {
                    Some(key) if ignores_key => key,
                    Some(_) => current,
                    None => return Err(reservations::Refused::Conflict),
                };
                table.register(initiator, current, new, persists)
            }
        }
    })
}

/// Reservation Acquire. The type counts for a preemption only where a reservation is taken over.
pub(crate) fn acquire(context: &Context<'_>) -> Answer {
    const ACQUIRE: u32 = 0b000;
    const PREEMPT_AND_ABORT: u32 = 0b010;
    let action = context.entry.bits(10, 2, 0);
    if action > PREEMPT_AND_ABORT || ignores_key(context) {
        return Err(Status::INVALID_FIELD);
    }
    let (initiator, kind) = (context.initiator, kind(context));
    let [current, victim] = keys(context)?;
    if action != ACQUIRE {
        return change(context, |table| {
            table.preempt(initiator, current, victim, kind)
        });
    }
    let kind = kind.ok_or(Status::INVALID_FIELD)?;
    change(context, |table| table.reserve(initiator, current, kind))
}

/// Reservation Release.
pub(crate) fn release(context: &Context<'_>) -> Answer {
    const RELEASE: u32 = 0b000;
    const CLEAR: u32 = 0b001;
    let action = context.entry.bits(10, 2, 0);
    if action > CLEAR || ignores_key(context) {
        return Err(Status::INVALID_FIELD);
    }
    let [current] = keys(context)?;
    let initiator = context.initiator;
    if action != RELEASE {
        return change(context, |table| table.clear(initiator, current));
    }
    let kind = kind(context).ok_or(Status::INVALID_FIELD)?;
    change(context, |table| table.release(initiator, current, kind))
}

/// Reservation Report: a header, and a registered controller data structure for each registrant.
pub(crate) fn report(context: &Context<'_>) -> Answer {
    const HOLDER: u8 = 1;
    let is_extended = context.entry.bits(11, 0, 0) == 1;
    let unit = if is_extended { 64 } else { 24 };
    let mut data = context.reserved.look(|table, hosts| {
        let host_of = |initiator| hosts.get(&initiator).copied().unwrap_or_default();
        host_of(context.initiator).fits(is_extended)?;
        let mut data = vec![0; unit];
        data[..4].copy_from_slice(&table.generation().to_le_bytes());
        data[4] = table.reservation().map_or(0, type_of);
        let registrants = table.registrants().count() as u16;
        data[5..7].copy_from_slice(&registrants.to_le_bytes());
        data[9] = table.persists().into();
        for (initiator, key) in table.registrants() {
            let host = host_of(initiator).bytes;
            let mut controller = vec![0; unit];
            controller[..2].copy_from_slice(&u16::from(initiator).to_le_bytes());
            controller[2] = if table.is_holder(initiator) {
                HOLDER
            } else {
                0
            };
            let (key_at, host_at) = if is_extended { (8, 16) } else { (16, 8) };
            let len = HostIdentifier::len(is_extended);
            controller[key_at..key_at + 8].copy_from_slice(&key.to_le_bytes());
            controller[host_at..host_at + len].copy_from_slice(&host[..len]);
            data.extend(controller);
        }
        Ok(data)
    })?;
    data.truncate(dwords(context.entry, 10) as usize);
    Ok(Reply::Data(data))
}
