//! PERSISTENT RESERVE IN and PERSISTENT RESERVE OUT (SPC-5, 6.15 and 6.16).
//!
//! The table of reservations decides; here its words become those of SCSI. Commands that a PREEMPT AND ABORT finds begun
//! are too late to be aborted, and complete.

use reservations::{Done, Kind, News, Notice, Refused, Reservation, Table};

use crate::answer::{Answer, Context, Reply};
use crate::sense::Sense;

/// TYPE (SPC-5, 6.15.3.4). SCOPE is 0: the logical unit.
const TYPES: [(u8, Kind); 6] = [
    (0x1, Kind::WriteExclusive),
    (0x3, Kind::ExclusiveAccess),
    (0x5, Kind::WriteExclusiveRegistrants),
    (0x6, Kind::ExclusiveAccessRegistrants),
    (0x7, Kind::WriteExclusiveAll),
    (0x8, Kind::ExclusiveAccessAll),
];

/// READ KEYS.
pub(crate) fn read_keys(context: &Context<'_>) -> Answer {
    read(context, |table| {
        let keys = table.registrants().map(|(_, key)| key.to_be_bytes());
        keys.collect::<Vec<_>>().concat()
    })
}

/// READ RESERVATION.
pub(crate) fn read_reservation(context: &Context<'_>) -> Answer {
    read(context, |table| {
        let Some((held, key)) = table.reservation().zip(table.holders_key()) else {
            return Vec::new();
        };
        let mut data = key.to_be_bytes().to_vec();
        data.extend([0, 0, 0, 0, 0, type_of(held), 0, 0]);
        data
    })
}

/// READ FULL STATUS: a descriptor a registrant.
pub(crate) fn read_full_status(context: &Context<'_>) -> Answer {
    const R_HOLDER: u8 = 0x01;
    /// Of the only target port.
    const RELATIVE_PORT: u16 = 1;
    read(context, |table| {
        let mut data = Vec::new();
        for (initiator, key) in table.registrants() {
            let held = table.reservation().filter(|_| table.is_holder(initiator));
            let id = transport_id(initiator);
            data.extend(key.to_be_bytes());
            data.extend([0; 4]);
            data.push(if held.is_some() { R_HOLDER } else { 0 });
            data.push(held.map_or(0, type_of));
            data.extend([0; 4]);
            data.extend(RELATIVE_PORT.to_be_bytes());
            data.extend((id.len() as u32).to_be_bytes());
            data.extend(id);
        }
        data
    })
}

/// REPORT CAPABILITIES (SPC-5, 6.15.4): no compatible reservation handling, no other initiator or target ports.
pub(crate) fn report_capabilities(context: &Context<'_>) -> Answer {
    const PTPL_C: u8 = 0x01;
    const TMV: u8 = 0x80;
    /// TEST UNIT READY is always allowed, and with write exclusive types all that tells of the device.
    const ALLOW_COMMANDS: u8 = 0b011 << 4;
    const ALL_TYPES: [u8; 2] = [0xEA, 0x01];
    look(context, |table| {
        let flags = TMV | ALLOW_COMMANDS | u8::from(table.persists());
        let mut data = vec![0, 8, PTPL_C, flags];
        data.extend(ALL_TYPES);
        data.extend([0; 2]);
        data
    })
}

/// PRGENERATION, ADDITIONAL LENGTH, and what the service action has behind them.
fn read(context: &Context<'_>, body: impl FnOnce(&Table) -> Vec<u8>) -> Answer {
    look(context, |table| {
        let body = body(table);
        let mut data = table.generation().to_be_bytes().to_vec();
        data.extend((body.len() as u32).to_be_bytes());
        data.extend(body);
        data
    })
}

/// Data of the table. While somebody has the unit by RESERVE, nobody gets any (SPC-2, 5.5.1).
fn look(context: &Context<'_>, data: impl FnOnce(&Table) -> Vec<u8>) -> Answer {
    context.state.reserved.with(|state| match state.unit {
        Some(_) => Ok(Reply::Conflict),
        None => Reply::cut(data(&state.table), context.cdb.be16(7)),
    })
}

fn type_of(held: Reservation) -> u8 {
    let found = TYPES.iter().find(|(_, kind)| *kind == held.kind);
    found.map_or(0, |(code, _)| *code)
}

/// A TransportID as of SAS (SPC-5, 7.6.4.7): the initiator's number in a locally assigned NAA (3h).
fn transport_id(initiator: u8) -> [u8; 24] {
    const SAS: u8 = 0x06;
    let mut id = [0; 24];
    id[0] = SAS;
    id[4] = 0x30;
    id[11] = initiator;
    id
}

/// The parameter list of PERSISTENT RESERVE OUT (SPC-5, 6.16.3).
struct List {
    key: u64,
    /// SERVICE ACTION RESERVATION KEY.
    action_key: u64,
    flags: u8,
}

