//! What the logical unit tells about itself: INQUIRY, mode pages, supported commands, LUNs.

mod common;

use command::Unit;
use common::*;
use scsi::command_name;
use zoned::{Geometry, Op};

fn vpd(disk: &Disk, page: u8) -> Vec<u8> {
    let data = disk.run(&[0x12, 1, page, 1, 0, 0]).good();
    assert_eq!((data[0], data[1]), (0x14, page));
    assert_eq!(
        usize::from(u16::from_be_bytes([data[2], data[3]])),
        data.len() - 4
    );
    data
}

#[test]
fn standard_inquiry_data() {
    let disk = Disk::new(small());
    let data = disk.run(&[0x12, 0, 0, 0, 255, 0]).good();
    assert_eq!((data.len(), data[0], data[2], data[4]), (96, 0x14, 7, 91));
    assert_eq!(&data[8..36], b"ZONEVM  SMR             0001");
    assert_eq!(disk.run(&[0x12, 0, 0, 0, 5, 0]).good().len(), 5);
    assert_eq!(disk.run(&[0x12, 0, 0x80, 0, 255, 0]).sense(), "5/24/00");
}

#[test]
fn vital_product_data() {
    let disk = Disk::new(small());
    assert_eq!(vpd(&disk, 0x00)[4..], [0x00, 0x80, 0x83, 0xB0, 0xB1, 0xB6]);
    assert_eq!(&vpd(&disk, 0x80)[4..], b"serial-1");
    let names = vpd(&disk, 0x83);
    assert_eq!(names[4..8], [1, 3, 0, 8]);
    assert_eq!(names[8..16], identity().wwn.to_be_bytes());
    assert_eq!(names[16..20], [2, 1, 0, 32]);
    assert_eq!(&names[20..52], b"ZONEVM  SMR             serial-1");
    assert_eq!(names[52..56], [3, 8, 0, 24]);
    assert_eq!(&names[56..80], b"naa.3000123456789ABC\0\0\0\0");
    let limits = vpd(&disk, 0xB0);
    assert_eq!((limits.len(), limits[4]), (64, 1));
    assert_eq!(limits[8..12], 65536u32.to_be_bytes());
    let characteristics = vpd(&disk, 0xB1);
    assert_eq!((characteristics.len(), characteristics[8] & 0x30), (64, 0));
    assert_eq!(characteristics[4..6], 7200u16.to_be_bytes());
    let zoned = vpd(&disk, 0xB6);
    assert_eq!((zoned.len(), zoned[4]), (64, 1));
    assert_eq!(zoned[16..20], 3u32.to_be_bytes());
    assert_eq!(zoned[23] & 0x0F, 0);
    let unlimited = Disk::new(Geometry {
        max_open: None,
        ..small()
    });
    assert_eq!(vpd(&unlimited, 0xB6)[16..20], [0xFF; 4]);
    assert_eq!(disk.run(&[0x12, 1, 0xB2, 1, 0, 0]).sense(), "5/24/00");
}

#[test]
fn mode_sense_headers_and_block_descriptors() {
    let disk = Disk::new(small());
    let blocks = small().blocks as u32;
    let data = disk.run(&[0x1A, 0, 0x3F, 0, 255, 0]).good();
    assert_eq!(data[..4], [3 + 8 + 44, 0, 0x10, 8]);
    assert_eq!(data[4..8], blocks.to_be_bytes());
    assert_eq!(data[8..12], 512u32.to_be_bytes());
    assert_eq!((data[12], data[24], data[44]), (0x01, 0x08, 0x0A));
    assert_eq!(data.len(), 56);
    assert_eq!(
        disk.run(&[0x1A, 8, 0x3F, 0xFF, 255, 0]).good()[..5],
        [47, 0, 0x10, 0, 1]
    );

    let data = disk.run(&[0x5A, 0x10, 0x08, 0, 0, 0, 0, 1, 0, 0]).good();
    assert_eq!(data[..8], [0, 42, 0, 0x10, 1, 0, 0, 16]);
    assert_eq!(data[8..16], small().blocks.to_be_bytes());
    assert_eq!(data[20..24], 512u32.to_be_bytes());
    assert_eq!((data[24], data.len()), (8, 44));
    assert_eq!(
        disk.run(&[0x5A, 0, 0x08, 0, 0, 0, 0, 0, 4, 0]).good(),
        [0, 34, 0, 0x10]
    );
}

