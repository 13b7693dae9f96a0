//! What is done to an image that nobody uses: checked, repaired, copied, exported, its zones set.

mod common;

use std::fs;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use common::{cdb16, geometry, pattern, read, ready, run, start, write, Disk};
use image::{
    check, export, inspect, random_identity, repair, resize, restore, set_zones, snapshot,
};
use image::{Cache, ErrorKind, Finding};
use scsi::Status;
use tempfile::TempDir;
use zoned::{Condition, Zone};

const PAGE: usize = 4096;
const TABLE: usize = 2 * PAGE;
const STAMP: usize = 3 * PAGE;
const JOURNAL: usize = STAMP + PAGE;
const CHECKPOINTS: [usize; 2] = [STAMP + (1 << 20), STAMP + (1 << 20) + 2 * PAGE];
const TABLE_BYTES: usize = 17 * 8;
const DATA: u64 = 2 << 20;

fn open(path: &Path) -> Disk {
    let disk = Disk::open(path, Cache::Host).unwrap();
    ready(&disk);
    disk
}

fn fresh() -> (TempDir, PathBuf) {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("disk.img");
    Disk::create(&path, &geometry(), &random_identity()).unwrap();
    (dir, path)
}

/// An image with data in zones 0, 2 and 3, and its zones.
fn used() -> (TempDir, PathBuf, Vec<Zone>) {
    let (dir, path) = fresh();
    let disk = open(&path);
    for zone in [0, 2, 3] {
        write(&disk, start(zone), &pattern(8192, zone as u32));
    }
    drop(disk);
    let zones = zones_of(&path);
    (dir, path, zones)
}

fn zones_of(path: &Path) -> Vec<Zone> {
    inspect(path).unwrap().zones.iter().collect()
}

fn holds_its_data(path: &Path) {
    let disk = open(path);
    for zone in [0, 2, 3] {
        assert_eq!(read(&disk, start(zone), 16).1, pattern(8192, zone as u32));
    }
}

fn damage(path: &Path, offsets: &[usize]) {
    let mut bytes = fs::read(path).unwrap();
    for &at in offsets {
        bytes[at] ^= 0x10;
    }
    fs::write(path, bytes).unwrap();
}

fn parts(findings: &[Finding]) -> Vec<&'static str> {
    findings.iter().map(|finding| finding.part).collect()
}

/// A file's first bytes, which hold all state, and its length: enough to see a change.
fn state_of(path: &Path) -> (Vec<u8>, u64) {
    let file = fs::File::open(path).unwrap();
    let length = file.metadata().unwrap().len();
    let mut bytes = vec![0; length.min(DATA) as usize];
    file.read_exact_at(&mut bytes, 0).unwrap();
    (bytes, length)
}

#[test]
fn a_whole_image_has_no_findings() {
    let (_dir, path) = fresh();
    assert_eq!(check(&path).unwrap(), []);
    let (_dir, path, _) = used();
    let before = state_of(&path);
    assert_eq!(check(&path).unwrap(), []);
    assert_eq!(repair(&path, false).unwrap(), []);
    assert!(state_of(&path) == before);
}

#[test]
fn every_flipped_byte_of_header_and_state_is_found_and_mended() {
    let (_dir, path, zones) = used();
    let whole = fs::read(&path).unwrap();
    let state = &whole[..DATA as usize];
    for (at, part) in [
        (0..250, "header"),
        (PAGE - 4..PAGE, "header"),
        (PAGE..PAGE + 40, "header copy"),
        (TABLE..TABLE + TABLE_BYTES, "live table"),
        (STAMP..STAMP + 28, "stamp"),
        (CHECKPOINTS[0]..CHECKPOINTS[0] + 24, "checkpoint A"),
        (CHECKPOINTS[1]..CHECKPOINTS[1] + 24, "checkpoint B"),
    ]
    .into_iter()
    .flat_map(|(range, part)| range.map(move |at| (at, part)))
    {
        let mut damaged = state.to_vec();
        damaged[at] ^= 0x10;
        overwrite(&path, &damaged);
        let findings = check(&path).unwrap();
        assert!(parts(&findings).contains(&part), "byte {at}: {findings:?}");
        assert_eq!(repair(&path, true).unwrap(), findings);
        assert!(
            state_of(&path).0 == damaged,
            "byte {at}: check or dry run wrote"
        );
        assert_eq!(repair(&path, false).unwrap(), findings);
        assert_eq!(check(&path).unwrap(), [], "byte {at}");
        assert_eq!(zones_of(&path), zones, "byte {at}");
    }
    holds_its_data(&path);
}

