//! The table of registrants, with the one reservation that there may be.

use std::collections::BTreeMap;

/// What an initiator registers with. Never 0, which stands for none.
pub type Key = u64;

/// The most initiators that can be registered, which are those with the numbers below: all fit into what is kept.
pub const MOST_REGISTRANTS: usize = 64;

/// What a reservation is for, and who has it (SPC-5, 5.13.1 and 5.13.10).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// The holder alone writes.
    WriteExclusive,
    /// The holder alone reads and writes.
    ExclusiveAccess,
    /// Who is registered writes; who reserved is the holder.
    WriteExclusiveRegistrants,
    /// Who is registered reads and writes; who reserved is the holder.
    ExclusiveAccessRegistrants,
    /// Who is registered writes, and is a holder.
    WriteExclusiveAll,
    /// Who is registered reads and writes, and is a holder.
    ExclusiveAccessAll,
}

use Kind::{
    ExclusiveAccess, ExclusiveAccessAll, ExclusiveAccessRegistrants, WriteExclusive,
    WriteExclusiveAll, WriteExclusiveRegistrants,
};

impl Kind {
    pub const ALL: [Kind; 6] = [
        WriteExclusive,
        ExclusiveAccess,
        WriteExclusiveRegistrants,
        ExclusiveAccessRegistrants,
        WriteExclusiveAll,
        ExclusiveAccessAll,
    ];

    /// Whether all registrants hold it.
    pub fn is_of_all(self) -> bool {
        matches!(self, WriteExclusiveAll | ExclusiveAccessAll)
    }

    /// Whether to be registered is enough.
    fn admits_registrants(self) -> bool {
        !matches!(self, WriteExclusive | ExclusiveAccess)
    }

    fn admits_readers(self) -> bool {
        matches!(
            self,
            WriteExclusive | WriteExclusiveRegistrants | WriteExclusiveAll
        )
    }
}

/// A reservation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reservation {
    pub kind: Kind,
    /// Who reserved; `None`: all registrants hold it.
    pub holder: Option<u8>,
}

/// What a command does with the medium.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    Read,
    Write,
}

/// Why nothing was done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refused {
    /// The initiator, or its key, or somebody's reservation is in the way.
    Conflict,
    /// An initiator with such a number cannot be registered.
    Full,
    /// What is to be released is held, but is of another kind.
    OtherKind,
    /// A key that stands for nobody here.
    NoKey,
    /// No kind was given for what would have been reserved.
    NoKind,
}

/// What an initiator has to know.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum News {
    /// Another one removed its registration.
    RegistrationsPreempted,
    /// Another one removed all registrations and reservations.
    ReservationsPreempted,
    /// What was reserved is so no more, or in another way.
    ReservationsReleased,
}

/// News, and the initiator that is to be told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Notice {
    pub to: u8,
    pub news: News,
}

/// Who is to be told what, or why nothing was done.
pub type Done = Result<Vec<Notice>, Refused>;

/// Registrants, each an initiator by its number with its key, and what is reserved.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Table {
    pub(crate) keys: BTreeMap<u8, Key>,
    pub(crate) reservation: Option<Reservation>,
    pub(crate) persists: bool,
    pub(crate) generation: u32,
}

