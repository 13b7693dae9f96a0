//! What a protocol saves in an image: it goes with the image, whatever is done to that, and is repaired.

use std::fs;
use std::os::unix::fs::FileExt;
use std::path::Path;

use image::{check, random_identity, repair, resize, snapshot, Cache, Disk};
use memory::Scatter;
use zoned::{Geometry, Kind, Operation, ZonedDisk, MOST_SAVED};

/// Where what is saved begins in an image of this geometry, and how long a half of it is: docs/image-format.md.
const SAVED: u64 = 3 * 4096 + (1 << 20) + 2 * 8192;
const HALF: u64 = 16 << 10;

fn geometry() -> Geometry {
    Geometry {
        kind: Kind::HostManaged,
        block_size: 4096,
        blocks: 16 * 256,
        zone_blocks: 256,
        conventional_zones: 2,
        max_open: Some(4),
        zone_capacity: None,
        max_active: None,
        unrestricted_reads: true,
        extension_bytes: 0,
    }
}

fn save(disk: &Disk, kind: u32, data: &[u8]) {
    let operation = Operation::Save { kind };
    let saved = disk.submit(operation.into(), &Scatter::from_bytes(data.to_vec()));
    saved.wait().unwrap().result.unwrap();
}

fn saved(path: &Path, kind: u32) -> Vec<u8> {
    Disk::open(path, Cache::Host).unwrap().saved(kind)
}

#[test]
fn what_is_saved_goes_with_the_image() {
    let dir = tempfile::tempdir().unwrap();
    let [path, copy] = ["disk.img", "copy.img"].map(|name| dir.path().join(name));
    Disk::create(&path, &geometry(), &random_identity()).unwrap();
    let disk = Disk::open(&path, Cache::Host).unwrap();
    assert_eq!(disk.saved(1), []);
    for kind in 1..=4 {
        save(&disk, kind, &[kind as u8; MOST_SAVED / 2]);
    }
    save(&disk, 5, &[5; MOST_SAVED]);
    save(&disk, 2, b"");
    assert_eq!(disk.saved(5), [5; MOST_SAVED]);
    drop(disk);
    assert_eq!(saved(&path, 1), [1; MOST_SAVED / 2]);
    assert_eq!(saved(&path, 2), []);
    snapshot(&path, &copy, false, &mut |_, _| true).unwrap();
    assert_eq!(saved(&copy, 5), [5; MOST_SAVED]);
    resize(&path, 64 << 20, &mut |_, _| true).unwrap();
    assert_eq!(saved(&path, 5), [5; MOST_SAVED]);
    assert_eq!(check(&path).unwrap(), []);
}

#[test]
fn a_half_that_does_not_check_is_found_and_emptied() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("disk.img");
    Disk::create(&path, &geometry(), &random_identity()).unwrap();
    let disk = Disk::open(&path, Cache::Host).unwrap();
    save(&disk, 1, b"first");
    save(&disk, 1, b"second");
    drop(disk);
    let file = fs::File::options().write(true).open(&path).unwrap();
    // The second generation is in the first half.
    file.write_all_at(&[0xFF], SAVED + 20).unwrap();
    let found = check(&path).unwrap();
    assert_eq!((found.len(), found[0].part), (1, "saved"));
    assert_eq!(saved(&path, 1), b"first");
    repair(&path, false).unwrap();
    assert_eq!(check(&path).unwrap(), []);
    assert_eq!(saved(&path, 1), b"first");
    file.write_all_at(&[0xFF], SAVED + HALF + 8).unwrap();
    repair(&path, false).unwrap();
    assert_eq!(saved(&path, 1), []);
}
