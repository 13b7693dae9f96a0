//! The live zone table's stamp: whether it can be trusted.
//!
//! The table is in the page cache as soon as a word is stored. So it is right for as long as this host does
//! not crash, and after that may hold anything: later words than the data, some words but not others. Whoever
//! uses the image stamps the table with the host's boot ID, and takes the stamp away after a clean stop.

use std::io;

use crc32c::crc32c;

use crate::store::Store;

const MAGIC: [u8; 8] = *b"\x89ZVLIVE\n";
const LENGTH: usize = 8 + 16 + 4;

/// This boot of the host, by the name that the kernel draws at each (random(4), `boot_id`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Boot([u8; 16]);

impl Boot {
    /// The boot that this process runs in; `None` where the kernel does not tell.
    pub fn current() -> Option<Self> {
        let text = std::fs::read_to_string("/proc/sys/kernel/random/boot_id").ok()?;
        let digits: String = text.trim().chars().filter(|c| *c != '-').collect();
        let id = u128::from_str_radix(&digits, 16).ok()?;
        (digits.len() == 32).then(|| Self(id.to_be_bytes()))
    }

    #[cfg(test)]
    pub fn number(number: u8) -> Self {
        Self([number; 16])
    }
}

/// What a stamp says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stamp {
    /// The image is not in use, and its last user stopped cleanly.
    None,
    /// Whoever used it last did so in this boot.
    Boot(Boot),
    /// It does not check.
    Broken,
}

/// Reads the stamp.
pub(crate) fn read(store: &dyn Store, at: u64) -> io::Result<Stamp> {
    let mut stamp = [0; LENGTH];
    store.read_at(at, &mut stamp)?;
    let boot = Boot(stamp[8..24].try_into().expect("16 bytes"));
    Ok(match stamp {
        _ if stamp == [0; LENGTH] => Stamp::None,
        _ if stamp == encode(boot) => Stamp::Boot(boot),
        _ => Stamp::Broken,
    })
}

/// Whether the table was stamped in boot `boot`.
pub(crate) fn is_trusted(store: &dyn Store, at: u64, boot: Option<Boot>) -> io::Result<bool> {
    let stamp = read(store, at)?;
    Ok(boot.is_some_and(|boot| stamp == Stamp::Boot(boot)))
}

/// Stamps the table. Need not be stable: the stamp means nothing after a crash of the host.
pub(crate) fn stamp(store: &dyn Store, at: u64, boot: Option<Boot>) -> io::Result<()> {
    store.write_at(at, &boot.map_or([0; LENGTH], encode))
}

fn encode(Boot(id): Boot) -> [u8; LENGTH] {
    let mut stamp = [0; LENGTH];
    stamp[..8].copy_from_slice(&MAGIC);
    stamp[8..24].copy_from_slice(&id);
    let crc = crc32c(&stamp[..24]);
    stamp[24..].copy_from_slice(&crc.to_le_bytes());
    stamp
}
