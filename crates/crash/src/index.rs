//! What is known of a record from having looked through it once: little, however long it is.

use std::collections::HashMap;

use zoned::Operation;

use crate::entry::{Completed, Entry, Medium, Outcome};

/// What an [`crate::Reader`] knows of its entries.
#[derive(Default)]
pub(crate) struct Index {
    pub disks: Vec<Medium>,
    /// Marks, each with the point just behind it.
    pub marks: Vec<(u64, Box<str>)>,
    /// Points just behind the end of a flush or a stable write.
    pub flushes: Vec<u64>,
    /// How submissions ended that were not simply carried out.
    unusual: HashMap<u64, Outcome>,
    /// Those that have not ended, and whether they make something stable.
    open: HashMap<u64, bool>,
}

impl Index {
    /// Takes the next entry in.
    pub fn take(&mut self, number: u64, entry: Entry) {
        match entry {
            Entry::Disk(medium) => self.disks.push(medium),
            Entry::Submitted(submission) => {
                self.open.insert(number, makes_stable(submission.operation));
            }
            Entry::Completed(Completed { of, outcome, .. }) => {
                let stable = self.open.remove(&of).unwrap_or(false);
                if outcome != Outcome::Done {
                    self.unusual.insert(of, outcome);
                } else if stable {
                    self.flushes.push(number + 1);
                }
            }
            Entry::Mark(text) => self.marks.push((number + 1, text.into())),
        }
    }

    /// How submission `number` ended, if it did.
    pub fn outcome(&self, number: u64) -> Option<Outcome> {
        match self.open.contains_key(&number) {
            true => None,
            false => Some(self.unusual.get(&number).copied().unwrap_or(Outcome::Done)),
        }
    }
}

fn makes_stable(operation: Operation) -> bool {
    match operation {
        Operation::Flush => true,
        Operation::Write { stable, .. }
        | Operation::Append { stable, .. }
        | Operation::Fill { stable, .. } => stable,
        _ => false,
    }
}