/// Writes an image's first bytes, and leaves the rest as it is.
fn overwrite(path: &Path, bytes: &[u8]) {
    let file = fs::OpenOptions::new().write(true).open(path).unwrap();
    file.write_all_at(bytes, 0).unwrap();
}

#[test]
fn a_flipped_byte_of_the_journal_is_found_or_does_no_harm() {
    let (_dir, path, zones) = used();
    let state = state_of(&path).0;
    for at in (JOURNAL..JOURNAL + 24).chain(JOURNAL + 512..JOURNAL + 552) {
        let mut damaged = state.clone();
        damaged[at] ^= 0x10;
        overwrite(&path, &damaged);
        repair(&path, false).unwrap();
        assert_eq!(zones_of(&path), zones, "byte {at}");
    }
}

#[test]
fn both_checkpoints_are_made_anew_from_the_live_table() {
    let (_dir, path, zones) = used();
    damage(&path, &CHECKPOINTS);
    let error = Disk::open(&path, Cache::Host).err().unwrap();
    assert_eq!(error.kind(), ErrorKind::Corrupt);
    let done = repair(&path, false).unwrap();
    assert_eq!(parts(&done), ["checkpoint A", "checkpoint B", "journal"]);
    assert_eq!(zones_of(&path), zones);
    holds_its_data(&path);
}

#[test]
fn what_cannot_be_known_is_refused_and_not_changed() {
    let headers = [0, PAGE + 8];
    let state = [CHECKPOINTS[0], CHECKPOINTS[1], TABLE + 24 + 6];
    for (ranges, named) in [(&headers[..], "header"), (&state[..], "journal")] {
        let (_dir, path, _) = used();
        damage(&path, ranges);
        let before = state_of(&path);
        match check(&path) {
            Ok(findings) => assert!(findings.iter().any(|finding| finding.cure.is_none())),
            Err(error) => assert_eq!(error.kind(), ErrorKind::NotAnImage),
        }
        let error = repair(&path, false).unwrap_err();
        assert!(matches!(
            error.kind(),
            ErrorKind::Corrupt | ErrorKind::NotAnImage
        ));
        assert!(error.kind() == ErrorKind::NotAnImage || error.to_string().contains(named));
        assert!(state_of(&path) == before);
    }
}

#[test]
fn a_zone_whose_live_word_is_lost_is_what_was_stable() {
    let (dir, path) = fresh();
    let disk = open(&path);
    write(&disk, start(2), &pattern(8192, 2));
    run(&disk, &cdb16(0x91, 0, 0, 0), &[], 0);
    write(&disk, start(2) + 16, &pattern(8192, 2));
    write(&disk, start(3), &pattern(8192, 3));
    let killed = dir.path().join("killed.img");
    fs::copy(&path, &killed).unwrap();
    drop(disk);
    damage(&killed, &[TABLE + 16 + 6]);
    let findings = check(&killed).unwrap();
    assert_eq!(
        (parts(&findings), findings[0].zone),
        (vec!["live table"], Some(2))
    );
    repair(&killed, false).unwrap();
    let disk = open(&killed);
    let pointers = [2, 3].map(|zone: usize| disk.zones()[zone].write_pointer);
    assert_eq!(pointers, [Some(start(2) + 16), Some(start(3) + 16)]);
}

#[test]
fn a_file_cut_at_any_length_is_refused_or_mended() {
    let (_dir, path, zones) = used();
    let whole = fs::read(&path).unwrap();
    // Zone 3, the last with data, has the third slot.
    let needed = DATA + 2 * (1 << 20) + 8192;
    let lengths = (0..DATA + 8192)
        .step_by(2039)
        .chain((DATA..whole.len() as u64).step_by(40_961));
    for length in lengths.chain([needed - 1, needed, whole.len() as u64 - 1]) {
        fs::write(&path, &whole[..length as usize]).unwrap();
        assert!(Disk::open(&path, Cache::Host).is_err(), "{length}");
        let mended = repair(&path, false);
        assert_eq!(mended.is_ok(), length >= needed, "{length}: {mended:?}");
        if length >= needed {
            assert_eq!(zones_of(&path), zones, "{length}");
            assert_eq!(fs::metadata(&path).unwrap().len(), whole.len() as u64);
        } else {
            assert_eq!(fs::metadata(&path).unwrap().len(), length, "it was changed");
        }
    }
    holds_its_data(&path);
}

