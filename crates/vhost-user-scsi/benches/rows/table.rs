//! What the loads found, as a table and as JSON.

use std::time::Duration;

use super::loads::Load;

/// One round of one side.
#[derive(Clone, Copy)]
pub struct Found {
    /// Per command, over all.
    pub seconds: f64,
    /// The time that 99 of 100 commands did not exceed.
    pub p99: Duration,
}

/// A load, and the rounds of the sides that carried it out: the first is ours.
pub struct Row {
    pub load: Load,
    pub sides: Vec<(String, Vec<Found>)>,
}

/// Our commands a second to another side's: the median of the rounds, the least and the most.
struct Ratio([f64; 3]);

impl Row {
    fn ratio(&self, its: &[Found]) -> Ratio {
        let ours = self.sides[0].1.iter();
        let ratios = sorted(ours.zip(its).map(|(ours, its)| its.seconds / ours.seconds));
        Ratio([
            ratios[ratios.len() / 2],
            ratios[0],
            ratios[ratios.len() - 1],
        ])
    }
}

fn median(rounds: &[Found], of: impl Fn(&Found) -> f64) -> f64 {
    sorted(rounds.iter().map(of))[rounds.len() / 2]
}

fn sorted(values: impl Iterator<Item = f64>) -> Vec<f64> {
    let mut values: Vec<f64> = values.collect();
    values.sort_by(f64::total_cmp);
    values
}

fn p99_us(rounds: &[Found]) -> f64 {
    median(rounds, |round| round.p99.as_secs_f64() * 1e6)
}

pub fn text(rows: &[Row]) {
    println!(
        "One queue, {} rounds, all in turn; medians. `times`: our commands a second to its (least, most).",
        super::ROUNDS
    );
    for row in rows {
        let Load { name, depth, .. } = row.load;
        println!("{} KiB {name}, depth {depth}", row.load.bytes() / 1024);
        for (name, rounds) in &row.sides {
            let us = median(rounds, |round| round.seconds * 1e6);
            let Ratio([ratio, least, most]) = row.ratio(rounds);
            let p99 = p99_us(rounds);
            println!("  {name:<34}{us:>9.2} us{p99:>9.0} us p99{ratio:>8.2} times ({least:.2}, {most:.2})");
        }
    }
}

pub fn json(rows: &[Row]) {
    let rows: Vec<String> = rows.iter().map(object).collect();
    println!("[\n{}\n]", rows.join(",\n"));
}

fn object(row: &Row) -> String {
    let sides: Vec<String> = row
        .sides
        .iter()
        .map(|(name, rounds)| {
            let Ratio([ratio, least, most]) = row.ratio(rounds);
            format!(
                r#"{{"name":"{name}","us":{:.3},"p99_us":{:.1},"ratio":{ratio:.3},"least":{least:.3},"most":{most:.3}}}"#,
                median(rounds, |round| round.seconds * 1e6),
                p99_us(rounds),
            )
        })
        .collect();
    format!(
        r#"{{"load":"{}","bytes":{},"depth":{},"rounds":{},"sides":[{}]}}"#,
        row.load.name,
        row.load.bytes(),
        row.load.depth,
        super::ROUNDS,
        sides.join(",")
    )
}
