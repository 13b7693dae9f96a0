//! Why a rule is refused.

use std::fmt;
use std::ops::Range;

use zoned::Refusal;

use crate::Selector;

/// Why a rule cannot be: as it is, or on this disk.
#[derive(Debug)]
#[non_exhaustive]
pub enum RuleError {
    /// The disk has no such zone.
    Zone {
        /// The rule's zone.
        zone: u32,
        /// How many the disk has.
        zones: u32,
    },
    /// The disk has no such LBAs.
    Blocks {
        /// The rule's LBAs.
        blocks: Range<u64>,
        /// How many the disk has.
        capacity: u64,
    },
    /// A fault of a zone, and no zone.
    NoPlace,
    /// A fault of a sequential zone, and a conventional zone.
    Conventional(u32),
    /// A fault of this kind fires at none of these commands.
    Never(Selector),
    /// Not above 0 and up to 1.
    Probability(f64),
    /// Zones failed, and that could not be made stable.
    NotStable(Refusal),
}

impl fmt::Display for RuleError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            RuleError::Zone { zone, zones } => write!(
                f,
                "there is no zone {zone}: the disk has {zones}, from 0 to {}",
                zones - 1
            ),
            RuleError::Blocks { blocks, capacity } => write!(
                f,
                "there are no {} blocks at LBA {}: the disk's last LBA is {}",
                blocks.end.saturating_sub(blocks.start),
                blocks.start,
                capacity - 1
            ),
            RuleError::NoPlace => write!(f, "it needs a zone, and none is given"),
            RuleError::Conventional(zone) => {
                write!(
                    f,
                    "zone {zone} is conventional, and it happens to sequential zones only"
                )
            }
            RuleError::Never(commands) => write!(f, "it never happens at command {commands}"),
            RuleError::Probability(probability) => {
                write!(f, "probability {probability} is not above 0 and up to 1")
            }
            RuleError::NotStable(_) => write!(f, "zones failed, and that could not be made stable"),
        }
    }
}

impl RuleError {
    /// What to do about it, or nothing where the message says that already.
    pub fn hint(&self) -> &str {
        match self {
            RuleError::NoPlace => "Give a zone, or LBAs.",
            RuleError::Conventional(_) => {
                "Take a sequential zone. A conventional zone has no write pointer to reset, and where one is read-only \
                 or offline, Linux from 6.19 on refuses the whole disk."
            }
            RuleError::Never(_) => "Leave the command out: the fault has commands of its own.",
            RuleError::Zone { .. }
            | RuleError::Blocks { .. }
            | RuleError::Probability(_)
            | RuleError::NotStable(_) => "",
        }
    }
}

impl std::error::Error for RuleError {}
