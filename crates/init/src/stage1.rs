//! Stage 1 of a guest: loads modules, puts the host's root together, and goes there.
//!
//! Knows nothing of the commands that will run.

mod modules;
mod mounts;
mod network;
mod root;
mod settings;
mod udev;

use std::fmt::Display;
use std::fs::{self, OpenOptions};
use std::io::{self, Write};

use rustix::fs::sync;
use rustix::system::{reboot, sethostname, RebootCommand};
use rustix::termios::tcdrain;

use crate::uptime::uptime;
use settings::Settings;

/// On the kernel's command line: only tell that the guest got here.
const PROBE: &str = "zonevm.probe";

/// Make the guest what the settings in the initramfs say.
///
/// Returns the uptimes at which it began and ended, in words. What went wrong is a sentence.
pub fn run() -> Result<String, String> {
    mounts::kernel_views()?;
    let began = doing("read the uptime", uptime())?;
    let command_line = doing("read /proc/cmdline", fs::read_to_string("/proc/cmdline"))?;
    if command_line.split_whitespace().any(|word| word == PROBE) {
        leave("zonevm: probe passed");
    }
    let settings = Settings::parse(&doing("read the settings", fs::read("/zonevm/settings"))?)?;
    modules::load(&settings.modules);
    mounts::host_root(&settings)?;
    mounts::switch_root()?;
    root::furnish(&settings)?;
    doing(
        "set the hostname",
        sethostname(settings.hostname.as_bytes()),
    )?;
    network::up(settings.has_network)?;
    if let Some(udevd) = &settings.udevd {
        udev::start(udevd)?;
    }
    Ok(format!("{began} {}", doing("read the uptime", uptime())?))
}

/// Say on the console why the guest cannot be, and end it.
pub fn die(why: &str) {
    leave(&format!("zonevm: stage 1: {why}"));
}

/// Say something about stage 1 on the console.
fn tell(what: &str) {
    say(&format!("zonevm: stage 1: {what}"));
}

fn leave(word: &str) {
    say(word);
    sync();
    let _ = reboot(RebootCommand::Restart);
}

fn say(line: &str) {
    if let Ok(mut console) = OpenOptions::new().write(true).open("/dev/console") {
        let _ = writeln!(console, "{line}");
        let _ = tcdrain(console);
    }
}

/// Add to an error what was to be done.
fn doing<T, E: Into<io::Error>>(what: impl Display, result: Result<T, E>) -> Result<T, String> {
    result.map_err(|error| format!("cannot {what}: {}", error.into()))
}
