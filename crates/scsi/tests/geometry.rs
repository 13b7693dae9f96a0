//! Geometries and identities: which are valid, and how large disks present themselves.

mod common;

use common::*;
use zoned::{Geometry, Identity, Kind};

const TIB: u64 = 1 << 40;

#[test]
fn invalid_geometries_say_why() {
    let rows = [
        (
            Geometry {
                block_size: 520,
                ..small()
            },
            "520",
        ),
        (
            Geometry {
                blocks: 0,
                ..small()
            },
            "capacity is 0",
        ),
        (
            Geometry {
                blocks: 1001,
                ..small()
            },
            "multiple of 8",
        ),
        (
            Geometry {
                blocks: !7,
                ..small()
            },
            "capacity",
        ),
        (
            Geometry {
                zone_blocks: 0,
                ..small()
            },
            "power of two",
        ),
        (
            Geometry {
                zone_blocks: 96,
                ..small()
            },
            "power of two",
        ),
        (
            Geometry {
                zone_blocks: 4,
                ..small()
            },
            "from 8",
        ),
        (
            Geometry {
                zone_blocks: 1 << 32,
                ..small()
            },
            "1 TiB",
        ),
        (
            Geometry {
                conventional_zones: 16,
                ..small()
            },
            "16 zones",
        ),
        (
            Geometry {
                max_open: Some(0),
                ..small()
            },
            "max open is 0",
        ),
        (
            Geometry {
                max_open: Some(u32::MAX),
                ..small()
            },
            "max open",
        ),
        (
            Geometry {
                blocks: 1 << 40,
                zone_blocks: 8,
                ..small()
            },
            "larger zones",
        ),
    ];
    for (geometry, part) in rows {
        let error = geometry.validate().unwrap_err().to_string();
        assert!(error.contains(part), "{error}");
    }
    assert_eq!(small().validate(), Ok(()));
}

#[test]
fn invalid_identities_say_why() {
    let rows = [
        (
            Identity {
                vendor: "NINECHARS".into(),
                ..identity()
            },
            "vendor",
        ),
        (
            Identity {
                product: "caf\u{e9}".into(),
                ..identity()
            },
            "product",
        ),
        (
            Identity {
                revision: "00001".into(),
                ..identity()
            },
            "revision",
        ),
        (
            Identity {
                serial: String::new(),
                ..identity()
            },
            "serial",
        ),
        (
            Identity {
                wwn: 0x6000_0000_0000_0000,
                ..identity()
            },
            "WWN",
        ),
    ];
    for (identity, part) in rows {
        let error = identity.validate().unwrap_err().to_string();
        assert!(error.starts_with(part), "{error}");
    }
    assert_eq!(identity().validate(), Ok(()));
}

#[test]
fn capacity() {
    let disk = Disk::new(small());
    let data = disk.run(&[0x25, 0, 0, 0, 0, 0, 0, 0, 0, 0]).good();
    assert_eq!(data, [0, 0, 3, 223, 0, 0, 2, 0]);
    let mut cdb = [0; 16];
    (cdb[0], cdb[1], cdb[13]) = (0x9E, 0x10, 32);
    let data = disk.run(&cdb).good();
    assert_eq!(data[..8], (small().blocks - 1).to_be_bytes());
    assert_eq!(
        data[8..16],
        [0, 0, 2, 0, 0x10, 3, 0, 0],
        "RC_BASIS 1, 8 logical blocks a physical one"
    );
    assert_eq!(data.len(), 32);
    cdb[13] = 12;
    assert_eq!(disk.run(&cdb).good().len(), 12);
}

#[test]
fn large_disk_of_4096_byte_blocks_without_conventional_zones() {
    let geometry = Geometry {
        block_size: 4096,
        blocks: 100 * TIB / 4096 + 1,
        zone_blocks: (256 << 20) / 4096,
        conventional_zones: 0,
        max_open: Some(128),
        zone_capacity: None,
        unrestricted_reads: true,
        kind: Kind::HostManaged,
        max_active: None,
        extension_bytes: 0,
    };
    let zones = geometry.zones();
    assert_eq!(zones, 100 * 4096 + 1);
    let disk = Disk::new(geometry.clone());
    let data = disk.run(&[0x25, 0, 0, 0, 0, 0, 0, 0, 0, 0]).good();
    assert_eq!(data, [0xFF, 0xFF, 0xFF, 0xFF, 0, 0, 0x10, 0]);
    let last = geometry.blocks - 1;
    disk.write_blocks(last, 1, 0xAB).good();
    assert_eq!(disk.run(&read16(last - 1, 2)).good()[4096..], [0xAB; 4096]);
    assert_eq!(disk.zone(zones as usize - 1).len, 1);
}

#[test]
fn the_largest_zone_holds_its_write_pointer() {
    let geometry = Geometry {
        block_size: 512,
        blocks: TIB / 512,
        zone_blocks: TIB / 512,
        conventional_zones: 0,
        max_open: None,
        zone_capacity: None,
        unrestricted_reads: true,
        kind: Kind::HostManaged,
        max_active: None,
        extension_bytes: 0,
    };
    let words = vec![std::sync::atomic::AtomicU64::new(
        word(zoned::Condition::Closed, (1 << 28) - 1).to_le(),
    )];
    let disk = Disk::with_words(geometry.clone(), words);
    disk.run(&[0; 6]);
    disk.write_blocks(geometry.blocks - 8, 8, 1).good();
    assert_eq!(disk.condition(0), zoned::Condition::Full);
}
