//! The rules of a disk: put in force, ended and listed while commands run.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, PoisonError, RwLock};

use command::Description;
use zoned::{Data, Operation, Refusal, ZonedDisk};

use crate::kinds::Effect;
use crate::rule::Active;
use crate::{Rule, RuleError};

/// The rules by which a disk fails: for its [`crate::FaultyDisk`] and its [`crate::FaultyUnit`] together.
pub struct Faults<D: Data> {
    disk: Arc<dyn ZonedDisk<D>>,
    known: Vec<Description>,
    /// Whether there are rules for the one layer and for the other: all that a command looks at where there are none.
    pub(crate) any_of_medium: AtomicBool,
    pub(crate) any_of_commands: AtomicBool,
    rules: RwLock<Rules<D>>,
    next: AtomicU64,
}

/// All rules, in the order in which they act.
pub(crate) type Rules<D> = Arc<[Numbered<D>]>;

/// A rule, by its number.
pub(crate) struct Numbered<D: Data> {
    number: u64,
    pub rule: Arc<Active<D>>,
}

impl<D: Data> Clone for Numbered<D> {
    fn clone(&self) -> Self {
        Numbered {
            number: self.number,
            rule: Arc::clone(&self.rule),
        }
    }
}

/// A rule that is in force, and what it has done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listed {
    /// What [`Faults::add`] returned.
    pub number: u64,
    /// The rule's own.
    pub label: String,
    /// Commands that matched: kind, place and command.
    pub matched: u64,
    /// At how many of them it fired; a fault that came about at once counts as one.
    pub fired: u64,
}

impl<D: Data> Faults<D> {
    /// No rules yet, for `disk`, which gets commands among these.
    pub fn new(disk: Arc<dyn ZonedDisk<D>>, known: Vec<Description>) -> Faults<D> {
        Faults {
            disk,
            known,
            any_of_medium: AtomicBool::new(false),
            any_of_commands: AtomicBool::new(false),
            rules: RwLock::new(Arc::new([])),
            next: AtomicU64::new(1),
        }
    }

    /// The disk behind the faults.
    pub fn disk(&self) -> &Arc<dyn ZonedDisk<D>> {
        &self.disk
    }

    /// The commands that rules may name.
    pub fn known(&self) -> &[Description] {
        &self.known
    }

    /// Puts a rule in force, behind those that are; returns its number. Commands that have begun do not see it.
    ///
    /// A fault of a zone whose rule waits for no command comes about now, and this waits for it.
    ///
    /// # Errors
    /// [`RuleError`] for a rule that cannot be, on this disk or at all; nothing changes then. `NotStable` for what
    /// came about and could not be made stable; the rule is not in force then.
    pub fn add(&self, rule: &Rule) -> Result<u64, RuleError> {
        let active = Arc::new(Active::new(rule, &*self.disk, &self.known)?);
        if let (Effect::Zones(operation), true) = (&active.effect, rule.is_immediate()) {
            let zones = active.zones(self.disk.geometry());
            self.wait(operation(zones)).map_err(RuleError::NotStable)?;
            active.fired_at_once();
        }
        let number = self.next.fetch_add(1, Ordering::Relaxed);
        self.change(|rules| {
            rules.push(Numbered {
                number,
                rule: active,
            });
        });
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
        let listed = |Numbered { number, rule }: &Numbered<D>| {
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

    pub(crate) fn rules(&self) -> Rules<D> {
        let rules = self.rules.read().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(&rules)
    }

    fn change<T>(&self, change: impl FnOnce(&mut Vec<Numbered<D>>) -> T) -> T {
        let mut rules = self.rules.write().unwrap_or_else(PoisonError::into_inner);
        let mut list = rules.to_vec();
        let result = change(&mut list);
        let of_commands = |one: &Numbered<D>| matches!(one.rule.effect, Effect::Command(_));
        let any = list.iter().any(of_commands);
        self.any_of_commands.store(any, Ordering::Relaxed);
        let any = !list.iter().all(of_commands);
        self.any_of_medium.store(any, Ordering::Relaxed);
        *rules = list.into();
        result
    }

    fn wait(&self, operation: Operation) -> Result<(), Refusal> {
        let submitted = self.disk.submit(operation.into(), &D::default());
        let completion = submitted.wait().unwrap_or(Refusal::Lost.into());
        completion.result.map(drop)
    }
}
