//! The guest's clock, by which both stage 1 and the agent tell when they were there.

use std::{fs, io};

/// Return the seconds since the kernel's clock began, in hundredths, as `/proc/uptime` has them.
pub fn uptime() -> io::Result<String> {
    let text = fs::read_to_string("/proc/uptime")?;
    Ok(text.split(' ').next().unwrap_or_default().to_owned())
}