#[test]
fn mode_page_control() {
    let disk = Disk::new(small());
    let wce = |control: u8| disk.run(&[0x1A, 8, control << 6 | 8, 0, 255, 0]);
    assert_eq!(wce(0).good()[6], 0x04);
    assert_eq!(wce(1).good()[4..8], [0x08, 0x12, 0x04, 0]);
    assert_eq!(wce(2).good()[6], 0x04);
    assert_eq!(wce(3).sense(), "5/39/00");
    assert_eq!(
        disk.run(&[0x1A, 8, 0x41, 0, 255, 0]).good()[6..],
        [0; 10],
        "nothing to change"
    );
    for (page, subpage) in [(0x02, 0), (0x08, 1), (0x3F, 1), (0x0A, 0xF2)] {
        assert_eq!(
            disk.run(&[0x1A, 8, page, subpage, 255, 0]).sense(),
            "5/24/00"
        );
    }
}

/// A MODE SELECT(6) parameter list with the caching page.
fn caching(wce: bool) -> Vec<u8> {
    let mut list = vec![0; 24];
    list[4..7].copy_from_slice(&[0x08, 0x12, u8::from(wce) << 2]);
    list
}

#[test]
fn without_the_write_cache_writes_are_durable() {
    let disk = Disk::new(small());
    let durable = |cdb: &[u8]| match disk.plan(cdb, &[0; 4096]).op() {
        Op::Write { stable, .. } => stable,
        op => panic!("{op:?}"),
    };
    assert!(!durable(&write16(0, 8)));
    let mut fua = write16(0, 8);
    fua[1] = 0x08;
    assert!(durable(&fua));
    let plan = disk.plan(&[0x15, 0x10, 0, 0, 24, 0], &caching(false));
    assert_eq!(plan.op(), Op::Flush, "what is cached becomes durable");
    drop(plan);
    assert!(durable(&write16(0, 8)));
    disk.run_with(&[0x15, 0x10, 0, 0, 24, 0], &caching(true))
        .good();
    assert!(!durable(&write16(0, 8)));
    disk.run_with(&[0x15, 0x10, 0, 0, 24, 0], &caching(false))
        .good();
    disk.unit.reset();
    disk.run(&[0; 6]);
    assert!(!durable(&write16(0, 8)), "a reset restores the default");
}

#[test]
fn mode_select_takes_back_what_mode_sense_gave() {
    let disk = Disk::new(small());
    for cdb in [
        [0x5A, 0x10, 0x3F, 0, 0, 0, 0, 1, 0, 0],
        [0x5A, 0, 0x3F, 0xFF, 0, 0, 0, 1, 0, 0],
    ] {
        let list = disk.run(&cdb).good();
        disk.run_with(&[0x55, 0x10, 0, 0, 0, 0, 0, 0, list.len() as u8, 0], &list)
            .good();
    }
    disk.run(&[0x15, 0x10, 0, 0, 0, 0]).good();
}

#[test]
fn mode_select_refuses_what_cannot_be_changed() {
    let disk = Disk::new(small());
    let select = |list: &[u8]| {
        disk.run_with(&[0x15, 0x10, 0, 0, list.len() as u8, 0], list)
            .sense()
    };
    let with = |at: usize, byte: u8| {
        let mut list = caching(true);
        list[at] = byte;
        list
    };
    assert_eq!(
        select(&with(7, 1)),
        "5/26/00",
        "a field that is not changeable"
    );
    assert_eq!(select(&with(4, 2)), "5/26/00", "an unknown page");
    assert_eq!(select(&with(5, 0x0A)), "5/26/00", "a wrong page length");
    assert_eq!(select(&with(1, 5)), "5/26/00", "a medium type");
    assert_eq!(select(&with(3, 7)), "5/26/00", "a wrong descriptor length");
    assert_eq!(select(&caching(true)[..20]), "5/1A/00", "half a page");
    assert_eq!(select(&[0, 0, 0]), "5/1A/00", "half a header");
    let mut resized = vec![0, 0, 0, 8, 0, 0, 0, 0, 0, 0, 0x10, 0];
    assert_eq!(select(&resized), "5/26/00", "another block size");
    resized[10] = 2;
    assert_eq!(select(&resized), "ok");
    resized[7] = 1;
    assert_eq!(select(&resized), "5/26/00", "another capacity");
    assert_eq!(
        disk.run(&[0x15, 0x00, 0, 0, 4, 0]).sense(),
        "5/24/00",
        "PF is zero"
    );
    assert_eq!(
        disk.run(&[0x15, 0x11, 0, 0, 4, 0]).sense(),
        "5/24/00",
        "nothing is saved"
    );
    assert!(disk
        .run_sized(&[0x15, 0x10, 0, 0, 24, 0], &[0; 23], 0)
        .is_none());
}

