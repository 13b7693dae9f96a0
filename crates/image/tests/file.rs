//! Making, opening, refusing and sharing image files.

mod common;

use std::fs;
use std::os::unix::fs::FileExt;
use std::path::PathBuf;

use common::{geometry, pattern, read, ready, start, write, Disk};
use image::{inspect, random_identity, Cache, ErrorKind};
use tempfile::TempDir;
use zoned::{Condition, Geometry};

fn fresh() -> (TempDir, PathBuf) {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("disk.img");
    Disk::create(&path, &geometry(), &random_identity()).unwrap();
    (dir, path)
}

fn refusal(path: &std::path::Path) -> ErrorKind {
    let before = fs::read(path).unwrap();
    let error = Disk::open(path, Cache::Host).err().expect("a refusal");
    assert!(
        error.to_string().contains(path.to_str().unwrap()),
        "{error}"
    );
    assert!(!error.hint().is_empty());
    assert_eq!(inspect(path).unwrap_err().kind(), error.kind());
    assert!(fs::read(path).unwrap() == before, "the file was changed");
    error.kind()
}

#[test]
fn a_disk_is_what_it_was_made_as() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("disk.img");
    let identity = random_identity();
    Disk::create(&path, &geometry(), &identity).unwrap();
    let disk = Disk::open(&path, Cache::Host).unwrap();
    assert_eq!((disk.geometry(), disk.identity()), (&geometry(), &identity));
    let seen = inspect(&path).unwrap();
    assert_eq!((seen.uuid, seen.created), (disk.uuid(), disk.created()));
    assert!(seen.zones.iter().eq(disk.zones()));
    assert_eq!(seen.zones.len(), 17);
    assert_eq!(seen.zones.get(16).map(|zone| zone.len), Some(1024));
}

#[test]
fn state_survives_close_and_open() {
    let (_dir, path) = fresh();
    let disk = Disk::open(&path, Cache::Host).unwrap();
    ready(&disk);
    let data = pattern(8192, 1);
    write(&disk, start(2), &data);
    assert_eq!(disk.zones()[2].condition, Condition::ImplicitlyOpen);
    drop(disk);
    let disk = Disk::open(&path, Cache::Host).unwrap();
    ready(&disk);
    assert_eq!(disk.zones()[2].condition, Condition::Closed);
    assert_eq!(disk.zones()[2].write_pointer, Some(start(2) + 16));
    assert!(read(&disk, start(2), 16).1 == data);
}

#[test]
fn nothing_is_overwritten_and_nothing_left_behind() {
    let (dir, path) = fresh();
    let before = fs::read(&path).unwrap();
    let error = Disk::create(&path, &geometry(), &random_identity()).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Exists);
    assert!(fs::read(&path).unwrap() == before);
    let bad = Geometry {
        zone_blocks: 2047,
        ..geometry()
    };
    let error = Disk::create(&dir.path().join("bad"), &bad, &random_identity()).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Invalid);
    let missing = dir.path().join("no/such/dir.img");
    let error = Disk::create(&missing, &geometry(), &random_identity()).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotFound);
    assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1);
}

#[test]
fn one_user_at_a_time() {
    let (_dir, path) = fresh();
    assert_eq!(inspect(&path).unwrap().user, None);
    let disk = Disk::open(&path, Cache::Host).unwrap();
    let error = Disk::open(&path, Cache::Host).err().expect("a refusal");
    assert_eq!(error.kind(), ErrorKind::InUse);
    assert!(
        error.to_string().ends_with("is in use by this process"),
        "{error}"
    );
    assert_eq!(
        inspect(&path).unwrap().user.unwrap().pid,
        std::process::id()
    );
    drop(disk);
    Disk::open(&path, Cache::Host).unwrap();
}

#[test]
fn what_is_no_image_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    for (name, contents) in [
        ("empty", &b""[..]),
        ("text", b"hello"),
        ("zeroes", &[0; 10000]),
    ] {
        let path = dir.path().join(name);
        fs::write(&path, contents).unwrap();
        assert_eq!(refusal(&path), ErrorKind::NotAnImage);
    }
    let error = Disk::open(dir.path(), Cache::Host)
        .err()
        .expect("a refusal");
    assert_eq!(error.kind(), ErrorKind::NotAnImage);
    let error = Disk::open(&dir.path().join("missing"), Cache::Host)
        .err()
        .expect("a refusal");
    assert_eq!(error.kind(), ErrorKind::NotFound);
}

#[test]
fn a_truncated_image_is_refused() {
    let (_dir, path) = fresh();
    let file = fs::File::options().write(true).open(&path).unwrap();
    for length in [file.metadata().unwrap().len() - 1, 1 << 20, 4096, 4095, 8] {
        file.set_len(length).unwrap();
        assert_eq!(refusal(&path), ErrorKind::Truncated, "{length} bytes");
    }
}

#[test]
fn every_flipped_byte_of_the_header_is_found() {
    let (_dir, path) = fresh();
    let file = fs::File::options()
        .read(true)
        .write(true)
        .open(&path)
        .unwrap();
    let mut header = [0; 4096];
    file.read_exact_at(&mut header, 0).unwrap();
    for at in 0..header.len() {
        let mut damaged = header;
        damaged[at] ^= 0x10;
        file.write_all_at(&damaged, 0).unwrap();
        let expected = if at < 8 {
            ErrorKind::NotAnImage
        } else {
            ErrorKind::Corrupt
        };
        let error = Disk::open(&path, Cache::Host).err().expect("a refusal");
        assert_eq!(error.kind(), expected, "byte {at}");
        let mut after = [0; 4096];
        file.read_exact_at(&mut after, 0).unwrap();
        assert!(after == damaged, "byte {at}: the file was changed");
    }
}

#[test]
fn too_many_zones_are_refused() {
    let dir = tempfile::tempdir().unwrap();
    let geometry = Geometry {
        blocks: 1 << 35,
        zone_blocks: 8,
        ..geometry()
    };
    let error = Disk::create(&dir.path().join("disk.img"), &geometry, &random_identity());
    assert_eq!(error.unwrap_err().kind(), ErrorKind::Invalid);
}
