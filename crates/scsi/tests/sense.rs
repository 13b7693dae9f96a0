//! Every situation that a host-managed disk answers with an error, by sense key, code and qualifier.

mod common;

use command::Unit;
use common::*;
use zoned::{Condition, Failed};

/// The first LBA of a zone of [`small`].
fn start(zone: u64) -> u64 {
    zone * 64
}

#[test]
fn a_write_not_at_the_write_pointer_is_refused() {
    let disk = Disk::new(small());
    assert_eq!(disk.write_blocks(start(4) + 8, 8, 1).sense(), "5/21/04");
    disk.write_blocks(start(4), 8, 1).good();
    assert_eq!(disk.write_blocks(start(4), 8, 1).sense(), "5/21/04");
    assert_eq!(disk.zone(4).write_pointer, Some(start(4) + 8));
}

#[test]
fn a_write_to_a_sequential_zone_ends_on_a_physical_block() {
    let disk = Disk::new(small());
    assert_eq!(disk.write_blocks(start(4), 7, 1).sense(), "5/21/04");
    assert_eq!(disk.condition(4), Condition::Empty);
}

#[test]
fn a_write_does_not_cross_the_end_of_its_zone() {
    let disk = Disk::new(small());
    assert_eq!(disk.write_blocks(start(4), 72, 1).sense(), "5/21/05");
}

#[test]
fn a_write_does_not_cross_from_conventional_to_sequential() {
    let disk = Disk::new(small());
    assert_eq!(disk.write_blocks(start(4) - 8, 16, 1).sense(), "5/21/05");
}

#[test]
fn a_write_crosses_conventional_zones() {
    let disk = Disk::new(small());
    disk.write_blocks(start(1) - 3, 7, 0xA5).good();
    assert_eq!(
        disk.run(&read16(start(1) - 3, 7)).good(),
        vec![0xA5; 7 * 512]
    );
}

#[test]
fn a_full_zone_takes_no_write() {
    let disk = Disk::new(small());
    disk.write_blocks(start(4), 64, 1).good();
    assert_eq!(disk.condition(4), Condition::Full);
    assert_eq!(disk.write_blocks(start(4), 8, 1).sense(), "5/24/00");
}

#[test]
fn reads_at_and_past_the_write_pointer_and_across_zones_give_zeroes() {
    let disk = Disk::new(small());
    disk.write_blocks(start(4), 8, 0x11).good();
    disk.write_blocks(start(5), 8, 0x22).good();
    let data = disk.run(&read16(start(4), 128)).good();
    assert_eq!(data[..8 * 512], [0x11; 8 * 512]);
    assert_eq!(data[8 * 512..64 * 512], [0; 56 * 512]);
    assert_eq!(data[64 * 512..72 * 512], [0x22; 8 * 512]);
    assert_eq!(data[72 * 512..], [0; 56 * 512]);
}

#[test]
fn too_many_open_zones() {
    let disk = Disk::new(small());
    for zone in 4..7 {
        disk.run(&zone_out(OPEN, start(zone))).good();
    }
    assert_eq!(disk.run(&zone_out(OPEN, start(7))).sense(), "7/55/0E");
    assert_eq!(disk.write_blocks(start(7), 8, 1).sense(), "7/55/0E");
    assert_eq!(disk.condition(7), Condition::Empty);
}

#[test]
fn zone_operations_name_the_start_of_a_sequential_zone() {
    let disk = Disk::new(small());
    for action in [OPEN, CLOSE, FINISH, RESET] {
        assert_eq!(disk.run(&zone_out(action, start(4) + 8)).sense(), "5/24/00");
        assert_eq!(disk.run(&zone_out(action, start(0))).sense(), "5/24/00");
        assert_eq!(
            disk.run(&zone_out(action, small().blocks)).sense(),
            "5/21/00"
        );
        disk.run(&zone_out_all(action)).good();
    }
    assert_eq!(
        disk.run(&report_zones(small().blocks, 64, 0)).sense(),
        "5/21/00"
    );
}

