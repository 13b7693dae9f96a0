//! Sense data read back: sense key, additional sense code and qualifier (SPC-5, 4.4).

/// `(key, ASC, ASCQ)`, of fixed or descriptor format; zeroes for what is not sense data.
pub(crate) fn code(sense: &[u8]) -> (u8, u8, u8) {
    let byte = |at: usize| sense.get(at).copied().unwrap_or(0);
    match byte(0) & 0x7F {
        0x70 | 0x71 => (byte(2) & 0x0F, byte(12), byte(13)),
        0x72 | 0x73 => (byte(1) & 0x0F, byte(2), byte(3)),
        _ => (0, 0, 0),
    }
}
