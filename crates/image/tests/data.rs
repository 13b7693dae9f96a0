//! Data goes to the medium and comes back, however the buffers are cut.

mod common;

use common::{
    cdb16, geometry, pattern, read, ready, run, scattered, sense, start, temporary, write, Disk,
};
use image::Cache;
use memory::Scatter;
use scsi::Status;
use zoned::{Condition, Data};

#[test]
fn what_is_written_reads_back_and_the_rest_is_zeroes() {
    let disk = temporary();
    let data = pattern(8192, 1);
    for lba in [0, start(2)] {
        assert_eq!(write(&disk, lba, &data).completion.status, Status::Good);
        let (outcome, back) = read(&disk, lba, 32);
        assert_eq!(outcome.completion.status, Status::Good);
        assert_eq!(&back[..8192], data);
        assert_eq!(&back[8192..], [0; 8192]);
    }
}

#[test]
fn many_odd_sized_pieces_make_one_transfer() {
    let disk = temporary();
    let data = pattern(1 << 20, 2);
    let mut left = data.len();
    let sizes = [1, 0, 511, 3, 4096, 77, 0, 1000].into_iter().cycle();
    let sizes: Vec<usize> = sizes
        .map_while(|size: usize| {
            let size = size.min(left);
            (left > 0).then(|| left -= size)?;
            Some(size)
        })
        .collect();
    assert!(sizes.len() > 1024, "more pieces than one system call takes");
    let out = scattered(sizes);
    assert_eq!(out.write(0, &data), data.len());
    let outcome = disk.execute(&cdb16(0x8a, 0, start(3), 2048), out, Scatter::default());
    assert_eq!(
        (outcome.completion.status, outcome.consumed),
        (Status::Good, 1 << 20)
    );

    let sizes = (0..1usize << 20).step_by(333);
    let into = scattered(sizes.map(|at| 333.min((1 << 20) - at)));
    let outcome = disk.execute(
        &cdb16(0x88, 0, start(3), 2048),
        Scatter::default(),
        into.clone(),
    );
    assert_eq!(
        (outcome.completion.status, outcome.written),
        (Status::Good, 1 << 20)
    );
    let back = into.to_vec(1 << 20);
    assert!(back == pattern(1 << 20, 2));
    assert_eq!(disk.zones()[3].condition, Condition::Full);
}

#[test]
fn a_buffer_that_is_too_small_is_an_overrun_and_nothing_happens() {
    let disk = temporary();
    let (outcome, _) = run(&disk, &cdb16(0x8a, 0, start(2), 16), &[1; 4096], 0);
    assert!(outcome.overrun);
    assert_eq!((outcome.written, outcome.consumed), (0, 0));
    assert_eq!(disk.zones()[2].condition, Condition::Empty);
}

#[test]
fn write_same_repeats_its_block() {
    let disk = temporary();
    let block = pattern(512, 3);
    for lba in [1, start(2)] {
        let (outcome, _) = run(&disk, &cdb16(0x93, 0, lba, 1600), &block, 0);
        assert_eq!(outcome.completion.status, Status::Good);
        let (_, back) = read(&disk, lba, 1600);
        assert!(back == block.repeat(1600));
    }
}

#[test]
fn write_same_of_zeroes_clears_and_takes_no_space() {
    let disk = temporary();
    write(&disk, 0, &pattern(1 << 20, 4));
    let (outcome, _) = run(&disk, &cdb16(0x93, 0, 3, 1000), &[0; 512], 0);
    assert_eq!(outcome.completion.status, Status::Good);
    let (_, back) = read(&disk, 0, 2048);
    let mut expected = pattern(1 << 20, 4);
    expected[3 * 512..1003 * 512].fill(0);
    assert!(back == expected);
}

#[test]
fn verify_compares_and_names_the_first_difference() {
    let disk = temporary();
    let mut data = pattern(600 * 1024, 5);
    write(&disk, start(2), &data);
    let verify = cdb16(0x8f, 2, start(2), 1200);
    let (outcome, _) = run(&disk, &verify, &data, 0);
    assert_eq!(outcome.completion.status, Status::Good);
    data[300_000] ^= 1;
    let (outcome, _) = run(&disk, &verify, &data, 0);
    assert_eq!(outcome.completion.status, Status::CheckCondition);
    assert_eq!(sense(&outcome), (0xe, 0x1d, 0));
}