const LIST_LEN: usize = 24;
const FLAGS_AT: usize = 20;

impl List {
    fn parse(bytes: &[u8]) -> List {
        let number = |at| {
            bytes[at..at + 8]
                .iter()
                .fold(0, |n, &byte| n << 8 | u64::from(byte))
        };
        List {
            key: number(0),
            action_key: number(8),
            flags: bytes[FLAGS_AT],
        }
    }

    /// APTPL, of a registration for this target port alone.
    fn persists(&self) -> Result<bool, Sense> {
        const ALL_TG_PT: u8 = 0x04;
        const APTPL: u8 = 0x01;
        match self.flags & ALL_TG_PT {
            0 => Ok(self.flags & APTPL != 0),
            _ => Err(Sense::parameter_field(FLAGS_AT as u16)),
        }
    }
}

/// REGISTER.
pub(crate) fn register(context: &Context<'_>) -> Answer {
    out(context, |table, list| {
        let persists = list.persists()?;
        Ok(table.register(context.initiator, list.key, list.action_key, persists))
    })
}

/// REGISTER AND IGNORE EXISTING KEY.
pub(crate) fn register_and_ignore(context: &Context<'_>) -> Answer {
    out(context, |table, list| {
        let persists = list.persists()?;
        Ok(table.register_anyway(context.initiator, list.action_key, persists))
    })
}

/// RESERVE.
pub(crate) fn reserve(context: &Context<'_>) -> Answer {
    let kind = kind(context).ok_or(SCOPE_OR_TYPE)?;
    out(context, |table, list| {
        Ok(table.reserve(context.initiator, list.key, kind))
    })
}

/// RELEASE.
pub(crate) fn release(context: &Context<'_>) -> Answer {
    let kind = kind(context).ok_or(SCOPE_OR_TYPE)?;
    out(context, |table, list| {
        Ok(table.release(context.initiator, list.key, kind))
    })
}

/// CLEAR.
pub(crate) fn clear(context: &Context<'_>) -> Answer {
    out(context, |table, list| {
        Ok(table.clear(context.initiator, list.key))
    })
}

/// PREEMPT, and PREEMPT AND ABORT. SCOPE and TYPE count only where a reservation is taken over.
pub(crate) fn preempt(context: &Context<'_>) -> Answer {
    let kind = kind(context);
    out(context, |table, list| {
        Ok(table.preempt(context.initiator, list.key, list.action_key, kind))
    })
}

const SCOPE_OR_TYPE: Sense = Sense::cdb_field(2);

/// What TYPE says, where SCOPE is the logical unit.
fn kind(context: &Context<'_>) -> Option<Kind> {
    let found = TYPES.iter().find(|(code, _)| *code == context.cdb.byte(2));
    found.map(|(_, kind)| *kind)
}

/// Changes the table as the service action wants, tells who has to know, and has the disk keep what persists.
fn out(
    context: &Context<'_>,
    change: impl FnOnce(&mut Table, &List) -> Result<Done, Sense>,
) -> Answer {
    const SPEC_I_PT: u8 = 0x08;
    let len = context.cdb.be32(5) as usize;
    if len < LIST_LEN {
        return Err(Sense::PARAMETER_LIST_LENGTH);
    }
    let list = match context.parameters(LIST_LEN) {
        Ok(list) => List::parse(&list),
        Err(overrun) => return Ok(overrun),
    };
    if list.flags & SPEC_I_PT != 0 {
        return Err(Sense::parameter_field(FLAGS_AT as u16));
    }
    if len > LIST_LEN {
        return Err(Sense::PARAMETER_LIST_LENGTH);
    }
    let done = context.state.reserved.with(|state| {
        if state.unit.is_some() {
            return Ok(Err(Refused::Conflict));
        }
        change(&mut state.table, &list)
    })?;
    match done {
        Ok(told) => {
            for Notice { to, news } in told {
                context.state.attentions.tell(to, attention(news));
            }
            Ok(Reply::Reservations)
        }
        Err(Refused::Conflict) => Ok(Reply::Conflict),
        Err(Refused::Full) => Err(Sense::INSUFFICIENT_REGISTRATION_RESOURCES),
        Err(Refused::OtherKind) => Err(Sense::INVALID_RELEASE),
        Err(Refused::NoKey) => Err(Sense::parameter_field(8)),
        Err(Refused::NoKind) => Err(SCOPE_OR_TYPE),
    }
}

fn attention(news: News) -> Sense {
    match news {
        News::ReservationsPreempted => Sense::RESERVATIONS_PREEMPTED,
        News::ReservationsReleased => Sense::RESERVATIONS_RELEASED,
        News::RegistrationsPreempted => Sense::REGISTRATIONS_PREEMPTED,
    }
}
