//! The guest's first program: puts the host's root together, then runs commands for the host.
//!
//! Given a file descriptor as argument, it talks to the host on that instead, as a plain process: for tests.
//! It is linked statically: where it starts there is nothing else.

mod agent;
mod stage1;
mod uptime;

use std::env;
use std::fs::File;
use std::os::fd::{FromRawFd, RawFd};
use std::process::ExitCode;

use agent::port::{self, Port};
use agent::Agent;

fn main() -> ExitCode {
    if let Some(argument) = env::args().nth(1) {
        let Ok(fd) = argument.parse::<RawFd>() else {
            eprintln!("zonevm-init: {argument:?} is not the number of a file descriptor");
            return ExitCode::from(2);
        };
        // SAFETY: whoever started this says that the descriptor is ours, and nothing else here knows it.
        serve(unsafe { File::from_raw_fd(fd) }, String::new());
        return ExitCode::SUCCESS;
    }
    if std::process::id() != 1 {
        eprintln!("zonevm-init: this is the first program of a guest of zonevm's");
        return ExitCode::from(2);
    }
    match stage1::run().and_then(|clock| Ok((port::open()?, clock))) {
        Ok((file, clock)) => serve(file, clock),
        Err(why) => stage1::die(&why),
    }
    ExitCode::FAILURE
}

fn serve(file: File, clock: String) {
    if let Err(error) = Port::new(file).and_then(|port| Agent::new(port)?.serve(&clock)) {
        panic!("zonevm: agent: {error}");
    }
}
