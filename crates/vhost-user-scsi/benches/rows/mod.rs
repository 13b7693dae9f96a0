//! What benchmarks of commands have in common: the loads, the table of them, and the plain loop beside the disk.
//!
//! Arguments of such a benchmark: `--json`, or `--count write|read DEPTH COMMANDS`, which carries out so many commands and
//! prints nothing: `tools/instructions` counts what it executes.

use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::time::{Duration, Instant};

use zoned::{Geometry, Kind};

pub const BLOCK: u64 = 4096;
const COMMANDS: u64 = 30_000;
/// As many are read that are not in the page cache.
const COLD: u64 = 6_000;
const ROUNDS: u32 = 3;
const ZONE_BLOCKS: u64 = 1 << 16;
const ZONES: u64 = 16;
/// The blocks that are there to be read where commands are counted.
const WRITTEN: u64 = 256;

/// A medium of this kind for these loads.
pub fn geometry(kind: Kind) -> Geometry {
    Geometry {
        kind,
        block_size: BLOCK as u32,
        blocks: ZONE_BLOCKS * ZONES,
        zone_blocks: ZONE_BLOCKS,
        conventional_zones: 0,
        max_open: None,
        zone_capacity: None,
        max_active: None,
        unrestricted_reads: true,
        extension_bytes: 0,
    }
}

/// What commands do, each with one block.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Load {
    Write,
    Read,
}

/// Keeps so many commands in flight.
pub trait Driver {
    /// Sends commands one after another, `depth` of them at a time, and waits for all; `block` is what each is about.
    fn carry_out(&mut self, load: Load, depth: u16, commands: u64, block: &dyn Fn(u64) -> u64);
}

/// Does what the program's arguments say, on an image at `path`.
pub fn run(driver: &mut dyn Driver, path: &Path) {
    let arguments: Vec<String> = std::env::args().collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    if let Some(at) = words.iter().position(|&word| word == "--count") {
        let [load, depth, commands] = words[at + 1..] else {
            panic!("--count write|read DEPTH COMMANDS");
        };
        let load = [Load::Write, Load::Read][usize::from(load == "read")];
        let [depth, commands] = [depth, commands].map(|word| word.parse().expect("a number"));
        return count(driver, load, depth as u16, commands);
    }
    print(&measure(driver, path), words.contains(&"--json"));
}

fn count(driver: &mut dyn Driver, load: Load, depth: u16, commands: u64) {
    driver.carry_out(Load::Write, 1, WRITTEN, &|n| n);
    match load {
        Load::Write => driver.carry_out(load, depth, commands, &|n| ZONE_BLOCKS + n),
        Load::Read => driver.carry_out(load, depth, commands, &|n| n * 79 % WRITTEN),
    }
}

/// Sequential writes go zone by zone: a round of each depth fills a part of one of ours, then of a plain one.
fn measure(driver: &mut dyn Driver, path: &Path) -> Vec<Row> {
    // Beside the image, with data where it is read.
    let plain = Plain::beside(path);
    plain.write(|n| n);
    let mut time = |load, depth, commands, block: &dyn Fn(u64) -> u64| {
        let start = Instant::now();
        driver.carry_out(load, depth, commands, block);
        start.elapsed()
    };
    let mut rows = Vec::new();
    for (at, depth) in [1, 32].into_iter().enumerate() {
        let zone = |round: u32, of: u64| (at as u64 * 8 + u64::from(round) * 2 + of) * ZONE_BLOCKS;
        let mut best = [Duration::MAX; 2];
        for round in 0..ROUNDS {
            let (ours, its) = (zone(round, 0), zone(round, 1));
            best[0] = best[0].min(time(Load::Write, depth, COMMANDS, &|n| ours + n));
            best[1] = best[1].min(plain.write(|n| its + n));
        }
        rows.push(Row::new("sequential write", depth, COMMANDS, best));
    }
    for depth in [1, 32] {
        let mut best = [Duration::MAX; 2];
        for _ in 0..ROUNDS {
            best[0] = best[0].min(time(Load::Read, depth, COMMANDS, &scattered));
            best[1] = best[1].min(plain.read(COMMANDS, scattered));
        }
        rows.push(Row::new("random read", depth, COMMANDS, best));
    }
    let image = File::open(path).unwrap();
    for depth in [1, 32] {
        let mut best = [Duration::MAX; 2];
        for _ in 0..ROUNDS {
            forget(&image);
            best[0] = best[0].min(time(Load::Read, depth, COLD, &scattered));
            forget(&plain.0);
            best[1] = best[1].min(plain.read(COLD, scattered));
        }
        rows.push(Row::new("cold random read", depth, COLD, best));
    }
    rows
}

/// Takes a file out of the page cache.
fn forget(file: &File) {
    file.sync_all().unwrap();
    rustix::fs::fadvise(file, 0, None, rustix::fs::Advice::DontNeed).unwrap();
}

/// One load: commands a second.
struct Row {
    operation: &'static str,
    depth: u16,
    ours: f64,
    plain: f64,
}

/// Blocks of the first zone's written part, all over it.
fn scattered(n: u64) -> u64 {
    n * 7919 % COMMANDS
}

impl Row {
    fn new(
        operation: &'static str,
        depth: u16,
        commands: u64,
        [ours, plain]: [Duration; 2],
    ) -> Row {
        let rate = |time: Duration| commands as f64 / time.as_secs_f64();
        Row {
            operation,
            depth,
            ours: rate(ours),
            plain: rate(plain),
        }
    }
}

/// Prints the table, or JSON.
fn print(rows: &[Row], json: bool) {
    if json {
        let objects: Vec<String> = rows
            .iter()
            .map(|row| {
                format!(
                    r#"{{"operation":"{}","bytes":{BLOCK},"depth":{},"commands_per_second":{:.0},"plain_per_second":{:.0},"ratio":{:.3}}}"#,
                    row.operation, row.depth, row.ours, row.plain, row.ours / row.plain
                )
            })
            .collect();
        println!("[{}]", objects.join(","));
        return;
    }
    println!(
        "4 KiB commands a second, best of {ROUNDS} rounds of {COMMANDS} (cold ones of {COLD}), one queue, page cache"
    );
    println!(
        "{:<18}{:>6}{:>12}{:>12}{:>8}{:>14}",
        "operation", "depth", "zonevm", "plain loop", "ratio", "us a command"
    );
    for row in rows {
        println!(
            "{:<18}{:>6}{:>12.0}{:>12.0}{:>8.2}{:>14.2}",
            row.operation,
            row.depth,
            row.ours,
            row.plain,
            row.ours / row.plain,
            1e6 / row.ours
        );
    }
}

/// pread and pwrite, one after another.
struct Plain(File);

impl Plain {
    /// On a file beside an image.
    fn beside(image: &Path) -> Plain {
        let beside = image.with_extension("plain");
        let mut options = File::options();
        options.read(true).write(true).create(true).truncate(true);
        Plain(options.open(beside).unwrap())
    }

    fn write(&self, block: impl Fn(u64) -> u64) -> Duration {
        let buffer = [0x5a; BLOCK as usize];
        let start = Instant::now();
        for n in 0..COMMANDS {
            self.0.write_all_at(&buffer, block(n) * BLOCK).unwrap();
        }
        start.elapsed()
    }

    fn read(&self, commands: u64, block: impl Fn(u64) -> u64) -> Duration {
        let mut buffer = [0; BLOCK as usize];
        let start = Instant::now();
        for n in 0..commands {
            self.0.read_exact_at(&mut buffer, block(n) * BLOCK).unwrap();
        }
        start.elapsed()
    }
}
