//! Processes of the agent's: how one becomes a command, how it is signalled, how its end is told.
//!
//! The agent has one thread, so that what a new process does between fork and exec may be anything.

use std::ffi::{CString, OsStr};
use std::fs::File;
use std::io::{self, Write};
use std::os::fd::{AsFd, BorrowedFd, FromRawFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::ptr;

use libc::{c_int, pid_t};
use rustix::process::{chdir, ioctl_tiocsctty, setsid};
use rustix::stdio::{dup2_stderr, dup2_stdin, dup2_stdout};

use super::protocol::Exec;

const DEFAULT_PATH: &[u8] = b"/usr/bin:/bin";
const NOT_RUN: c_int = 127;
/// Bytes of a program's name in a message: nobody reads it before this process ends, so it has to fit a pipe.
const SHOWN: usize = 4096;

/// Start a process that does `work` and ends.
pub fn fork(work: impl FnOnce()) -> io::Result<pid_t> {
    // SAFETY: this program has one thread.
    match unsafe { libc::fork() } {
        -1 => Err(io::Error::last_os_error()),
        0 => {
            work();
            // SAFETY: ends the process, and runs nothing of this program's on the way.
            unsafe { libc::_exit(NOT_RUN) }
        }
        pid => Ok(pid),
    }
}

/// Turn into the command, or write to `failed` why not: the number of the error, and what failed.
pub fn become_command(exec: &Exec, ends: &[impl AsFd; 3], failed: OwnedFd) {
    let Err((error, what)) =
        prepare(exec, ends).and_then(|()| execute(exec).map_err(|error| (error, "exec")))
    else {
        return;
    };
    if what == "exec" {
        let mut message = b"zonevm: cannot run ".to_vec();
        message.extend(exec.argv[0].iter().take(SHOWN));
        message.extend(format!(": {}\n", described(&error)).bytes());
        let _ = io::stderr().write_all(&message);
    }
    let number = error.raw_os_error().unwrap_or(libc::EINVAL);
    let _ = write!(File::from(failed), "{number} {what}");
}

fn prepare(exec: &Exec, ends: &[impl AsFd; 3]) -> Result<(), (io::Error, &'static str)> {
    let begun = || -> rustix::io::Result<()> {
        setsid()?;
        if exec.terminal.is_some() {
            ioctl_tiocsctty(&ends[0])?;
        }
        dup2_stdin(&ends[0])?;
        dup2_stdout(&ends[1])?;
        dup2_stderr(&ends[2])
    };
    begun().map_err(|error| (error.into(), "exec"))?;
    default_signals();
    chdir(OsStr::from_bytes(&exec.cwd)).map_err(|error| (error.into(), "cwd"))
}

/// Undo what this program, and Rust's library before it, changed of the signals.
fn default_signals() {
    // SAFETY: no handler is installed, and an empty set of signals is a valid value.
    unsafe {
        libc::signal(libc::SIGPIPE, libc::SIG_DFL);
        let mut none = std::mem::zeroed();
        libc::sigemptyset(&mut none);
        libc::sigprocmask(libc::SIG_SETMASK, &none, ptr::null_mut());
    }
}

/// Execute the program as execvp(3) finds it, with the PATH of its own environment. Returns where it did not.
fn execute(exec: &Exec) -> io::Result<()> {
    let argv = strings(&exec.argv)?;
    let env = strings(&exec.env)?;
    let program = &exec.argv[0];
    if program.contains(&b'/') {
        return Err(execve(program, &argv, &env));
    }
    let path = exec
        .env
        .iter()
        .rev()
        .find_map(|variable| variable.strip_prefix(b"PATH="));
    let mut denied = None;
    for directory in path.unwrap_or(DEFAULT_PATH).split(|byte| *byte == b':') {
        let place = Path::new(OsStr::from_bytes(directory)).join(OsStr::from_bytes(program));
        let error = execve(place.as_os_str().as_bytes(), &argv, &env);
        match error.raw_os_error() {
            Some(libc::ENOENT | libc::ENOTDIR) => {}
            Some(libc::EACCES) if !place.exists() => {} // it is the directory that is closed
            Some(libc::EACCES) => denied = Some(error),
            _ => return Err(error),
        }
    }
    Err(denied.unwrap_or_else(|| io::Error::from_raw_os_error(libc::ENOENT)))
}

fn execve(program: &[u8], argv: &[CString], env: &[CString]) -> io::Error {
    let Ok(program) = CString::new(program) else {
        return io::Error::from_raw_os_error(libc::EINVAL);
    };
    let pointers = |strings: &[CString]| -> Vec<_> {
        strings
            .iter()
            .map(|string| string.as_ptr())
            .chain([ptr::null()])
            .collect()
    };
    // SAFETY: both lists are of strings that end with a 0, end with a null pointer, and outlive the call.
    unsafe {
        libc::execve(
            program.as_ptr(),
            pointers(argv).as_ptr(),
            pointers(env).as_ptr(),
        )
    };
    io::Error::last_os_error()
}

fn strings(list: &[Vec<u8>]) -> io::Result<Vec<CString>> {
    let ended = |string: &Vec<u8>| CString::new(string.as_slice());
    list.iter()
        .map(ended)
        .collect::<Result<_, _>>()
        .map_err(|_| io::Error::from_raw_os_error(libc::EINVAL))
}

/// An error in words, as strerror(3) has them.
fn described(error: &io::Error) -> String {
    let text = error.to_string();
    text.split(" (os error")
        .next()
        .unwrap_or_default()
        .to_owned()
}

/// Send a signal to the process group of `pid`, or to the process that has not made its group yet.
pub fn kill(pid: pid_t, signal: u32) {
    // SAFETY: takes numbers only; the process is a child that was not waited for.
    unsafe {
        if libc::kill(-pid, signal as c_int) != 0 {
            libc::kill(pid, signal as c_int);
        }
    }
}

/// Return a child that has ended, and its exit code or minus the signal; None when there is none now.
pub fn reap() -> Option<(pid_t, i32)> {
    let mut status = 0;
    // SAFETY: the status is a place of its own.
    let pid = unsafe { libc::waitpid(-1, &mut status, libc::WNOHANG) };
    let code = if libc::WIFSIGNALED(status) {
        -libc::WTERMSIG(status)
    } else {
        libc::WEXITSTATUS(status)
    };
    (pid > 0).then_some((pid, code))
}

/// What can be read when a child has ended.
pub struct Ended(OwnedFd);

impl Ended {
    pub fn new() -> io::Result<Self> {
        // SAFETY: the set is a valid value, filled before its use; the descriptor is new and nobody else's.
        unsafe {
            let mut set = std::mem::zeroed();
            libc::sigemptyset(&mut set);
            libc::sigaddset(&mut set, libc::SIGCHLD);
            libc::sigprocmask(libc::SIG_BLOCK, &set, ptr::null_mut());
            match libc::signalfd(-1, &set, libc::SFD_CLOEXEC | libc::SFD_NONBLOCK) {
                -1 => Err(io::Error::last_os_error()),
                fd => Ok(Self(OwnedFd::from_raw_fd(fd))),
            }
        }
    }

    /// Take the news, to be told of the next.
    pub fn take(&self) {
        let mut news = [0; 1024];
        while rustix::io::read(&self.0, &mut news).is_ok_and(|length| length > 0) {}
    }
}

impl AsFd for Ended {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}
