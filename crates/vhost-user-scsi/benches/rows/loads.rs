//! The loads: what a disk is asked for, and how much of it at a time.

use super::{Action, Command, BLOCK, THERE, ZONE_BLOCKS};

/// Where the zones begin that are overwritten, read and written anew.
pub const OVERWRITTEN: u64 = 0;
pub const WRITTEN: u64 = ZONE_BLOCKS;
pub const FRESH: u64 = 2 * ZONE_BLOCKS;

/// One flush among so many commands.
const FLUSH_EVERY: u64 = 500;

#[derive(Clone, Copy, PartialEq, Eq)]
enum Pattern {
    RandomRead,
    SequentialRead,
    SequentialWrite,
    Overwrite,
    /// Seven random reads to three writes.
    Mixed,
    ReadsAmongFlushes,
}

/// What is asked for.
#[derive(Clone)]
pub struct Load {
    pub name: &'static str,
    pub depth: u16,
    pub commands: u64,
    /// Nothing of it is in the page cache.
    pub cold: bool,
    pattern: Pattern,
    blocks: u32,
}

impl Load {
    const fn new(name: &'static str, pattern: Pattern, blocks: u32, depth: u16) -> Load {
        let commands = match (blocks, depth) {
            (1, 1) => 8_000,
            (1, _) => 30_000,
            _ => 2_000,
        };
        Load {
            name,
            depth,
            commands,
            cold: false,
            pattern,
            blocks,
        }
    }

    /// Of a command.
    pub fn bytes(&self) -> u64 {
        u64::from(self.blocks) * BLOCK
    }

    /// The kinds of commands that there are among them.
    pub fn actions(&self) -> &'static [Action] {
        use Action::{Flush, Read, Write};
        match self.pattern {
            Pattern::RandomRead | Pattern::SequentialRead => &[Read],
            Pattern::SequentialWrite | Pattern::Overwrite => &[Write],
            Pattern::Mixed => &[Read, Write],
            Pattern::ReadsAmongFlushes => &[Read, Flush],
        }
    }

    /// Whether it writes to a zone that was empty.
    pub fn fills(&self) -> bool {
        matches!(self.pattern, Pattern::SequentialWrite | Pattern::Mixed)
    }

    pub fn command(&self, n: u64) -> Command {
        let random = WRITTEN + n * 7919 % THERE;
        let (action, block) = match self.pattern {
            Pattern::RandomRead => (Action::Read, random),
            Pattern::SequentialRead => {
                let places = THERE / u64::from(self.blocks);
                (Action::Read, WRITTEN + n % places * u64::from(self.blocks))
            }
            Pattern::SequentialWrite => (Action::Write, FRESH + n * u64::from(self.blocks)),
            Pattern::Overwrite => (Action::Write, OVERWRITTEN + n * 7919 % THERE),
            Pattern::Mixed if n % 10 < 7 => (Action::Read, random),
            Pattern::Mixed => (Action::Write, FRESH + n / 10 * 3 + n % 10 - 7),
            Pattern::ReadsAmongFlushes if n % FLUSH_EVERY == 0 => (Action::Flush, 0),
            Pattern::ReadsAmongFlushes => (Action::Read, random),
        };
        Command {
            action,
            block,
            blocks: self.blocks,
        }
    }
}

/// All of them; without overwriting, if all zones have to be written in order.
pub fn all(overwrites: bool) -> Vec<Load> {
    use Pattern::{
        Mixed, Overwrite, RandomRead, ReadsAmongFlushes, SequentialRead, SequentialWrite,
    };
    const LARGE: u32 = 32;
    let of = Load::new;
    let mut loads = vec![
        of("random read", RandomRead, 1, 1),
        of("random read", RandomRead, 1, 32),
        of("random read", RandomRead, 1, 128),
        of("sequential write", SequentialWrite, 1, 1),
        of("sequential write", SequentialWrite, 1, 32),
        of("overwrite", Overwrite, 1, 1),
        of("overwrite", Overwrite, 1, 32),
        of("sequential write", SequentialWrite, LARGE, 1),
        of("sequential write", SequentialWrite, LARGE, 32),
        of("sequential read", SequentialRead, LARGE, 1),
        of("sequential read", SequentialRead, LARGE, 32),
        of("mixed 70/30", Mixed, 1, 32),
        Load {
            cold: true,
            commands: 6_000,
            ..of("cold random read", RandomRead, 1, 32)
        },
        of("reads among flushes", ReadsAmongFlushes, 1, 32),
    ];
    loads.retain(|load| overwrites || load.pattern != Overwrite);
    loads
}