#[test]
fn an_offline_zone_is_neither_read_written_nor_managed() {
    let words = fresh(&small());
    words[5].store(
        word(Condition::Offline, 0).to_le(),
        std::sync::atomic::Ordering::Relaxed,
    );
    words[1].store(
        word(Condition::Offline, 0).to_le(),
        std::sync::atomic::Ordering::Relaxed,
    );
    let disk = Disk::with_words(small(), words);
    disk.run(&[0; 6]);
    for zone in [1, 5] {
        assert_eq!(disk.run(&read16(start(zone), 8)).sense(), "7/2C/0E");
        assert_eq!(disk.run(&read16(start(zone) - 8, 16)).sense(), "7/2C/0E");
        assert_eq!(disk.write_blocks(start(zone), 8, 1).sense(), "7/2C/0E");
    }
    for action in [OPEN, CLOSE, FINISH, RESET] {
        assert_eq!(disk.run(&zone_out(action, start(5))).sense(), "7/2C/0E");
        disk.run(&zone_out_all(action)).good();
    }
    assert_eq!(disk.condition(5), Condition::Offline);
}

#[test]
fn a_read_only_zone_is_only_read() {
    let words = fresh(&small());
    words[5].store(
        word(Condition::ReadOnly, 1).to_le(),
        std::sync::atomic::Ordering::Relaxed,
    );
    let disk = Disk::with_words(small(), words);
    disk.run(&[0; 6]);
    disk.ram.poke(start(5) * 512, &[0x77; 64 * 512]);
    let data = disk.run(&read16(start(5), 64)).good();
    assert_eq!(data[..4096], [0x77; 4096]);
    assert_eq!(
        data[4096..],
        [0; 56 * 512],
        "what was not written is not read"
    );
    assert_eq!(disk.write_blocks(start(5) + 8, 8, 1).sense(), "7/27/08");
    for action in [OPEN, CLOSE, FINISH, RESET] {
        assert_eq!(disk.run(&zone_out(action, start(5))).sense(), "7/27/08");
    }
}

#[test]
fn unknown_commands_and_fields() {
    let disk = Disk::new(small());
    for (cdb, sense) in [
        (&[][..], "5/20/00"),
        (&[0xFF; 16], "5/20/00"),
        (&[0x42; 10], "5/20/00"),
        (
            &[0x94, 0x00, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0],
            "5/24/00",
        ),
        (
            &[0x95, 0x01, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0],
            "5/24/00",
        ),
        (&[0x28, 0x20, 0, 0, 0, 0, 0, 0, 1, 0], "5/24/00"),
        (&[0x28, 0, 0, 0, 0, 0], "5/24/00"),
        (&[0x28, 0, 0, 0, 0, 0, 0, 0, 1, 0x04], "5/24/00"),
    ] {
        assert_eq!(disk.run(cdb).sense(), sense, "{cdb:02X?}");
    }
}

#[test]
fn a_field_in_error_is_pointed_at() {
    let disk = Disk::new(small());
    let sense = disk
        .run(&[0x28, 0x20, 0, 0, 0, 0, 0, 0, 1, 0])
        .completion
        .sense;
    assert_eq!(sense.len(), 18);
    assert_eq!(
        sense[15..],
        [0xC8 | 5, 0, 1],
        "SKSV, C/D, BPV, bit 5 of byte 1"
    );
    let sense = disk.run(&zone_out(OPEN, start(4) + 1)).completion.sense;
    assert_eq!(sense[15..], [0xC0, 0, 2], "ZONE ID");
}

#[test]
fn lba_out_of_range() {
    let disk = Disk::new(small());
    let blocks = small().blocks;
    for cdb in [
        read16(blocks, 1),
        read16(blocks - 1, 2),
        read16(u64::MAX, 1),
        read16(blocks, 0),
    ] {
        assert_eq!(disk.run(&cdb).sense(), "5/21/00");
    }
    assert_eq!(disk.write_blocks(blocks - 8, 9, 0).sense(), "5/21/00");
    assert_eq!(disk.run(&verify16(blocks, 1, false)).sense(), "5/21/00");
    assert_eq!(
        disk.run(&[0x35, 0, 0xFF, 0, 0, 0, 0, 0, 1, 0]).sense(),
        "5/21/00"
    );
    let sense = disk.run(&read16(blocks, 1)).completion.sense;
    assert_eq!(
        (sense[0], &sense[3..7]),
        (0xF0, &(blocks as u32).to_be_bytes()[..])
    );
}

