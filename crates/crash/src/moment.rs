//! The recorded disks at one moment: after so many entries of the record.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use zoned::Operation;

use crate::entry::Entry;
use crate::error::Error;
use crate::held::Held;
use crate::reader::{Found, Position, Reader};

/// Disks after the first entries of a record.
#[derive(Clone)]
pub struct Moment {
    pub(crate) reader: Arc<Reader>,
    pub(crate) disks: BTreeMap<u16, Held>,
    next: Position,
    /// Submissions that have not completed: the disk and the operation.
    pub(crate) flights: HashMap<u64, (u16, Operation)>,
}

impl Moment {
    /// Before the first entry of a record.
    pub fn start(reader: Arc<Reader>) -> Moment {
        Moment {
            next: Position::first(),
            reader,
            disks: BTreeMap::new(),
            flights: HashMap::new(),
        }
    }

    /// After how many entries it is.
    pub fn point(&self) -> u64 {
        self.next.number
    }

    /// Goes on to the moment after `point` entries.
    ///
    /// # Errors
    /// `Invalid` for one that is over, or that the record does not reach; `Damaged`, `Io`.
    pub fn advance(&mut self, point: u64) -> Result<(), Error> {
        let entries = self.reader.entries();
        if point > entries || point < self.point() {
            return Err(Error::invalid(
                format!(
                    "there is no point {point}; from {} to {entries} there are",
                    self.point()
                ),
                "",
            ));
        }
        let reader = Arc::clone(&self.reader);
        let mut walk = reader.walk(self.next);
        while self.point() < point {
            let found = walk.known()?;
            self.take(found)?;
            self.next = walk.place();
        }
        Ok(())
    }

    /// Disk `number`.
    ///
    /// # Errors
    /// `Invalid` where there is none.
    pub(crate) fn disk(&self, number: u16) -> Result<&Held, Error> {
        self.disks.get(&number).ok_or_else(|| {
            let point = self.point();
            let message = format!("disk {number} is not in the record at point {point}");
            Error::invalid(message, "")
        })
    }

    fn take(&mut self, found: Found) -> Result<(), Error> {
        let number = found.position.number;
        match found.entry {
            Entry::Disk(medium) => {
                self.disks.insert(medium.number, Held::new(medium));
            }
            Entry::Submitted(submission) => {
                let (disk, operation) = (submission.disk, submission.operation);
                let outcome = self.reader.outcome(number);
                self.flights.insert(number, (disk, operation));
                if let Some(held) = self.disks.get_mut(&disk) {
                    held.submit(
                        found.position,
                        operation,
                        found.data_at,
                        found.data,
                        outcome,
                    )?;
                }
            }
            Entry::Completed(completed) => {
                if let Some((disk, operation)) = self.flights.remove(&completed.of) {
                    if let Some(held) = self.disks.get_mut(&disk) {
                        held.complete(completed.of, number, operation, completed.outcome);
                    }
                }
            }
            Entry::Mark(_) => {}
        }
        Ok(())
    }
}
