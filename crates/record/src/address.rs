//! What a CDB names: its LBA and its number of blocks. Knows no disk.

/// The part of the medium that a command is for, as its CDB has it: not checked against any disk.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Address {
    /// First LBA, or the ZONE ID; `None` for a command that names none, or all zones.
    pub lba: Option<u64>,
    /// Logical blocks; `None` for a command that has no such field.
    pub blocks: Option<u64>,
}

impl Address {
    /// Reads a CDB (SBC-4, 5; ZBC-2, 5), of which any length will do: what is missing counts as zero.
    pub fn of(cdb: &[u8]) -> Address {
        let number = |range: std::ops::Range<usize>| {
            range.fold(0, |value, at| {
                value << 8 | u64::from(cdb.get(at).copied().unwrap_or(0))
            })
        };
        let both = |lba, blocks| Address {
            lba: Some(lba),
            blocks: Some(blocks),
        };
        match number(0..1) {
            // READ(6), WRITE(6): 21 bits of LBA; no blocks are 256.
            0x08 | 0x0A => both(
                number(1..4) & 0x1F_FFFF,
                match number(4..5) {
                    0 => 256,
                    blocks => blocks,
                },
            ),
            // READ, WRITE, WRITE AND VERIFY, VERIFY, SYNCHRONIZE CACHE, WRITE SAME (10).
            0x28 | 0x2A | 0x2E | 0x2F | 0x35 | 0x41 => both(number(2..6), number(7..9)),
            // READ, WRITE, WRITE AND VERIFY, VERIFY (12).
            0xA8 | 0xAA | 0xAE | 0xAF => both(number(2..6), number(6..10)),
            // READ, WRITE, WRITE AND VERIFY, VERIFY, SYNCHRONIZE CACHE, WRITE SAME (16).
            0x88 | 0x8A | 0x8E | 0x8F | 0x91 | 0x93 => both(number(2..10), number(10..14)),
            // ZBC OUT without ALL, ZBC IN.
            0x94 if number(14..15) & 1 == 0 => Address {
                lba: Some(number(2..10)),
                blocks: None,
            },
            0x95 => Address {
                lba: Some(number(2..10)),
                blocks: None,
            },
            _ => Address::default(),
        }
    }
}

/// The CDB without what follows it in its buffer (SAM-5, 5.2: the group code gives the length).
pub(crate) fn trimmed(cdb: &[u8]) -> &[u8] {
    let length = match cdb.first().map(|opcode| opcode >> 5) {
        Some(0) => 6,
        Some(1 | 2) => 10,
        Some(4) => 16,
        Some(5) => 12,
        _ => cdb.len(),
    };
    &cdb[..length.min(cdb.len())]
}
