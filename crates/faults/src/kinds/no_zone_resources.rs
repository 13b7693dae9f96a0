//! A disk that can open no more zones: INSUFFICIENT ZONE RESOURCES (ZBC-2, 4.4), for what would open one.

use image::Outcome;
use zbc::Condition;

use super::{CommandFault, Rest};
use crate::command::Command;
use crate::rule::Strike;
use crate::Selector;

const DATA_PROTECT: u8 = 0x7;
const INSUFFICIENT_ZONE_RESOURCES: u16 = 0x550E;

pub(crate) struct NoZoneResources;

impl CommandFault for NoZoneResources {
    fn concerns(&self, command: &Command<'_>) -> bool {
        let Some(name) = command.name() else {
            return false;
        };
        let opens = name == "OPEN ZONE";
        if !opens && !Selector::Write.may_be(name) {
            return false;
        }
        let Some(blocks) = command.blocks() else {
            return false;
        };
        let geometry = command.disk.geometry();
        let (first, last) = (
            geometry.zone_of(blocks.start),
            geometry.zone_of(blocks.end - 1),
        );
        (first..=last).any(|zone| match command.disk.zone(zone).condition {
            Condition::Empty | Condition::Closed => true,
            Condition::ImplicitlyOpen => opens,
            _ => false,
        })
    }

    fn run(&self, _: &Strike, command: &Command<'_>, _: Rest<'_>) -> Option<Outcome> {
        command.check(DATA_PROTECT, INSUFFICIENT_ZONE_RESOURCES, None)
    }
}