#[test]
fn supported_operation_codes() {
    let disk = Disk::new(small());
    let ask = |options: u8, opcode: u8, action: u8| {
        disk.run(&[0xA3, 0x0C, options, opcode, 0, action, 0, 0, 4, 0, 0, 0])
    };
    let all = ask(0, 0, 0).good();
    assert_eq!(
        u32::from_be_bytes(all[..4].try_into().unwrap()) as usize,
        all.len() - 4
    );
    let entries: Vec<_> = all[4..]
        .chunks(8)
        .map(|entry| (entry[0], entry[3], entry[7]))
        .collect();
    assert!(
        entries.is_sorted() && entries.contains(&(0x95, 0, 16)) && entries.contains(&(0x94, 4, 16))
    );
    for (opcode, action, len) in entries {
        let one = ask(3, opcode, action).good();
        assert_eq!((one[1], one[3], one.len()), (3, len, 4 + usize::from(len)));
        assert_eq!(one[4], opcode);
        assert_eq!(
            ask(0x83, opcode, action).good().len(),
            16 + usize::from(len),
            "RCTD"
        );
    }
    assert_eq!(ask(0x80, 0, 0).good().len(), 4 + (all.len() - 4) / 8 * 20);
    assert_eq!(
        ask(1, 0x28, 0).good()[4..],
        [0x28, 0x18, 255, 255, 255, 255, 0, 255, 255, 0]
    );
    assert_eq!(ask(1, 0x42, 0).good(), [0, 1, 0, 0]);
    assert_eq!(ask(2, 0x94, 9).good(), [0, 1, 0, 0]);
    assert_eq!(ask(3, 0x28, 1).good(), [0, 1, 0, 0]);
    assert_eq!(ask(2, 0x94, 4).good()[4..6], [0x94, 4]);
    for (options, opcode) in [(1, 0x94), (2, 0x28), (4, 0)] {
        assert_eq!(ask(options, opcode, 0).sense(), "5/24/00");
    }
    assert_eq!(command_name(&[0x94, 4]), Some("RESET WRITE POINTER"));
    assert_eq!(command_name(&[0x94, 9]), None);
}

#[test]
fn a_bit_that_the_usage_data_lacks_is_refused() {
    let disk = Disk::new(small());
    let all = disk.run(&[0xA3, 0x0C, 0, 0, 0, 0, 0, 0, 4, 0, 0, 0]).good();
    for entry in all[4..].chunks(8) {
        let ask = [0xA3, 0x0C, 3, entry[0], 0, entry[3], 0, 0, 4, 0, 0, 0];
        let usage = &disk.run(&ask).good()[4..];
        for at in 2..usage.len() {
            for bit in (0..8).filter(|bit| usage[at] >> bit & 1 == 0) {
                let mut cdb = vec![0; usage.len()];
                cdb[..2].copy_from_slice(&[entry[0], entry[3]]);
                cdb[at] = 1 << bit;
                let answer = disk.run(&cdb);
                assert_eq!(answer.sense(), "5/24/00", "{cdb:02X?}");
                assert_eq!(answer.completion.sense[15..], [0xC8 | bit, 0, at as u8]);
            }
        }
    }
}

#[test]
fn luns() {
    let disk = Disk::new(small());
    let report =
        |select, allocated| disk.run(&[0xA0, 0, select, 0, 0, 0, 0, 0, 0, allocated, 0, 0]);
    assert_eq!(
        report(0, 255).good(),
        [0, 0, 0, 8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]
    );
    assert_eq!(report(2, 12).good().len(), 12);
    assert_eq!(report(1, 255).good(), [0; 8], "no well known logical units");
    assert_eq!(report(9, 255).sense(), "5/24/00");
}
