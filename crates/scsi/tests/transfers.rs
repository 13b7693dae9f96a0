//! Block commands: the CDB sizes, transfer lengths, buffers that are too small, extents.

mod common;

use common::*;
use zoned::{Extent, Op};

#[test]
fn all_cdb_sizes_transfer_the_same_blocks() {
    let disk = Disk::new(small());
    let data: Vec<u8> = (0..2 * 512).map(|at| (at / 7) as u8).collect();
    let writes: [&[u8]; 4] = [
        &[0x0A, 0, 0, 9, 2, 0],
        &[0x2A, 0, 0, 0, 0, 9, 0, 0, 2, 0],
        &[0xAA, 0, 0, 0, 0, 9, 0, 0, 0, 2, 0, 0],
        &write16(9, 2),
    ];
    let reads: [&[u8]; 4] = [
        &[0x08, 0, 0, 9, 2, 0],
        &[0x28, 0, 0, 0, 0, 9, 0, 0, 2, 0],
        &[0xA8, 0, 0, 0, 0, 9, 0, 0, 0, 2, 0, 0],
        &read16(9, 2),
    ];
    for write in writes {
        disk.run_with(&write_same16(9, 2, false), &[0; 512]).good();
        disk.run_with(write, &data).good();
        for read in reads {
            assert_eq!(disk.run(read).good(), data, "{write:02X?} {read:02X?}");
        }
    }
    disk.run_with(&[0x41, 0, 0, 0, 0, 9, 0, 0, 2, 0], &[3; 512])
        .good();
    disk.run_with(&[0x2F, 0x02, 0, 0, 0, 9, 0, 0, 2, 0], &[3; 1024])
        .good();
}

#[test]
fn no_blocks() {
    let disk = Disk::new(small());
    for cdb in [
        read16(64 * 4, 0),
        write16(64 * 4 + 8, 0),
        verify16(0, 0, true),
    ] {
        assert!(disk.run(&cdb).good().is_empty());
    }
    assert_eq!(
        disk.run(&[0x08, 0, 0, 0, 0, 0]).good().len(),
        256 * 512,
        "READ(6): 0 is 256"
    );
}

#[test]
fn buffers_that_are_too_small_are_told() {
    let disk = Disk::new(small());
    assert!(disk.run_sized(&read16(0, 8), &[], 4095).is_none());
    assert!(disk.run_sized(&write16(0, 8), &[0; 4095], 0).is_none());
    assert!(disk
        .run_sized(&verify16(0, 8, true), &[0; 4095], 0)
        .is_none());
    disk.run_sized(&write16(4 * 64, 8), &[0; 8192], 0)
        .unwrap()
        .good();
    assert_eq!(
        disk.zone(4).write_pointer,
        Some(4 * 64 + 8),
        "a larger one is no matter"
    );
}

#[test]
fn transfers_are_limited() {
    let geometry = zoned::Geometry {
        blocks: 1 << 20,
        zone_blocks: 1 << 18,
        conventional_zones: 1,
        ..small()
    };
    let disk = Disk::new(geometry);
    let most = 65536;
    for cdb in [
        read16(0, most + 1),
        write16(0, most + 1),
        write_same16(0, most + 1, true),
    ] {
        let answer = disk.run(&cdb);
        assert_eq!(answer.sense(), "5/24/00");
        assert_eq!(answer.completion.sense[15..], [0xC0, 0, 10]);
    }
    assert_eq!(disk.run(&read16(0, most)).good().len(), 32 << 20);
}

#[test]
fn extents_are_in_order_and_as_few_as_can_be() {
    let disk = Disk::new(small());
    disk.write_blocks(4 * 64, 64, 1).good();
    disk.write_blocks(5 * 64, 64, 1).good();
    disk.write_blocks(6 * 64, 8, 1).good();
    let op = disk.plan(&read16(4 * 64, 4 * 64), &[]).op();
    let zone = 64 * 512;
    let extents = vec![
        Extent::Data {
            offset: 4 * zone,
            len: 2 * zone + 4096,
        },
        Extent::Zeroes {
            offset: 6 * zone + 4096,
            len: 2 * zone - 4096,
        },
    ];
    let Op::Read {
        extents: found,
        stable: false,
    } = op
    else {
        panic!("{op:?}");
    };
    assert_eq!(found.iter().collect::<Vec<_>>(), extents);
    let mut fua = read16(3 * 64, 1);
    fua[1] = 0x18;
    let Op::Read { stable, .. } = disk.plan(&fua, &[]).op() else {
        panic!("a read");
    };
    assert!(stable);
}

#[test]
fn conventional_zones_are_written_by_the_logical_block() {
    let disk = Disk::new(small());
    disk.write_blocks(3, 1, 9).good();
    disk.write_blocks(3, 1, 8).good();
    assert_eq!(disk.run(&read16(2, 3)).good()[512..1024], [8; 512]);
}

#[test]
fn synchronize_cache_flushes() {
    let disk = Disk::new(small());
    for cdb in [
        &[0x35, 0x02, 0, 0, 0, 0, 0, 0, 0, 0][..],
        &[0x91, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 8, 0, 0],
    ] {
        assert_eq!(disk.plan(cdb, &[]).op(), Op::Flush);
    }
}
