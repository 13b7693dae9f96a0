//! What a header page says, and what is refused.

use super::*;

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
    assert_eq!(kind(at::VERSION, 2 | 4096 << 32, Access::Read), version);
    assert_eq!(kind(at::VERSION, 1 | 8192 << 32, Access::Read), version);
    assert_eq!(kind(at::INCOMPATIBLE, 1 << 63, Access::Read), version);
    assert_eq!(kind(at::READ_ONLY_COMPATIBLE, 1, Access::Write), version);
    assert_eq!(kind(at::READ_ONLY_COMPATIBLE, 1, Access::Read), Ok(()));
    let compatible = at::INCOMPATIBLE - 8;
    assert_eq!(kind(compatible, 1, Access::Write), Ok(()));
}

#[test]
fn restricted_reads_and_host_aware_are_incompatible_features() {
    for (unrestricted, kind, feature) in [(false, Kind::HostManaged, 1), (true, Kind::HostAware, 4)]
    {
        let mut header = header();
        let plain = header.encode();
        assert_eq!(u64_at(&plain, at::INCOMPATIBLE), 0);
        header.geometry.unrestricted_reads = unrestricted;
        header.geometry.kind = kind;
        let changed = header.encode();
        assert_eq!(u64_at(&changed, at::INCOMPATIBLE), feature);
        let differing = (0..at::CRC).filter(|&at| plain[at] != changed[at]);
        assert_eq!(differing.collect::<Vec<_>>(), [at::INCOMPATIBLE]);
        let decoded = Header::decode(&changed, Path::new("x"), Access::Write).unwrap();
        assert!(decoded.geometry == header.geometry);
    }
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
    let no_capacity = decode_with(at::INCOMPATIBLE, GAP_ZONES, Access::Read);
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
