//! Copies stretches of a file to another, holes as holes.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;

use rustix::fs::{copy_file_range, seek, SeekFrom};
use rustix::io::Errno;

/// How much is copied at a time, and at least between two reports.
const STEP: u64 = 16 << 20;

/// A stretch of one file and its place in another, in bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Stretch {
    pub from: u64,
    pub to: u64,
    pub length: u64,
}

/// Told how many bytes are done and how many there are in all; an answer of false ends the copying.
pub type Progress<'a> = &'a mut dyn FnMut(u64, u64) -> bool;

/// Copies what `stretches` lists, every time the same; where `target` gets no data it has to be a hole already.
///
/// # Errors
/// `Interrupted` when `progress` says so.
pub(crate) fn copy<I: Iterator<Item = Stretch>>(
    source: &File,
    target: &File,
    stretches: impl Fn() -> I,
    progress: Progress<'_>,
) -> io::Result<()> {
    let total = stretches().map(|stretch| stretch.length).sum();
    let (mut done, mut told) = (0, 0);
    let mut tell = |more: u64| {
        done += more;
        // Not for each of a million small stretches.
        if done - told < STEP && done < total {
            return Ok(());
        }
        told = done;
        match progress(done, total) {
            true => Ok(()),
            false => Err(io::Error::from(io::ErrorKind::Interrupted)),
        }
    };
    for stretch in stretches() {
        let end = stretch.from + stretch.length;
        let mut at = stretch.from;
        while at < end {
            let (data, hole) = next_data(source, at, end)?;
            if data > at {
                tell(data - at)?;
            }
            at = data;
            while at < hole {
                let step = (hole - at).min(STEP);
                copy_data(source, at, target, at - stretch.from + stretch.to, step)?;
                at += step;
                tell(step)?;
            }
        }
    }
    Ok(())
}

/// Where data begin from `at` on, and where they end; both are `end` where there are none before.
pub(crate) fn next_data(file: &File, at: u64, end: u64) -> io::Result<(u64, u64)> {
    match seek(file, SeekFrom::Data(at)) {
        Ok(data) if data < end => Ok((data, seek(file, SeekFrom::Hole(data))?.min(end))),
        Ok(_) | Err(Errno::NXIO) => Ok((end, end)),
        // A file system that knows no holes.
        Err(Errno::INVAL | Errno::OPNOTSUPP) => Ok((at, end)),
        Err(error) => Err(error.into()),
    }
}

fn copy_data(source: &File, from: u64, target: &File, to: u64, length: u64) -> io::Result<()> {
    let (mut from, mut to) = (from, to);
    let end = from + length;
    while from < end {
        let left = (end - from) as usize;
        match copy_file_range(source, Some(&mut from), target, Some(&mut to), left) {
            Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
            Ok(_) | Err(Errno::INTR) => {}
            // Between file systems, or on one that cannot.
            Err(Errno::XDEV | Errno::INVAL | Errno::OPNOTSUPP | Errno::NOSYS) => {
                return copy_through_memory(source, from, target, to, end - from);
            }
            Err(error) => return Err(error.into()),
        }
    }
    Ok(())
}

fn copy_through_memory(
    source: &File,
    from: u64,
    target: &File,
    to: u64,
    length: u64,
) -> io::Result<()> {
    let mut buffer = vec![0; length.min(1 << 20) as usize];
    let mut done = 0;
    while done < length {
        let part = &mut buffer[..(length - done).min(1 << 20) as usize];
        source.read_exact_at(part, from + done)?;
        target.write_all_at(part, to + done)?;
        done += part.len() as u64;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::MetadataExt;

    fn files(length: u64) -> (File, File) {
        let [source, target] = [(); 2].map(|()| tempfile::tempfile().unwrap());
        source.set_len(length).unwrap();
        target.set_len(length).unwrap();
        (source, target)
    }

    #[test]
    fn holes_stay_holes_and_data_go_to_their_places() {
        let (source, target) = files(64 << 20);
        source.write_all_at(b"one", 1 << 20).unwrap();
        source.write_all_at(b"two", 40 << 20).unwrap();
        let stretch = Stretch {
            from: 1 << 20,
            to: 0,
            length: 40 << 20,
        };
        let mut told = Vec::new();
        let mut progress = |done, total| {
            told.push((done, total));
            true
        };
        copy(&source, &target, || [stretch].into_iter(), &mut progress).unwrap();
        let mut seen = [0; 3];
        target.read_exact_at(&mut seen, 0).unwrap();
        assert_eq!(&seen, b"one");
        target.read_exact_at(&mut seen, 39 << 20).unwrap();
        assert_eq!(&seen, b"two");
        assert!(target.metadata().unwrap().blocks() * 512 < 1 << 20);
        assert_eq!(told.last(), Some(&(40 << 20, 40 << 20)));
    }

    #[test]
    fn data_go_through_memory_where_the_kernel_cannot_copy() {
        let (source, target) = files(3 << 20);
        let data: Vec<u8> = (0..3u32 << 20).map(|i| (i >> 7) as u8).collect();
        source.write_all_at(&data, 0).unwrap();
        copy_through_memory(&source, 5, &target, 5, (3 << 20) - 5).unwrap();
        let mut seen = vec![0; data.len() - 5];
        target.read_exact_at(&mut seen, 5).unwrap();
        assert!(seen == data[5..]);
    }

    #[test]
    fn a_copy_ends_when_it_is_told_to() {
        let (source, target) = files(1 << 20);
        let stretch = Stretch {
            from: 0,
            to: 0,
            length: 1 << 20,
        };
        let error = copy(&source, &target, || [stretch].into_iter(), &mut |_, _| {
            false
        })
        .unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::Interrupted);
    }
}
