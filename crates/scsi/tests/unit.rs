//! What the logical unit tells about itself: INQUIRY, supported commands, LUNs.

mod common;

use common::*;
use scsi::command_name;
use zoned::Geometry;

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
    assert_eq!(
        vpd(&disk, 0x00)[4..],
        [0x00, 0x80, 0x83, 0x86, 0x87, 0xB0, 0xB1, 0xB6]
    );
    assert_eq!(&vpd(&disk, 0x80)[4..], b"serial-1");
    let names = vpd(&disk, 0x83);
    assert_eq!(names[4..8], [1, 3, 0, 8]);
    assert_eq!(names[8..16], identity().wwn.to_be_bytes());
    assert_eq!(names[16..20], [2, 1, 0, 32]);
    assert_eq!(&names[20..52], b"ZONEVM  SMR             serial-1");
    assert_eq!(names[52..56], [3, 8, 0, 24]);
    assert_eq!(&names[56..80], b"naa.3000123456789ABC\0\0\0\0");
    let extended = vpd(&disk, 0x86);
    assert_eq!((extended.len(), extended[5], extended[6]), (64, 1, 1));
    assert_eq!(vpd(&disk, 0x87)[4..], [0x3F, 0xFF, 0, 0]);
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
fn supported_operation_codes() {
    let disk = Disk::new(small());
    let ask = |options: u8, opcode: u8, action: u8| {
        disk.run(&[0xA3, 0x0C, options, opcode, 0, action, 0, 0, 8, 0, 0, 0])
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
