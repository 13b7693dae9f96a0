//! One user of an image at a time, and who it is.
//!
//! The lock is `flock(2)`'s: it ends with the process, however that ends, and does not end when the
//! process closes another descriptor of the file. The holder's name comes from the kernel's list of
//! locks, so it cannot be stale.

use std::fs::{self, File};
use std::io::{self, Read};
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use rustix::fs::{flock, major, minor, FlockOperation};

use crate::{Error, ErrorKind};

/// How often to look for a lock's holder before there is said to be none.
const LOOKS: u32 = 3;

/// The process that holds an image's lock.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Holder {
    /// Process ID, as this process's PID namespace has it.
    pub pid: u32,
    /// The program's name, at most 15 bytes (proc(5), `comm`).
    pub program: String,
}

/// Takes the lock, which lasts until `file` and its duplicates are closed.
///
/// # Errors
/// `InUse` names the holder.
pub(crate) fn lock(file: &File, path: &Path) -> Result<(), Error> {
    take(file, path, FlockOperation::NonBlockingLockExclusive)
}

/// Keeps users out while the image is looked at or copied; others may do the same. Lasts as [`lock`]'s does.
///
/// # Errors
/// `InUse` names the holder.
pub(crate) fn lock_shared(file: &File, path: &Path) -> Result<(), Error> {
    take(file, path, FlockOperation::NonBlockingLockShared)
}

fn take(file: &File, path: &Path, how: FlockOperation) -> Result<(), Error> {
    match flock(file, how) {
        Ok(()) => Ok(()),
        Err(rustix::io::Errno::WOULDBLOCK) => {
            let who = match holder(file) {
                Some(holder) if holder.pid == std::process::id() => "this process".to_owned(),
                Some(Holder { pid, program }) => format!("process {pid} ({program})"),
                None => "another process".to_owned(),
            };
            Err(Error::new(
                ErrorKind::InUse,
                format!("the image '{}' is in use by {who}", path.display()),
                "wait for it to end, or stop it: an image has one user at a time",
            ))
        }
        Err(e) => Err(Error::io("lock", path, e.into())),
    }
}

/// Who holds the lock on `file`; `None`: nobody, or a process that cannot be seen from here.
pub(crate) fn holder(file: &File) -> Option<Holder> {
    let own = file.metadata().ok()?;
    // Where locks come and go while the list is read, lines are missing.
    (0..LOOKS).find_map(|_| find(&own, &all_locks().ok()?))
}

fn find(own: &fs::Metadata, locks: &str) -> Option<Holder> {
    let device = format!("{:02x}:{:02x}", major(own.dev()), minor(own.dev()));
    locks
        .lines()
        .filter_map(parse)
        .filter(|lock| lock.inode == own.ino())
        .find(|lock| lock.device == device || has_open(lock.pid, own).unwrap_or(false))
        .and_then(|lock| {
            let program = fs::read_to_string(format!("/proc/{}/comm", lock.pid)).ok()?;
            Some(Holder {
                pid: lock.pid,
                program: program.trim_end().to_owned(),
            })
        })
}

/// /proc/locks, in reads as large as the kernel answers: what is between two of them may change.
fn all_locks() -> io::Result<String> {
    let mut file = File::open("/proc/locks")?;
    let mut text = Vec::new();
    let mut buffer = vec![0; 1 << 16];
    loop {
        match file.read(&mut buffer)? {
            0 => return Ok(String::from_utf8_lossy(&text).into_owned()),
            count => text.extend(&buffer[..count]),
        }
    }
}

/// One line of /proc/locks.
struct Lock<'a> {
    pid: u32,
    /// The super block's device, major:minor in hexadecimal: on btrfs and overlayfs not what stat(2) says.
    device: &'a str,
    inode: u64,
}

/// Parses `1: FLOCK  ADVISORY  WRITE 6322 fe:00:10010680 0 EOF`; other kinds of locks are none of ours.
fn parse(line: &str) -> Option<Lock<'_>> {
    let fields: Vec<&str> = line.split_whitespace().collect();
    let [_, "FLOCK", _, "WRITE", pid, place, ..] = fields[..] else {
        return None;
    };
    let (device, inode) = place.rsplit_once(':')?;
    Some(Lock {
        pid: pid.parse().ok()?,
        device,
        inode: inode.parse().ok()?,
    })
}

/// Whether process `pid` has the file open that `own` describes.
fn has_open(pid: u32, own: &fs::Metadata) -> io::Result<bool> {
    for entry in fs::read_dir(format!("/proc/{pid}/fd"))? {
        // A descriptor may be closed while we look.
        if let Ok(other) = fs::metadata(entry?.path()) {
            if other.dev() == own.dev() && other.ino() == own.ino() {
                return Ok(true);
            }
        }
    }
    Ok(false)
}

#[cfg(test)]
mod tests {
    use super::parse;

    #[test]
    fn only_held_flock_locks_count() {
        let lock = parse("1: FLOCK  ADVISORY  WRITE 6322 fe:00:10010680 0 EOF").unwrap();
        assert_eq!(
            (lock.pid, lock.device, lock.inode),
            (6322, "fe:00", 10_010_680)
        );
        assert!(parse("1: -> FLOCK  ADVISORY  WRITE 6322 fe:00:10010680 0 EOF").is_none());
        assert!(parse("2: POSIX  ADVISORY  WRITE 6322 fe:00:10010680 0 EOF").is_none());
        assert!(parse("3: OFDLCK ADVISORY  WRITE -1 fe:00:10010680 0 EOF").is_none());
        assert!(parse("").is_none());
    }
}
