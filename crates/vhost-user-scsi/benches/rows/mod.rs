//! What benchmarks of commands have in common: the rows of the table, and the plain loop beside the disk.

use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::time::{Duration, Instant};

pub const BLOCK: u64 = 4096;
pub const COMMANDS: u64 = 30_000;
pub const ROUNDS: u32 = 3;

/// One load: commands a second.
pub struct Row {
    operation: &'static str,
    depth: u16,
    ours: f64,
    plain: f64,
}

/// Blocks of the first zone's written part, all over it.
pub fn scattered(n: u64) -> u64 {
    n * 7919 % COMMANDS
}

impl Row {
    pub fn new(operation: &'static str, depth: u16, [ours, plain]: [Duration; 2]) -> Row {
        let rate = |time: Duration| COMMANDS as f64 / time.as_secs_f64();
        Row {
            operation,
            depth,
            ours: rate(ours),
            plain: rate(plain),
        }
    }
}

/// Prints the table, or JSON.
pub fn print(rows: &[Row], json: bool) {
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
        "4 KiB commands a second, best of {ROUNDS} rounds of {COMMANDS}, one queue, page cache"
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
pub struct Plain(File);

impl Plain {
    /// On a file beside an image.
    pub fn beside(image: &Path) -> Plain {
        let beside = image.with_extension("plain");
        let mut options = File::options();
        options.read(true).write(true).create(true).truncate(true);
        Plain(options.open(beside).unwrap())
    }

    pub fn write(&self, block: impl Fn(u64) -> u64) -> Duration {
        let buffer = [0x5a; BLOCK as usize];
        let start = Instant::now();
        for n in 0..COMMANDS {
            self.0.write_all_at(&buffer, block(n) * BLOCK).unwrap();
        }
        start.elapsed()
    }

    pub fn read(&self, block: impl Fn(u64) -> u64) -> Duration {
        let mut buffer = [0; BLOCK as usize];
        let start = Instant::now();
        for n in 0..COMMANDS {
            self.0.read_exact_at(&mut buffer, block(n) * BLOCK).unwrap();
        }
        start.elapsed()
    }
}
