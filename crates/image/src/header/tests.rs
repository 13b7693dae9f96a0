//! What a header page says, and what is refused.

use super::*;
use crate::ErrorKind;

fn header() -> Header {
    let geometry = Geometry {
        block_size: 4096,
        blocks: 1 << 20,
        zone_blocks: 1 << 12,
        conventional_zones: 1,
        max_open: None,
        zone_capacity: None,
        kind: Kind::HostManaged,
        max_active: None,
        unrestricted_reads: true,
        extension_bytes: 0,
    };
    Header {
        version: VERSION,
        uuid: [7; 16],
        created: 1_700_000_000,
        layout: Layout::new(&geometry).unwrap(),
        geometry,
        identity: crate::random_identity(),
    }
}

fn decode_with(at: usize, value: u64, access: Access) -> Result<Header, ErrorKind> {
    let mut page = header().encode();
    page[at..at + 8].copy_from_slice(&value.to_le_bytes());
    seal(&mut page);
    Header::decode(&page, Path::new("x"), access).map_err(|e| e.kind())
}

#[test]
fn says_what_it_was_told() {
    let header = header();
    let decoded = Header::decode(&header.encode(), Path::new("x"), Access::Write).unwrap();
    assert!(decoded.geometry == header.geometry && decoded.layout == header.layout);
    assert!(decoded.identity == header.identity);
    assert_eq!(
        (decoded.uuid, decoded.created),
        (header.uuid, header.created)
    );
}

#[test]
fn unknown_versions_and_features_are_refused() {
    let version = Err(ErrorKind::Version);
    let kind = |at, value, access| decode_with(at, value, access).map(|_| ());
    assert_eq!(kind(at::VERSION, 3 | 4096 << 32, Access::Read), version);
    assert_eq!(kind(at::VERSION, 2 | 8192 << 32, Access::Read), version);
    assert_eq!(kind(at::INCOMPATIBLE, 1 << 63, Access::Read), version);
    assert_eq!(kind(at::READ_ONLY_COMPATIBLE, 1, Access::Write), version);
    assert_eq!(kind(at::READ_ONLY_COMPATIBLE, 1, Access::Read), Ok(()));
    let compatible = at::INCOMPATIBLE - 8;
    assert_eq!(kind(compatible, 1, Access::Write), Ok(()));
}

/// Where a header differs from that of another disk, which it is decoded as.
fn differing(from: &Header, header: &Header) -> Vec<usize> {
    let (one, other) = (from.encode(), header.encode());
    let decoded = Header::decode(&other, Path::new("x"), Access::Write).unwrap();
    assert_eq!(&decoded, header);
    (0..at::CRC).filter(|&at| one[at] != other[at]).collect()
}

#[test]
fn restricted_reads_are_an_incompatible_feature() {
    let plain = header();
    let mut restricted = plain.clone();
    restricted.geometry.unrestricted_reads = false;
    assert_eq!(differing(&plain, &restricted), [at::INCOMPATIBLE]);
    assert_eq!(u64_at(&restricted.encode(), at::INCOMPATIBLE), 1);
}

#[test]
fn a_kind_is_a_number_with_its_write_unit() {
    for (kind, number) in [(Kind::HostAware, 1), (Kind::Zns, 2)] {
        let mut plain = header();
        plain.geometry.conventional_zones = 0;
        let mut other = plain.clone();
        other.geometry.kind = kind;
        assert_eq!(differing(&plain, &other), [at::KIND]);
        assert_eq!(u32_at(&other.encode(), at::KIND), number);
    }
    let version = Err(ErrorKind::Version);
    let unknown = |at, value| decode_with(at, value, Access::Read).map(|_| ());
    assert_eq!(unknown(at::KIND, 4 | 4096 << 32), version);
    assert_eq!(unknown(at::KIND, 512 << 32), version);
}

#[test]
fn a_namespace_has_a_limit_of_active_zones_and_extensions() {
    let mut namespace = header();
    namespace.geometry.kind = Kind::Zns;
    namespace.geometry.conventional_zones = 0;
    namespace.geometry.max_active = Some(14);
    namespace.geometry.extension_bytes = 64;
    namespace.layout = Layout::new(&namespace.geometry).unwrap();
    let decoded = Header::decode(&namespace.encode(), Path::new("x"), Access::Write).unwrap();
    assert_eq!(decoded, namespace);
    assert_eq!(decoded.layout.extensions.size, 256 * 64);
    let mut none = namespace.clone();
    none.layout.extensions = Area::NONE;
    let kind = Header::decode(&none.encode(), Path::new("x"), Access::Read).map_err(|e| e.kind());
    assert_eq!(kind, Err(ErrorKind::Corrupt));
}

#[test]
fn version_1_has_a_feature_for_host_aware_disks_and_no_more_areas() {
    let plain = header();
    let linear = |kind| {
        let mut header = plain.clone();
        header.version = LINEAR;
        header.geometry.kind = kind;
        (header.layout.extensions, header.layout.saved) = (Area::NONE, Area::NONE);
        header
    };
    let managed = linear(Kind::HostManaged);
    let aware = linear(Kind::HostAware);
    assert_eq!(differing(&managed, &aware), [at::INCOMPATIBLE]);
    assert_eq!(u64_at(&aware.encode(), at::INCOMPATIBLE), 4);
    assert!(aware.encode()[at::ZONE_CAPACITY + 8..at::CRC]
        .iter()
        .all(|byte| *byte == 0));
    let upgraded = aware.upgraded();
    let (journal, saved) = (upgraded.layout.journal, upgraded.layout.saved);
    assert_eq!(saved.offset, journal.offset + journal.size);
    assert_eq!(journal.size + saved.size, aware.layout.journal.size);
    let decoded = Header::decode(&upgraded.encode(), Path::new("x"), Access::Write).unwrap();
    assert_eq!(decoded, upgraded);
}

#[test]
fn gap_zones_are_an_incompatible_feature() {
    let mut header = header();
    let plain = header.encode();
    header.geometry.zone_capacity = Some(4088);
    let with_gaps = header.encode();
    assert_eq!(u64_at(&with_gaps, at::INCOMPATIBLE), 2);
    let changed = (0..at::CRC).filter(|&at| plain[at] != with_gaps[at]);
    let capacity = [at::ZONE_CAPACITY, at::ZONE_CAPACITY + 1];
    let expected = [&[at::INCOMPATIBLE], &capacity[..]].concat();
    assert_eq!(changed.collect::<Vec<_>>(), expected);
    let decoded = Header::decode(&with_gaps, Path::new("x"), Access::Write).unwrap();
    assert!(decoded.geometry == header.geometry);
    let no_capacity = decode_with(at::INCOMPATIBLE, ZONE_CAPACITY, Access::Read);
    assert_eq!(no_capacity.map(|_| ()), Err(ErrorKind::Corrupt));
}

#[test]
fn areas_that_cannot_be_are_refused() {
    let data = at::AREAS + 4 * 16;
    for (at, value) in [
        (at::AREAS, 0),           // the table on the header
        (at::AREAS, 4096 + 8),    // not aligned
        (at::AREAS + 8, 8),       // too small
        (at::AREAS + 8, 8 << 20), // over the next area
        (at::AREAS + 8, u64::MAX),
        (at::AREAS + 16 + 8, 4096 + 832), // a journal whose last record would end outside
        (data, u64::MAX - 4095),
        (data + 8, 1),
        (at::BLOCKS, 1),
    ] {
        let kind = decode_with(at, value, Access::Read).map(|_| ());
        assert_eq!(kind, Err(ErrorKind::Corrupt), "{value} at {at}");
    }
}
