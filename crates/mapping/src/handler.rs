//! The handler of SIGBUS, before whichever was there.

use std::cell::UnsafeCell;
use std::ffi::{c_int, c_void};
use std::io;
use std::mem::MaybeUninit;
use std::ptr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};

use crate::slots;

/// What was done about SIGBUS before.
struct Earlier(UnsafeCell<MaybeUninit<libc::sigaction>>);

// SAFETY: written under `INSTALLING` before the handler can read it.
unsafe impl Sync for Earlier {}

static EARLIER: Earlier = Earlier(UnsafeCell::new(MaybeUninit::zeroed()));
static INSTALLING: Mutex<()> = Mutex::new(());
/// An earlier handler has been called, and has not come back.
static CHAINED: AtomicBool = AtomicBool::new(false);

/// Makes [`on_sigbus`] the handler, unless it is: another one (Python's faulthandler) may have been put before it.
pub(crate) fn install() -> io::Result<()> {
    let _installing = INSTALLING.lock().unwrap_or_else(PoisonError::into_inner);
    let mut current = MaybeUninit::uninit();
    // SAFETY: it fills `current` in, and changes nothing.
    if unsafe { libc::sigaction(libc::SIGBUS, ptr::null(), current.as_mut_ptr()) } != 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: it was filled in.
    let current: libc::sigaction = unsafe { current.assume_init() };
    let ours = on_sigbus as extern "C" fn(c_int, *mut libc::siginfo_t, *mut c_void) as usize;
    if current.sa_sigaction == ours {
        return Ok(());
    }
    // SAFETY: only `chain` reads it, when a handler of ours runs. One that runs now found no mapping of ours at the
    // address, which ends the process in any case.
    unsafe { (*EARLIER.0.get()).write(current) };
    let action = libc::sigaction {
        sa_sigaction: ours,
        // Whatever that one had blocked, and an alternative stack where there is one.
        sa_mask: current.sa_mask,
        sa_flags: libc::SA_SIGINFO | libc::SA_ONSTACK,
        sa_restorer: None,
    };
    // SAFETY: the handler is safe to run at any moment: it calls mmap() and sigaction(), and reads atomics.
    if unsafe { libc::sigaction(libc::SIGBUS, &action, ptr::null_mut()) } != 0 {
        return Err(io::Error::last_os_error());
    }
    Ok(())
}

extern "C" fn on_sigbus(signal: c_int, info: *mut libc::siginfo_t, context: *mut c_void) {
    // SAFETY: with SA_SIGINFO the kernel passes a siginfo_t, which has an address if its code says that it is a fault.
    let (code, address) = unsafe { ((*info).si_code, (*info).si_addr() as usize) };
    if code > 0 && fill(address) {
        return;
    }
    chain(signal, info, context, code > 0);
}

/// Puts zeroes in the place of the page at `address`, if that is in a mapping of ours.
fn fill(address: usize) -> bool {
    let Some((slot, page, len)) = slots::find(address) else {
        return false;
    };
    // SAFETY: errno is the thread's own, and the interrupted code's.
    let errno = unsafe { *libc::__errno_location() };
    slot.lose();
    // SAFETY: the pages belong to a mapping whose owner agreed to that (`Guard`), and who accesses it by atomic and
    // volatile operations only. They are private from now on; unmapping the whole takes them, too.
    let mapped = unsafe {
        libc::mmap(
            page as *mut c_void,
            len,
            libc::PROT_READ | libc::PROT_WRITE,
            libc::MAP_FIXED | libc::MAP_PRIVATE | libc::MAP_ANONYMOUS | libc::MAP_NORESERVE,
            -1,
            0,
        )
    };
    // SAFETY: as above.
    unsafe { *libc::__errno_location() = errno };
    mapped != libc::MAP_FAILED
}

/// Does what would have been done without us.
fn chain(signal: c_int, info: *mut libc::siginfo_t, context: *mut c_void, fault: bool) {
    // SAFETY: `install` wrote it before it made us the handler; all zeroes would be SIG_DFL.
    let earlier = unsafe { (*EARLIER.0.get()).assume_init() };
    let handler = earlier.sa_sigaction;
    // An earlier handler that restored this one and raised the signal again would go round in circles.
    let again = CHAINED.swap(true, Ordering::SeqCst);
    if again || handler == libc::SIG_DFL || (handler == libc::SIG_IGN && fault) {
        let default = libc::sigaction {
            sa_sigaction: libc::SIG_DFL,
            ..earlier
        };
        // SAFETY: no handler is left. A fault happens again on return; a signal that was sent does not.
        unsafe {
            libc::sigaction(signal, &default, ptr::null_mut());
            if !fault {
                libc::raise(signal);
            }
        }
        return;
    }
    if handler != libc::SIG_IGN {
        // SAFETY: whoever installed it said with SA_SIGINFO which of the two it is.
        unsafe {
            if earlier.sa_flags & libc::SA_SIGINFO != 0 {
                let handler: extern "C" fn(c_int, *mut libc::siginfo_t, *mut c_void) =
                    std::mem::transmute(handler);
                handler(signal, info, context);
            } else {
                let handler: extern "C" fn(c_int) = std::mem::transmute(handler);
                handler(signal);
            }
        }
    }
    CHAINED.store(false, Ordering::SeqCst);
}
