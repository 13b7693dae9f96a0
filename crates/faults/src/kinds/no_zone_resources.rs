//! A disk that can open no more zones, for what would open one (ZBC-2, 4.4; ZNS 1.1, 2.1.1.4).

use command::{Description, Group};
use zoned::{
    Action, Blocks, Completion, Condition, Data, Operation, Refusal, Request, Submitted, Target,
    ZonedDisk,
};

use super::MediumFault;
use crate::disk::Rest;
use crate::matching::zones_of;
use crate::rule::Firing;

pub(crate) struct NoZoneResources;

impl<D: Data> MediumFault<D> for NoZoneResources {
    fn is_for(&self, command: &Description) -> bool {
        matches!(command.group, Group::Write | Group::Zone)
    }

    fn concerns(&self, operation: &Operation, disk: &dyn ZonedDisk<D>) -> bool {
        let geometry = disk.geometry();
        let within = |blocks: Blocks| {
            let blocks = blocks.common(Blocks {
                lba: 0,
                count: geometry.blocks,
            });
            (blocks.count > 0).then(|| zones_of(geometry, blocks))
        };
        let (zones, opens) = match *operation {
            Operation::Write { blocks, .. } | Operation::Fill { blocks, .. } => {
                (within(blocks), false)
            }
            Operation::Append { zone, .. } => (Some(zone..=zone), false),
            Operation::Manage {
                action: Action::Open,
                target,
            } => match target {
                Target::All => (Some(0..=geometry.zones() - 1), true),
                Target::Zones { first, count } => {
                    (Some(first..=first.saturating_add(count - 1)), true)
                }
            },
            _ => return false,
        };
        let mut zones = zones
            .into_iter()
            .flatten()
            .take_while(|&zone| zone < geometry.zones());
        zones.any(|zone| match disk.zone(zone).condition {
            Condition::Empty | Condition::Closed => true,
            Condition::ImplicitlyOpen => opens,
            _ => false,
        })
    }

    fn run(&self, _: &Firing, _: Request, _: &D, rest: Rest<D>) -> Submitted<Completion> {
        let limit = rest.disk.geometry().max_open.unwrap_or(0);
        Submitted::Completed(Refusal::TooManyOpen { limit }.into())
    }
}