#[test]
fn a_zone_that_was_reset_reads_as_zeroes_and_gives_its_space_back() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("disk.img");
    Disk::create(&path, &geometry(), &image::random_identity()).unwrap();
    let before = image::inspect(&path).unwrap().allocated;
    let disk = Disk::open(&path, Cache::Host).unwrap();
    ready(&disk);
    write(&disk, start(2), &pattern(1 << 20, 6));
    assert!(image::inspect(&path).unwrap().allocated >= before + (1 << 20));
    let mut reset = cdb16(0x94, 4, start(2), 0);
    reset[10..].fill(0);
    let (outcome, _) = run(&disk, &reset, &[], 0);
    assert_eq!(outcome.completion.status, Status::Good);
    assert_eq!(disk.zones()[2].condition, Condition::Empty);
    let (_, back) = read(&disk, start(2), 2048);
    assert!(back.iter().all(|byte| *byte == 0));
    assert!(image::inspect(&path).unwrap().allocated <= before + 65536);
}

#[test]
fn a_file_cut_short_below_its_data_is_a_medium_error() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("disk.img");
    Disk::create(&path, &geometry(), &image::random_identity()).unwrap();
    let disk = Disk::open(&path, Cache::Host).unwrap();
    ready(&disk);
    write(&disk, 0, &pattern(4096, 7));
    let file = std::fs::File::options().write(true).open(&path).unwrap();
    let length = file.metadata().unwrap().len();
    // Its slot is all that there is of data.
    file.set_len(length - (1 << 20) + 2048).unwrap();
    let (outcome, back) = read(&disk, 0, 8);
    assert_eq!(sense(&outcome), (3, 0x11, 0));
    assert_eq!(
        back,
        &pattern(4096, 7)[..2048],
        "what was there has arrived"
    );
}

/// Cuts an image in use as `cut` has it, by its length; the disk that used it, and the error of a read of zone 5.
fn cut(to: impl FnOnce(u64) -> u64) -> (tempfile::TempDir, Disk) {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("disk.img");
    Disk::create(&path, &geometry(), &image::random_identity()).unwrap();
    let disk = Disk::open(&path, Cache::Host).unwrap();
    ready(&disk);
    write(&disk, start(5), &pattern(4096, 5));
    let file = std::fs::File::options().write(true).open(&path).unwrap();
    file.set_len(to(file.metadata().unwrap().len())).unwrap();
    (dir, disk)
}

const LOST: (u8, u8, u8) = (4, 0x44, 0);

#[test]
fn an_image_cut_below_its_zone_state_is_a_hardware_error_from_then_on() {
    let (dir, disk) = cut(|_| 0);
    for _ in 0..2 {
        assert_eq!(sense(&read(&disk, start(5), 8).0), LOST);
        assert_eq!(sense(&write(&disk, start(5) + 8, &pattern(4096, 6))), LOST);
        assert_eq!(
            sense(&run(&disk, &[0x35, 0, 0, 0, 0, 0, 0, 0, 0, 0], &[], 0).0),
            LOST
        );
    }
    assert!(disk.is_lost());
    assert!(disk.sync().is_err());
    assert!(disk.make_read_only(6..7).is_err());
    drop(disk);
    let left = dir.path().join("disk.img").metadata().unwrap().len();
    assert_eq!(left, 0, "nothing is written to what is left");
}

#[test]
fn an_image_cut_within_its_data_is_a_hardware_error_after_the_next_flush() {
    let (dir, disk) = cut(|length| length - (1 << 20));
    assert!(!disk.is_lost());
    assert!(disk.sync().is_err());
    assert!(disk.is_lost());
    // What a write makes of the file again does not bring its data back.
    let path = dir.path().join("disk.img");
    let file = std::fs::File::options().write(true).open(&path).unwrap();
    file.set_len(1 << 30).unwrap();
    assert_eq!(sense(&read(&disk, start(5), 8).0), LOST);
    assert!(disk.sync().is_err());
}

#[test]
fn a_zone_that_is_written_first_does_not_hide_a_cut() {
    let (_dir, disk) = cut(|length| length - (1 << 20));
    let outcome = write(&disk, start(6), &pattern(4096, 6));
    assert_eq!(sense(&outcome), (3, 0x0C, 0));
    assert!(disk.sync().is_err());
    assert!(disk.is_lost());
}