#[test]
fn an_image_in_use_is_left_alone() {
    let (dir, path) = fresh();
    let disk = open(&path);
    let other = dir.path().join("other");
    let told = &mut |_, _| true;
    let refusals = [
        check(&path).map(|_| ()).unwrap_err(),
        repair(&path, true).map(|_| ()).unwrap_err(),
        snapshot(&path, &other, false, told).unwrap_err(),
        restore(&path, &other, told).unwrap_err(),
        export(&path, &other, told).unwrap_err(),
        set_zones(&path, 2..=2, Condition::Full, None).unwrap_err(),
    ];
    for error in refusals {
        assert_eq!(error.kind(), ErrorKind::InUse);
    }
    assert_eq!(
        fs::read_dir(dir.path()).unwrap().count(),
        1,
        "something was left"
    );
    drop(disk);
}

#[test]
fn a_snapshot_is_a_disk_of_its_own_that_says_it_is_the_same() {
    let (dir, path, zones) = used();
    let [same, other] = ["same", "other"].map(|name| dir.path().join(name));
    snapshot(&path, &same, false, &mut |_, _| true).unwrap();
    snapshot(&path, &other, true, &mut |_, _| true).unwrap();
    let [path_is, same_is, other_is] = [&path, &same, &other].map(|path| inspect(path).unwrap());
    assert!(same_is.zones.iter().eq(zones));
    assert_eq!(same_is.identity, path_is.identity);
    assert_ne!(same_is.uuid, path_is.uuid);
    assert_ne!(other_is.identity.serial, path_is.identity.serial);
    assert_ne!(other_is.identity.wwn, path_is.identity.wwn);
    holds_its_data(&same);
    assert_eq!(check(&same).unwrap(), []);
    assert!(same_is.allocated < 8 << 20, "holes were filled");
    let error = snapshot(&path, &same, false, &mut |_, _| true).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Exists);
}

#[test]
fn a_copy_that_is_stopped_leaves_nothing() {
    let (dir, path, _) = used();
    let new = dir.path().join("new");
    export(&path, &new, &mut |_, _| false).unwrap_err();
    assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1);
}

#[test]
fn a_restore_brings_back_what_a_snapshot_holds() {
    let (dir, path, zones) = used();
    let kept = dir.path().join("kept");
    snapshot(&path, &kept, false, &mut |_, _| true).unwrap();
    let disk = open(&path);
    run(&disk, &cdb16(0x94, 4, start(2), 0), &[], 0);
    write(&disk, start(5), &pattern(8192, 9));
    drop(disk);
    restore(&kept, &path, &mut |_, _| true).unwrap();
    assert_eq!(zones_of(&path), zones);
    holds_its_data(&path);
    assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 2);

    let note = dir.path().join("note");
    fs::write(&note, "not an image").unwrap();
    let error = restore(&kept, &note, &mut |_, _| true).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotAnImage);
    assert_eq!(fs::read(&note).unwrap(), b"not an image");
}

#[test]
fn an_export_is_what_a_guest_would_read() {
    let (dir, path, _) = used();
    // Below its write pointer on the host, and not to be read any more.
    set_zones(&path, 3..=3, Condition::Offline, None).unwrap();
    let raw = dir.path().join("raw");
    export(&path, &raw, &mut |_, _| true).unwrap();
    let bytes = fs::read(&raw).unwrap();
    assert_eq!(bytes.len() as u64, geometry().bytes());
    let mut expected = vec![0; bytes.len()];
    for zone in [0, 2] {
        let at = start(zone) as usize * 512;
        expected[at..at + 8192].copy_from_slice(&pattern(8192, zone as u32));
    }
    assert!(bytes == expected);
    let error = export(&path, &raw, &mut |_, _| true).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Exists);
}