#[test]
fn medium_errors_tell_the_lba_and_leave_the_write_pointer() {
    let disk = Disk::new(small());
    let plan = disk.plan(&write16(start(4), 8), &[1; 4096]);
    let offset = (start(4) + 3) * 512;
    let completion = plan.finish(Err(Failed::Write { offset }));
    assert_eq!(sense_of(&completion), "3/0C/00");
    assert_eq!(completion.sense[0], 0xF0);
    assert_eq!(completion.sense[3..7], (start(4) as u32 + 3).to_be_bytes());
    assert_eq!(
        (disk.condition(4), disk.open_zones()),
        (Condition::Empty, 0)
    );
    disk.write_blocks(start(4), 8, 2).good();

    let plan = disk.plan(&read16(start(4), 8), &[]);
    assert_eq!(
        sense_of(&plan.finish(Err(Failed::Read { offset }))),
        "3/11/00"
    );
    let plan = disk.plan(&[0x35, 0, 0, 0, 0, 0, 0, 0, 0, 0], &[]);
    let completion = plan.finish(Err(Failed::NotStable));
    assert_eq!(
        (sense_of(&completion), completion.sense[0]),
        ("3/0C/00".into(), 0x70)
    );
}

#[test]
fn verify_finds_the_first_difference() {
    let disk = Disk::new(small());
    disk.write_blocks(start(4), 8, 7).good();
    let mut wanted = vec![7; 4096];
    wanted.resize(8192, 0);
    disk.run_with(&verify16(start(4), 16, true), &wanted).good();
    wanted[4096 + 5 * 512] = 1;
    let answer = disk.run_with(&verify16(start(4), 16, true), &wanted);
    assert_eq!(answer.sense(), "E/1D/00");
    assert_eq!(
        answer.completion.sense[3..7],
        (start(4) as u32 + 13).to_be_bytes()
    );
    disk.run(&verify16(start(4), 16, false)).good();
    assert_eq!(
        disk.run(&[0x8F, 0x06, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0])
            .sense(),
        "5/24/00"
    );
}

#[test]
fn descriptor_sense_holds_what_fixed_sense_cannot() {
    let disk = Disk::new(small());
    let select = [0x15, 0x10, 0, 0, 16, 0];
    let control = [
        0, 0, 0, 0, 0x0A, 0x0A, 0x04, 0x10, 0, 0, 0, 0, 0xFF, 0xFF, 0, 10,
    ];
    assert_eq!(
        disk.run(&read16(1 << 40, 1)).completion.sense[0],
        0x70,
        "no room: not valid"
    );
    disk.run_with(&select, &control).good();

    let sense = disk.run(&read16(1 << 40, 1)).completion.sense;
    assert_eq!(sense[..8], [0x72, 0x05, 0x21, 0x00, 0, 0, 0, 12]);
    assert_eq!(sense[8..12], [0x00, 0x0A, 0x80, 0x00]);
    assert_eq!(sense[12..], (1u64 << 40).to_be_bytes());

    let sense = disk.run(&zone_out(OPEN, 1)).completion.sense;
    assert_eq!(
        sense,
        [0x72, 5, 0x24, 0, 0, 0, 0, 8, 0x02, 6, 0, 0, 0xC0, 0, 2, 0]
    );
}

#[test]
fn unit_attentions_are_told_once() {
    let disk = Disk::with_words(small(), fresh(&small()));
    disk.run(&[0x12, 0, 0, 0, 96, 0]).good();
    disk.run(&[0xA0, 0, 0, 0, 0, 0, 0, 0, 0, 64, 0, 0]).good();
    assert_eq!(disk.run(&read16(0, 1)).sense(), "6/29/00");
    disk.run(&read16(0, 1)).good();

    disk.unit.reset();
    let sense = disk.run(&[0x03, 0, 0, 0, 96, 0]).good();
    assert_eq!((sense[2], sense[12], sense[13]), (6, 0x29, 0x03));
    disk.run(&[0; 6]).good();
    let sense = disk.run(&[0x03, 1, 0, 0, 96, 0]).good();
    assert_eq!(sense[..4], [0x72, 0, 0, 0]);
}
