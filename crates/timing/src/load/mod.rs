//! A closed loop: clients of which each sends its next command to a model when one has ended, as fio does. The same jobs
//! from the same seed are the same commands at the same times.

mod job;
mod report;
mod stream;

use std::ops::ControlFlow;

use random::Random;

use crate::{model, Done, Medium, Nanos, Profile, Work};

pub use job::{Job, Kind, LoadError};
pub use report::Outcome;
use stream::{Stream, Zones};

/// A load, and what it is put on.
#[derive(Clone, Debug)]
pub struct Load {
    pub medium: Medium,
    /// Bytes written of each zone of the medium; of a conventional one all of it.
    pub written: Vec<u64>,
    /// What is sent, all at a time.
    pub jobs: Vec<Job>,
    /// For how long.
    pub time: Nanos,
    /// How much of that, at the start, does not count.
    pub ramp: Nanos,
    /// Where chance comes from.
    pub seed: u64,
}

/// A command that ended, of a job.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sent {
    /// The job's number.
    pub job: usize,
    pub work: Work,
    pub arrived: Nanos,
    pub begun: Nanos,
    pub ended: Nanos,
}

/// A command in flight: which stream sent it, of which job, and what it is.
struct Client {
    stream: usize,
    job: usize,
    work: Work,
}

/// What is there of a stream.
struct Source {
    stream: Stream,
    pause: Nanos,
    /// When it may send again.
    next: Nanos,
}

/// Runs a load on a device of its own; tells what came of each job, and `tell` of every command that ended, which may
/// break off.
///
/// # Errors
/// Where a job cannot be run.
pub fn run(
    profile: &Profile,
    load: &Load,
    mut tell: impl FnMut(Sent) -> ControlFlow<()>,
) -> Result<Vec<Outcome>, LoadError> {
    if load.time <= load.ramp {
        return Err(LoadError::NoTime);
    }
    let mut zones = Zones {
        medium: load.medium,
        written: load.written.clone(),
    };
    let mut sources = Vec::new();
    let mut clients = Vec::new();
    let mut seeds = Random::new(load.seed);
    for (index, job) in load.jobs.iter().enumerate() {
        check(index, job, zones.written.len() as u64)?;
        for number in 0..job.streams {
            let stream = Stream::new(job, index, number, &zones, seeds.draw())?;
            for _ in 0..job.depth {
                clients.push(Client {
                    stream: sources.len(),
                    job: index,
                    work: Work::Report,
                });
            }
            let pause = job.pause();
            sources.push(Source {
                stream,
                pause,
                next: 0,
            });
        }
    }
    let mut model = model(profile, load.medium);
    for (token, client) in clients.iter_mut().enumerate() {
        let arrival = send(client, &mut sources, &mut zones, 0);
        model.submit(arrival, token as u64, client.work);
    }
    let mut outcomes = vec![Outcome::default(); load.jobs.len()];
    let mut done: Vec<Done> = Vec::new();
    'running: while let Some(now) = model.next().filter(|&now| now <= load.time) {
        model.advance(now, &mut done);
        for done in done.drain(..) {
            let client = &mut clients[done.token as usize];
            if done.ended > load.ramp {
                count(&mut outcomes[client.job], client, &load.jobs, &done);
            }
            let sent = Sent {
                job: client.job,
                work: client.work,
                arrived: done.arrived,
                begun: done.begun.max(done.arrived),
                ended: done.ended,
            };
            if tell(sent).is_break() {
                break 'running;
            }
            let arrival = send(client, &mut sources, &mut zones, done.ended);
            model.submit(arrival, done.token, client.work);
        }
    }
    for outcome in &mut outcomes {
        outcome.close(load.time - load.ramp);
    }
    Ok(outcomes)
}

fn check(index: usize, job: &Job, zones: u64) -> Result<(), LoadError> {
    if job.streams == 0 || job.depth == 0 || job.block == 0 {
        return Err(LoadError::Nothing(index));
    }
    let end = job.first.checked_add(job.zones);
    if job.zones == 0 || end.is_none_or(|end| end > zones) {
        return Err(LoadError::NoSuchZones(index, zones));
    }
    Ok(())
}

/// What a client sends next, and when.
fn send(client: &mut Client, sources: &mut [Source], zones: &mut Zones, now: Nanos) -> Nanos {
    let source = &mut sources[client.stream];
    client.work = source.stream.next(zones);
    let arrival = now.max(source.next);
    source.next = arrival + source.pause;
    arrival
}

fn count(outcome: &mut Outcome, client: &Client, jobs: &[Job], done: &Done) {
    let resets = matches!(client.work, Work::Reset { .. });
    if resets && jobs[client.job].kind != Kind::Reset {
        outcome.resets += 1;
    } else {
        outcome.add(done, client.work.bytes());
    }
}