#[test]
fn zones_are_brought_into_any_condition() {
    let (_dir, path, _) = used();
    let set = |zones, condition, bytes| set_zones(&path, zones, condition, bytes).unwrap();
    set(2..=2, Condition::Empty, None);
    set(3..=3, Condition::Full, None);
    set(4..=6, Condition::Closed, Some(12288));
    set(7..=7, Condition::ReadOnly, None);
    set(8..=16, Condition::Offline, None);
    assert_eq!(check(&path).unwrap(), []);
    let disk = open(&path);
    let zones = disk.zones();
    for (zone, condition) in [
        (0, Condition::NotWritePointer),
        (1, Condition::NotWritePointer),
        (2, Condition::Empty),
        (3, Condition::Full),
        (4, Condition::Closed),
        (6, Condition::Closed),
        (7, Condition::ReadOnly),
        (16, Condition::Offline),
    ] {
        assert_eq!(zones[zone].condition, condition, "zone {zone}");
    }
    assert_eq!(zones[5].write_pointer, Some(start(5) + 24));
    assert_eq!(read(&disk, start(5), 24).1, [0; 12288]);
    let full = read(&disk, start(3), 32).1;
    assert_eq!(
        (&full[..8192], &full[8192..]),
        (&pattern(8192, 3)[..], &[0; 8192][..])
    );
    let (refused, _) = read(&disk, start(16), 8);
    assert_eq!(refused.completion.status, Status::CheckCondition);
    drop(disk);
    // What was written before a zone was emptied does not come back with a write pointer.
    set(2..=2, Condition::Closed, Some(4096));
    set(8..=16, Condition::Empty, None);
    assert_eq!(read(&open(&path), start(2), 8).1, [0; 4096]);
}

#[test]
fn zones_cannot_be_what_they_never_are() {
    let (_dir, path, zones) = used();
    for (range, condition, bytes) in [
        (0..=0, Condition::Empty, None),
        (0..=0, Condition::ReadOnly, Some(4096)),
        (0..=0, Condition::ReadOnly, None),
        (1..=2, Condition::Offline, None),
        (2..=2, Condition::NotWritePointer, None),
        (5..=5, Condition::Closed, None),
        (2..=2, Condition::Closed, Some(512)),
        (2..=2, Condition::Closed, Some(1 << 20)),
        (2..=2, Condition::Full, Some(2 << 20)),
        (2..=17, Condition::Full, None),
        (1..=2, Condition::Full, None),
    ] {
        let error = set_zones(&path, range, condition, bytes).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Invalid, "{error}");
        assert!(!error.hint().is_empty());
    }
    assert_eq!(zones_of(&path), zones);
}

#[test]
fn a_conventional_zone_that_failed_can_be_mended() {
    let (_dir, path) = fresh();
    open(&path).take_offline(0..1).unwrap();
    assert_eq!(open(&path).zones()[0].condition, Condition::Offline);
    set_zones(&path, 0..=0, Condition::NotWritePointer, None).unwrap();
    assert_eq!(open(&path).zones()[0].condition, Condition::NotWritePointer);
}

#[test]
fn setting_a_zone_keeps_what_a_killed_process_left_in_others() {
    let (dir, path) = fresh();
    let disk = open(&path);
    write(&disk, start(3), &pattern(8192, 3));
    let killed = dir.path().join("killed.img");
    fs::copy(&path, &killed).unwrap();
    drop(disk);
    set_zones(&killed, 9..=9, Condition::Full, None).unwrap();
    assert_eq!(read(&open(&killed), start(3), 16).1, pattern(8192, 3));
}

#[test]
fn a_resized_disk_keeps_what_it_holds() {
    let (dir, path, zones) = used();
    let zone = 1 << 20;
    resize(&path, 1024 * zone, &mut |_, _| true).unwrap();
    let grown = zones_of(&path);
    assert_eq!(grown.len(), 1024);
    assert_eq!(grown[..16], zones[..16]);
    assert_eq!(grown[16].len, 2048);
    assert_eq!(check(&path).unwrap(), []);
    holds_its_data(&path);
    resize(&path, 4 * zone, &mut |_, _| true).unwrap();
    assert_eq!(zones_of(&path), zones[..4]);
    holds_its_data(&path);
    for size in [3 * zone, 3 * zone + 4096, 0, 4 * zone + 512] {
        let error = resize(&path, size, &mut |_, _| true).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Invalid, "{error}");
    }
    holds_its_data(&path);
    assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1);
}
