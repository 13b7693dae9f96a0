//! What benchmarks of commands have in common: the loads, the loop that drives a disk, and what it finds.
//!
//! Arguments of such a benchmark: `--json`; `--only TEXT`, the loads in whose names it is; or `--count write|read DEPTH
//! COMMANDS`, which carries out so many commands and prints nothing: `tools/instructions` counts what it executes.

pub mod loads;
pub mod plain;
pub mod table;

use std::fs::File;
use std::io::Read;
use std::time::{Duration, Instant};

use rustix::fs::{fadvise, seek, Advice, SeekFrom};
use zoned::{Geometry, Kind};

use loads::Load;
use table::{Found, Row};

pub const BLOCK: u64 = 4096;
pub const ZONE_BLOCKS: u64 = 1 << 16;
const ZONES: u64 = 4;
const ROUNDS: usize = 7;
/// The most commands in flight.
pub const MOST: u16 = 128;
/// Blocks that are there to be read, from [`loads::WRITTEN`] on.
const THERE: u64 = 30_000;
/// As many, where commands are counted.
const COUNTED: u64 = 256;

/// A medium of this kind for these loads. Where it may have one, its first zone is conventional.
pub fn geometry(kind: Kind) -> Geometry {
    Geometry {
        kind,
        block_size: BLOCK as u32,
        blocks: ZONE_BLOCKS * ZONES,
        zone_blocks: ZONE_BLOCKS,
        conventional_zones: u32::from(kind != Kind::Zns),
        max_open: None,
        zone_capacity: None,
        max_active: None,
        unrestricted_reads: true,
        extension_bytes: 0,
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Action {
    Read,
    Write,
    Flush,
}

#[derive(Clone, Copy)]
pub struct Command {
    pub action: Action,
    pub block: u64,
    pub blocks: u32,
}

/// Commands on their way to a disk, each in a slot of its own below [`MOST`].
pub trait Driver {
    fn send(&mut self, slot: u16, command: Command);
    /// The slot of one that is done.
    fn done(&mut self) -> Option<u16>;
    /// Waits until one is.
    fn sleep(&mut self);
    /// What is in the zone is not needed any more.
    fn empty(&mut self, zone: u64);
    /// Whether it can carry out such commands.
    fn knows(&self, _action: Action) -> bool {
        true
    }
}

/// A disk that takes part, and the file that its blocks are in.
pub struct Side {
    pub name: String,
    pub driver: Box<dyn Driver>,
    pub file: File,
}

/// Does what the program's arguments say with our side and, if it compares, the others.
pub fn run(mut ours: Side, others: impl FnOnce() -> Vec<Side>, overwrites: bool) {
    let arguments: Vec<String> = std::env::args().collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let after = |word: &str| {
        words
            .iter()
            .position(|&given| given == word)
            .map(|at| &words[at + 1..])
    };
    if let Some(rest) = after("--count") {
        let [load, depth, commands] = rest else {
            panic!("--count write|read DEPTH COMMANDS");
        };
        let [depth, commands] = [depth, commands].map(|word| word.parse().expect("a number"));
        return count(&mut *ours.driver, *load == "read", depth as u16, commands);
    }
    let only = after("--only")
        .and_then(|rest| rest.first().copied())
        .unwrap_or("");
    let loads = loads::all(overwrites);
    let loads: Vec<Load> = loads
        .into_iter()
        .filter(|load| load.name.contains(only))
        .collect();
    let mut sides = vec![ours];
    sides.extend(others());
    for side in &mut sides {
        prepare(side);
        cache_alike(&side.file);
    }
    let rows: Vec<Row> = loads.iter().map(|load| measure(load, &mut sides)).collect();
    match words.contains(&"--json") {
        true => table::json(&rows),
        false => table::text(&rows),
    }
}

fn count(driver: &mut dyn Driver, reads: bool, depth: u16, commands: u64) {
    let write = |block| Command {
        action: Action::Write,
        block,
        blocks: 1,
    };
    carry_out(driver, 1, COUNTED, &|n| write(loads::WRITTEN + n));
    match reads {
        false => carry_out(driver, depth, commands, &|n| write(loads::FRESH + n)),
        true => carry_out(driver, depth, commands, &|n| Command {
            action: Action::Read,
            block: loads::WRITTEN + n * 79 % COUNTED,
            blocks: 1,
        }),
    };
}

/// Writes what is read and overwritten.
fn prepare(side: &mut Side) {
    if !side.driver.knows(Action::Write) {
        return plain::fill(&side.file);
    }
    for zone in [loads::OVERWRITTEN, loads::WRITTEN] {
        carry_out(&mut *side.driver, 1, THERE, &|n| Command {
            action: Action::Write,
            block: zone + n,
            blocks: 1,
        });
    }
}

/// All sides in turn, round by round, so that a machine whose speed drifts slows all of them.
fn measure(load: &Load, sides: &mut [Side]) -> Row {
    let mut found: Vec<(usize, Vec<Found>)> = (0..sides.len())
        .filter(|&side| {
            load.actions()
                .iter()
                .all(|&action| sides[side].driver.knows(action))
        })
        .map(|side| (side, Vec::new()))
        .collect();
    for _ in 0..ROUNDS {
        for (side, rounds) in &mut found {
            let Side { driver, file, .. } = &mut sides[*side];
            if load.fills() {
                driver.empty(loads::FRESH / ZONE_BLOCKS);
            }
            if load.cold {
                forget(file);
            }
            let command = |n| load.command(n);
            rounds.push(carry_out(
                &mut **driver,
                load.depth,
                load.commands,
                &command,
            ));
        }
    }
    let named = |(side, rounds): (usize, Vec<Found>)| (sides[side].name.clone(), rounds);
    Row {
        load: load.clone(),
        sides: found.into_iter().map(named).collect(),
    }
}

/// Sends commands one after another, `depth` of them at a time, and waits for all.
fn carry_out(
    driver: &mut dyn Driver,
    depth: u16,
    commands: u64,
    command: &dyn Fn(u64) -> Command,
) -> Found {
    let mut free: Vec<u16> = (0..depth).rev().collect();
    let mut since = [Instant::now(); MOST as usize];
    let mut took = Vec::with_capacity(commands as usize);
    let start = Instant::now();
    let mut sent = 0;
    while took.len() < commands as usize {
        while let Some(slot) = (sent < commands).then(|| free.pop()).flatten() {
            since[usize::from(slot)] = Instant::now();
            driver.send(slot, command(sent));
            sent += 1;
        }
        let Some(slot) = driver.done() else {
            driver.sleep();
            continue;
        };
        took.push(since[usize::from(slot)].elapsed());
        free.push(slot);
    }
    Found {
        seconds: start.elapsed().as_secs_f64() / commands as f64,
        p99: p99(took),
    }
}

fn p99(mut took: Vec<Duration>) -> Duration {
    let at = took.len() * 99 / 100;
    *took.select_nth_unstable(at).1
}

/// Has the page cache hold a file's data in pieces of the same sizes, whatever it was written in: small ones take longer to
/// be copied.
fn cache_alike(mut file: &File) {
    forget(file);
    let mut bytes = vec![0; 1 << 20];
    let mut at = 0;
    while let Ok(start) = seek(file, SeekFrom::Data(at)) {
        at = seek(file, SeekFrom::Hole(start)).expect("the end of data");
        seek(file, SeekFrom::Start(start)).expect("the start of data");
        let mut left = (at - start) as usize;
        while left > 0 {
            let most = left.min(bytes.len());
            left -= file.read(&mut bytes[..most]).expect("data");
        }
    }
}

/// Takes a file out of the page cache.
fn forget(file: &File) {
    file.sync_all().expect("sync");
    fadvise(file, 0, None, Advice::DontNeed).expect("fadvise");
}
