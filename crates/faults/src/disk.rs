//! The zoned disk whose medium fails: rules around a disk, each of which may act before the disk does.

use std::sync::atomic::Ordering;
use std::sync::Arc;

use zoned::{
    Completion, Data, Geometry, Listener, Request, Statistics, Submitted, Zone, ZonedDisk,
};

use crate::kinds::Effect;
use crate::matching::describe;
use crate::rules::{Faults, Rules};

/// The disk of some [`Faults`], with those that its medium has.
pub struct FaultyDisk<D: Data>(Arc<Faults<D>>);

impl<D: Data> FaultyDisk<D> {
    /// The disk of `faults`.
    pub fn new(faults: Arc<Faults<D>>) -> FaultyDisk<D> {
        FaultyDisk(faults)
    }
}

/// What becomes of a request behind a rule.
pub(crate) struct Rest<D: Data> {
    rules: Rules<D>,
    from: usize,
    pub disk: Arc<dyn ZonedDisk<D>>,
}

impl<D: Data> Rest<D> {
    /// Lets the rules act, one after the other, then the disk.
    pub fn submit(self, request: Request, data: &D) -> Submitted<Completion> {
        let geometry = self.disk.geometry();
        let described = describe(geometry, &request);
        for place in self.from..self.rules.len() {
            let rule = &self.rules[place].rule;
            let concerns = || match &rule.effect {
                Effect::Medium(fault) => {
                    described.blocks.is_some() && fault.concerns(&request.operation, &*self.disk)
                }
                Effect::Zones(_) => true,
                Effect::Command(_) => false,
            };
            let Some(firing) = rule.fires(&described, concerns) else {
                continue;
            };
            let rest = Rest {
                rules: Arc::clone(&self.rules),
                from: place + 1,
                disk: Arc::clone(&self.disk),
            };
            match &rule.effect {
                Effect::Medium(fault) => return fault.run(&firing, request, data, rest),
                Effect::Zones(operation) => {
                    let failing = operation(rule.zones(geometry)).into();
                    let data = data.clone();
                    let failed = self.disk.submit(failing, &D::default());
                    return failed.and_then(move |failed| match failed.result {
                        Ok(_) => rest.submit(request, &data),
                        Err(refusal) => Submitted::Completed(refusal.into()),
                    });
                }
                Effect::Command(_) => {}
            }
        }
        self.disk.submit(request, data)
    }
}

impl<D: Data> ZonedDisk<D> for FaultyDisk<D> {
    fn geometry(&self) -> &Geometry {
        self.0.disk().geometry()
    }

    fn submit(&self, request: Request, data: &D) -> Submitted<Completion> {
        let disk = self.0.disk();
        if !self.0.any_of_medium.load(Ordering::Relaxed) {
            return disk.submit(request, data);
        }
        let rest = Rest {
            rules: self.0.rules(),
            from: 0,
            disk: Arc::clone(disk),
        };
        rest.submit(request, data)
    }

    fn zone(&self, number: u32) -> Zone {
        self.0.disk().zone(number)
    }

    fn take_statistics(&self) -> Statistics {
        self.0.disk().take_statistics()
    }

    fn extension(&self, number: u32) -> Vec<u8> {
        self.0.disk().extension(number)
    }

    fn saved(&self, kind: u32) -> Vec<u8> {
        self.0.disk().saved(kind)
    }

    fn listen(&self, listener: Listener) {
        self.0.disk().listen(listener);
    }
}
