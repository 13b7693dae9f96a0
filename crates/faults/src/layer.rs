//! The logical unit with faults: rules around a disk, each of which may act before the disk does.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, PoisonError, RwLock};

use image::{Disk, Outcome};
use vhost_user_scsi::{Lun, Pause};
use vm_memory::VolatileSlice;

use crate::command::Command;
use crate::kinds::Fault;
use crate::rule::Active;
use crate::{Rule, RuleError};

/// What a command gets before which a zone failed, where that could not be made stable.
const MEDIUM_ERROR: u8 = 0x3;
const WRITE_ERROR: u16 = 0x0c00;

/// A disk, and the rules by which it fails.
pub struct Faulty {
    disk: Arc<Disk>,
    /// Whether there are rules: all that a command on a disk without them looks at.
    any: AtomicBool,
    rules: RwLock<Arc<[Numbered]>>,
    next: AtomicU64,
}

#[derive(Clone)]
struct Numbered {
    number: u64,
    rule: Arc<Active>,
}

/// A rule that is in force, and what it has done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listed {
    /// What [`Faulty::add`] returned.
    pub number: u64,
    /// The rule's own.
    pub label: String,
    /// Commands that fitted: kind, place and command.
    pub matched: u64,
    /// How many of them it struck; a fault that came about at once counts as one.
    pub fired: u64,
}

impl Faulty {
    /// `disk`, and no rules yet.
    pub fn new(disk: Arc<Disk>) -> Faulty {
        Faulty {
            disk,
            any: AtomicBool::new(false),
            rules: RwLock::new(Arc::new([])),
            next: AtomicU64::new(1),
        }
    }

    /// The disk behind the faults.
    pub fn disk(&self) -> &Arc<Disk> {
        &self.disk
    }

    /// Puts a rule in force, behind those that are; returns its number. Commands that have begun do not see it.
    ///
    /// A fault of a zone whose rule waits for no command comes about now.
    ///
    /// # Errors
    /// [`RuleError`] for a rule that cannot be, on this disk or at all; nothing changes then. `NotStable` for what
    /// came about and could not be made stable; the rule is not in force then.
    pub fn add(&self, rule: &Rule) -> Result<u64, RuleError> {
        let rule = Arc::new(Active::new(rule, &self.disk)?);
        let number = self.next.fetch_add(1, Ordering::Relaxed);
        self.change(|rules| rules.push(Numbered { number, rule }));
        Ok(number)
    }

    /// Ends a rule; `false` if there is none of this number. What it did to zones stays.
    pub fn remove(&self, number: u64) -> bool {
        self.change(|rules| {
            let before = rules.len();
            rules.retain(|rule| rule.number != number);
            rules.len() < before
        })
    }

    /// Ends all rules. What they did to zones stays.
    pub fn clear(&self) {
        self.change(Vec::clear);
    }

    /// The rules in force, in the order in which they act.
    pub fn list(&self) -> Vec<Listed> {
        let listed = |Numbered { number, rule }: &Numbered| {
            let (matched, fired) = rule.counts();
            Listed {
                number: *number,
                label: rule.label.clone(),
                matched,
                fired,
            }
        };
        self.rules().iter().map(listed).collect()
    }

    fn rules(&self) -> Arc<[Numbered]> {
        let rules = self.rules.read().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(&rules)
    }

    fn change<T>(&self, change: impl FnOnce(&mut Vec<Numbered>) -> T) -> T {
        let mut rules = self.rules.write().unwrap_or_else(PoisonError::into_inner);
        let mut list = rules.to_vec();
        let result = change(&mut list);
        self.any.store(!list.is_empty(), Ordering::Relaxed);
        *rules = list.into();
        result
    }
}

/// Lets the rules act, one after the other, then the disk.
fn run(rules: &[Numbered], command: &Command<'_>) -> Option<Outcome> {
    for (place, Numbered { rule, .. }) in rules.iter().enumerate() {
        let Some(strike) = rule.strike(command) else {
            continue;
        };
        match &rule.fault {
            Fault::OnCommand(fault) => {
                let rest = |command: &Command<'_>| run(&rules[place + 1..], command);
                return fault.run(&strike, command, &rest);
            }
            Fault::OnZone(inflict) => {
                if rule.inflict(command.disk, *inflict).is_err() {
                    return command.check(MEDIUM_ERROR, WRITE_ERROR, None);
                }
            }
        }
    }
    Some(command.disk.execute(command.cdb, command.out, command.into))
}

impl Lun for Faulty {
    fn execute(
        &self,
        cdb: &[u8],
        out: &[VolatileSlice<'_>],
        into: &[VolatileSlice<'_>],
        pause: Pause<'_>,
    ) -> Option<Outcome> {
        if !self.any.load(Ordering::Relaxed) {
            return Some(self.disk.execute(cdb, out, into));
        }
        let command = Command {
            disk: &self.disk,
            cdb,
            out,
            into,
            pause,
        };
        run(&self.rules(), &command)
    }

    fn reset(&self) {
        self.disk.reset();
    }
}
