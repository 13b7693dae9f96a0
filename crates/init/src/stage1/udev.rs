//! Starts the host's udev in the guest. It runs once the root is in place: udevadm does nothing in a chroot.

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

use super::doing;

/// As a login has it on the host.
const PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// Start `udevd`, and have it done with every device there is.
pub fn start(udevd: &Path) -> Result<(), String> {
    doing("make /run/udev", fs::create_dir_all("/run/udev"))?;
    if !run(udevd, &["--daemon"]) {
        return Err(format!("{} did not start", udevd.display()));
    }
    for words in [
        &["trigger", "--type=subsystems", "--action=add"][..],
        &["trigger", "--type=devices", "--action=add"],
        &["settle"],
    ] {
        run(Path::new("udevadm"), words);
    }
    Ok(())
}

fn run(program: &Path, words: &[&str]) -> bool {
    let mut command = Command::new(program);
    command
        .args(words)
        .env_clear()
        .env("PATH", PATH)
        .stdin(Stdio::null());
    command.status().is_ok_and(|status| status.success())
}
