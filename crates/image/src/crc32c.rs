//! CRC-32C (Castagnoli), as iSCSI (RFC 7143, 13.1) and the Linux file systems use it.

const REVERSED_POLYNOMIAL: u32 = 0x82f6_3b78;

/// The checksum of `bytes`.
pub(crate) fn crc32c(bytes: &[u8]) -> u32 {
    !bytes.iter().fold(!0, |crc, byte| {
        (0..8).fold(crc ^ u32::from(*byte), |crc, _| {
            (crc >> 1) ^ (REVERSED_POLYNOMIAL * (crc & 1))
        })
    })
}

#[cfg(test)]
mod tests {
    use super::crc32c;

    /// The test vectors of RFC 7143, A.4 (there shown byte by byte).
    #[test]
    fn matches_the_published_vectors() {
        assert_eq!(crc32c(b"123456789"), 0xe306_9283);
        assert_eq!(crc32c(&[0; 32]), 0x8a91_36aa);
        assert_eq!(crc32c(&[0xff; 32]), 0x62a8_ab43);
    }
}
