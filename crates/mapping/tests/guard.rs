//! A mapped file is cut, and the process lives.
#![allow(missing_docs)]

use std::fs::File;
use std::os::unix::process::ExitStatusExt;
use std::process::Command;
use std::ptr;
use std::sync::atomic::{AtomicU64, Ordering};

use mapping::Guard;
use rustix::fs::{memfd_create, MemfdFlags};
use rustix::mm::{mmap, MapFlags, ProtFlags};

/// Set in a process that runs one test alone.
const ALONE: &str = "ZONEVM_TEST_ALONE";
const PAGE: usize = 4096;
const WORDS: usize = PAGE / 8;

fn file(pages: usize) -> File {
    let file = File::from(memfd_create("mapped", MemfdFlags::CLOEXEC).unwrap());
    file.set_len((pages * PAGE) as u64).unwrap();
    file
}

/// Maps the file, for as long as the process lives.
fn map(file: &File, pages: usize) -> &'static [AtomicU64] {
    let protection = ProtFlags::READ | ProtFlags::WRITE;
    // SAFETY: a new mapping, which is never unmapped.
    unsafe {
        let base = mmap(
            ptr::null_mut(),
            pages * PAGE,
            protection,
            MapFlags::SHARED,
            file,
            0,
        );
        std::slice::from_raw_parts(base.unwrap().cast(), pages * WORDS)
    }
}

fn guard(words: &[AtomicU64]) -> Guard {
    // SAFETY: the mapping stays, and is accessed by atomics.
    unsafe { Guard::new(words.as_ptr().cast(), size_of_val(words)) }.unwrap()
}

#[test]
fn what_was_cut_off_reads_as_zeroes_and_raises_the_flag() {
    let file = file(4);
    let words = map(&file, 4);
    let guard = guard(words);
    words
        .iter()
        .for_each(|word| word.store(7, Ordering::SeqCst));
    assert!(!guard.lost());
    file.set_len(PAGE as u64).unwrap();
    assert!(!guard.lost(), "before it is accessed");
    assert_eq!(words[2 * WORDS].load(Ordering::SeqCst), 0);
    assert!(guard.lost());
    words[3 * WORDS].store(9, Ordering::SeqCst);
    assert_eq!(words[3 * WORDS].load(Ordering::SeqCst), 9);
    assert_eq!(words[0].load(Ordering::SeqCst), 7, "what is there is kept");
}

#[test]
fn a_flag_is_of_its_own_mapping() {
    let (cut, whole) = (file(1), file(1));
    let (lost, kept) = (map(&cut, 1), map(&whole, 1));
    let (first, second) = (guard(lost), guard(kept));
    cut.set_len(0).unwrap();
    lost[0].store(1, Ordering::SeqCst);
    assert!(first.lost() && !second.lost());
    drop(first);
    assert!(!guard(lost).lost(), "a new guard in the same place");
}

#[test]
fn an_access_without_a_guard_ends_the_process() {
    let name = "an_access_without_a_guard_ends_the_process";
    if std::env::var_os(ALONE).is_none() {
        let mut child = Command::new(std::env::current_exe().unwrap());
        child.args([name, "--exact"]).env(ALONE, "1");
        let ended = child.output().unwrap().status.signal();
        assert_eq!(ended, Some(libc::SIGBUS), "as without any guard");
        return;
    }
    let (guarded, file) = (file(1), file(1));
    let (_guard, words) = (guard(map(&guarded, 1)), map(&file, 1));
    file.set_len(0).unwrap();
    words[0].load(Ordering::SeqCst);
}