impl Table {
    /// The registrants, by number.
    pub fn registrants(&self) -> impl Iterator<Item = (u8, Key)> + '_ {
        self.keys.iter().map(|(&initiator, &key)| (initiator, key))
    }

    pub fn reservation(&self) -> Option<Reservation> {
        self.reservation
    }

    /// The key of who holds the reservation; 0 where all registrants do.
    pub fn holders_key(&self) -> Option<Key> {
        let holder = self.reservation?.holder;
        Some(holder.map_or(0, |holder| self.keys[&holder]))
    }

    /// How often registrations changed since power on.
    pub fn generation(&self) -> u32 {
        self.generation
    }

    /// Whether it is kept over power cycles.
    pub fn persists(&self) -> bool {
        self.persists
    }

    /// From now on it is kept over power cycles, or not any more.
    pub fn set_persistence(&mut self, persists: bool) {
        self.persists = persists;
    }

    pub fn key(&self, initiator: u8) -> Option<Key> {
        self.keys.get(&initiator).copied()
    }

    pub fn is_holder(&self, initiator: u8) -> bool {
        self.reservation.is_some_and(|held| match held.holder {
            Some(holder) => holder == initiator,
            None => self.keys.contains_key(&initiator),
        })
    }

    /// Whether a command of this initiator is in conflict with what is reserved (SPC-5, table 65, and SBC-4, table 13: an
    /// allowed read is one that "write exclusive" allows).
    pub fn conflicts(&self, initiator: u8, access: Access) -> bool {
        let Some(Reservation { kind, .. }) = self.reservation else {
            return false;
        };
        let is_admitted = kind.admits_registrants() && self.keys.contains_key(&initiator);
        let is_reader = access == Access::Read && kind.admits_readers();
        !(is_admitted || is_reader || self.is_holder(initiator))
    }

    /// Registers with `new`, changes the key to it, or unregisters where it is 0. `current` is the key so far, 0 for none.
    /// `persists`: whether the table is from now on kept over power cycles.
    pub fn register(&mut self, initiator: u8, current: Key, new: Key, persists: bool) -> Done {
        if self.keys.get(&initiator).copied().unwrap_or(0) != current {
            return Err(Refused::Conflict);
        }
        self.register_anyway(initiator, new, persists)
    }

    /// The same, whatever the key was so far.
    pub fn register_anyway(&mut self, initiator: u8, new: Key, persists: bool) -> Done {
        let is_registered = self.keys.contains_key(&initiator);
        if usize::from(initiator) >= MOST_REGISTRANTS {
            return Err(Refused::Full);
        }
        self.persists = persists;
        if new == 0 && !is_registered {
            return Ok(Vec::new());
        }
        self.changed();
        if new == 0 {
            return Ok(self.unregister(initiator));
        }
        self.keys.insert(initiator, new);
        Ok(Vec::new())
    }

    /// Reserves; once more is no error.
    pub fn reserve(&mut self, initiator: u8, key: Key, kind: Kind) -> Done {
        self.authenticate(initiator, key)?;
        match self.reservation {
            Some(held) if held.kind != kind || !self.is_holder(initiator) => Err(Refused::Conflict),
            Some(_) => Ok(Vec::new()),
            None => {
                self.establish(initiator, kind);
                Ok(Vec::new())
            }
        }
    }

    /// Releases what the initiator holds; nothing, if it holds nothing.
    pub fn release(&mut self, initiator: u8, key: Key, kind: Kind) -> Done {
        self.authenticate(initiator, key)?;
        if !self.is_holder(initiator) {
            return Ok(Vec::new());
        }
        match self.reservation {
            Some(held) if held.kind != kind => Err(Refused::OtherKind),
            _ => Ok(self.released(initiator)),
        }
    }

    /// Nobody has registered or reserved any more.
    pub fn clear(&mut self, initiator: u8, key: Key) -> Done {
        self.authenticate(initiator, key)?;
        self.changed();
        let told = self.others(initiator, News::ReservationsPreempted);
        self.reservation = None;
        self.keys.clear();
        Ok(told)
    }

    /// Removes the registrations with the key `victim`; a reservation of theirs becomes the initiator's, of this kind. 0
    /// stands for all who hold a reservation of all registrants (SPC-5, 5.13.11.2.4).
    pub fn preempt(&mut self, initiator: u8, key: Key, victim: Key, kind: Option<Kind>) -> Done {
        self.authenticate(initiator, key)?;
        let takes_over = self.holders_key() == Some(victim);
        if !takes_over && victim == 0 && self.reservation.is_some() {
            return Err(Refused::NoKey);
        }
        if !takes_over && !self.keys.values().any(|&key| key == victim) {
            return Err(Refused::Conflict);
        }
        let new = match kind {
            Some(kind) if takes_over => Some(kind),
            None if takes_over => return Err(Refused::NoKind),
            _ => None,
        };
        self.changed();
        let is_victim = |key: Key| victim == 0 || key == victim;
        let mut told = Vec::new();
        let removed: Vec<u8> = self
            .registrants()
            .filter(|&(other, key)| is_victim(key) && !(takes_over && other == initiator))
            .map(|(other, _)| other)
            .collect();
        for &other in &removed {
            self.keys.remove(&other);
            if other != initiator {
                let news = News::RegistrationsPreempted;
                told.push(Notice { to: other, news });
            }
        }
        if let Some(kind) = new {
            if self.reservation.is_some_and(|held| held.kind != kind) {
                told.extend(self.others(initiator, News::ReservationsReleased));
            }
            self.establish(initiator, kind);
        } else if self.keys.is_empty() {
            self.reservation = None;
        }
        Ok(told)
    }

    fn authenticate(&self, initiator: u8, key: Key) -> Result<(), Refused> {
        match self.keys.get(&initiator) {
            Some(&own) if own == key => Ok(()),
            _ => Err(Refused::Conflict),
        }
    }

    fn establish(&mut self, initiator: u8, kind: Kind) {
        let holder = (!kind.is_of_all()).then_some(initiator);
        self.reservation = Some(Reservation { kind, holder });
    }

    fn unregister(&mut self, initiator: u8) -> Vec<Notice> {
        let was_holder = self.is_holder(initiator);
        self.keys.remove(&initiator);
        match self.reservation {
            Some(held) if was_holder && (held.holder.is_some() || self.keys.is_empty()) => {
                self.released(initiator)
            }
            _ => Vec::new(),
        }
    }

    /// Releases the reservation. Who is told: those whom it admitted as registrants.
    fn released(&mut self, by: u8) -> Vec<Notice> {
        match self.reservation.take() {
            Some(held) if held.kind.admits_registrants() => {
                self.others(by, News::ReservationsReleased)
            }
            _ => Vec::new(),
        }
    }

    /// News for all registrants but one.
    fn others(&self, but: u8, news: News) -> Vec<Notice> {
        let others = self.keys.keys().filter(|&&other| other != but);
        others.map(|&to| Notice { to, news }).collect()
    }

    fn changed(&mut self) {
        self.generation = self.generation.wrapping_add(1);
    }
}
