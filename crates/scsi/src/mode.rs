//! MODE SENSE and MODE SELECT (SPC-5, 6.13 to 6.16) and the mode pages.
//!
//! Nothing is saved: a changed page lasts until power on or reset.

use std::sync::atomic::{AtomicBool, Ordering};

use zoned::Operation;

use crate::answer::{Answer, Buffer, Context, Reply};
use crate::sense::Sense;
use crate::unit::UnitState;

/// A mode page. The pages here have at most one thing that MODE SELECT may change, each a bit at the
/// same place: bit 2 of byte 2.
struct Page {
    defaults: &'static [u8],
    setting: Option<fn(&UnitState) -> &AtomicBool>,
}

const SETTING_BYTE: usize = 2;
const SETTING: u8 = 0x04;
const ALL_PAGES: u8 = 0x3F;
const ALL_SUBPAGES: u8 = 0xFF;

/// All pages, by code, which is their first byte.
const PAGES: &[Page] = &[
    // Read-write error recovery: AWRE, ARRE.
    Page {
        defaults: &[0x01, 0x0A, 0xC0, 0, 0, 0, 0, 0, 0, 0, 0, 0],
        setting: None,
    },
    // Caching: WCE.
    Page {
        defaults: &[
            0x08, 0x12, SETTING, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,
        ],
        setting: Some(|state| &state.write_cache),
    },
    // Control: D_SENSE; commands may be reordered without restriction; no limit on the busy time.
    Page {
        defaults: &[0x0A, 0x0A, 0, 0x10, 0, 0, 0, 0, 0xFF, 0xFF, 0, 0],
        setting: Some(|state| &state.descriptor_sense),
    },
];

impl Page {
    fn code(&self) -> u8 {
        self.defaults[0]
    }

    fn current(&self, state: &UnitState) -> Vec<u8> {
        let mut page = self.defaults.to_vec();
        if let Some(setting) = self.setting {
            page[SETTING_BYTE] &= !SETTING;
            if setting(state).load(Ordering::Relaxed) {
                page[SETTING_BYTE] |= SETTING;
            }
        }
        page
    }

    fn changeable(&self) -> Vec<u8> {
        let mut page = vec![0; self.defaults.len()];
        page[..2].copy_from_slice(&self.defaults[..2]);
        if self.setting.is_some() {
            page[SETTING_BYTE] = SETTING;
        }
        page
    }
}

/// MODE SENSE(6), (10).
pub(crate) fn sense(context: &Context<'_>) -> Answer {
    let long_cdb = context.cdb.len() == 10;
    let (page_control, code, subpage) = (
        context.cdb.byte(2) >> 6,
        context.cdb.byte(2) & 0x3F,
        context.cdb.byte(3),
    );
    if !matches!(subpage, 0 | ALL_SUBPAGES) {
        return Err(Sense::cdb_field(3));
    }
    let mut pages = Vec::new();
    for page in PAGES
        .iter()
        .filter(|page| code == ALL_PAGES || code == page.code())
    {
        pages.extend(match page_control {
            0 => page.current(context.state),
            1 => page.changeable(),
            2 => page.defaults.to_vec(),
            _ => return Err(Sense::SAVING_NOT_SUPPORTED),
        });
    }
    if pages.is_empty() {
        return Err(Sense::cdb_bit(2, 5));
    }
    let no_block_descriptor = context.cdb.bit(1, 3);
    let long_lba = long_cdb && context.cdb.bit(1, 4);
    let descriptor = match (no_block_descriptor, long_lba) {
        (true, _) => Vec::new(),
        (false, false) => short_block_descriptor(context),
        (false, true) => long_block_descriptor(context),
    };
    let mut data = header(long_cdb, long_lba, descriptor.len(), pages.len());
    data.extend(descriptor);
    data.extend(pages);
    if long_cdb {
        Reply::cut(data, context.cdb.be16(7))
    } else {
        Reply::cut(data, context.cdb.byte(4))
    }
}

/// The mode parameter header, of 4 bytes for the 6-byte commands and of 8 for the 10-byte ones.
fn header(long_cdb: bool, long_lba: bool, descriptors: usize, pages: usize) -> Vec<u8> {
    const DPOFUA: u8 = 0x10;
    if !long_cdb {
        return vec![
            (3 + descriptors + pages) as u8,
            0,
            DPOFUA,
            descriptors as u8,
        ];
    }
    let mut header = ((6 + descriptors + pages) as u16).to_be_bytes().to_vec();
    header.extend([0, DPOFUA, u8::from(long_lba), 0]);
    header.extend((descriptors as u16).to_be_bytes());
    header
}

/// SBC-4, 6.5.2.2; FFFFFFFFh blocks: more than fit.
fn short_block_descriptor(context: &Context<'_>) -> Vec<u8> {
    let blocks = u32::try_from(context.geometry.blocks).unwrap_or(u32::MAX);
    let mut descriptor = blocks.to_be_bytes().to_vec();
    descriptor.extend(context.geometry.block_size.to_be_bytes());
    descriptor
}

/// SBC-4, 6.5.2.3.
fn long_block_descriptor(context: &Context<'_>) -> Vec<u8> {
    let mut descriptor = context.geometry.blocks.to_be_bytes().to_vec();
    descriptor.extend([0; 4]);
    descriptor.extend(context.geometry.block_size.to_be_bytes());
    descriptor
}

/// MODE SELECT(6), (10): all of the parameter list is changed, or nothing.
pub(crate) fn select(context: &Context<'_>) -> Answer {
    let page_format = context.cdb.bit(1, 4);
    if !page_format {
        return Err(Sense::cdb_bit(1, 4));
    }
    let long_cdb = context.cdb.len() == 10;
    let len = if long_cdb {
        context.cdb.be16(7)
    } else {
        u16::from(context.cdb.byte(4))
    };
    if len == 0 {
        return Reply::GOOD;
    }
    let list = match context.parameters(len.into()) {
        Ok(list) => list,
        Err(overrun) => return Ok(overrun),
    };
    let pages_at = check_descriptors(context, &list, long_cdb)?;
    let changes = parse_pages(context, &list, pages_at)?;

    let cached = context.state.write_cache.load(Ordering::Relaxed);
    for (setting, value) in changes {
        setting.store(value, Ordering::Relaxed);
    }
    if cached && context.state.writes_through() {
        return Ok(Reply::Medium(Operation::Flush, Buffer::None));
    }
    Reply::GOOD
}

/// Checks the header and the block descriptor, which may only say what is so; where the pages start.
fn check_descriptors(context: &Context<'_>, list: &[u8], long_cdb: bool) -> Result<usize, Sense> {
    let header_len = if long_cdb { 8 } else { 4 };
    let header = list.get(..header_len).ok_or(Sense::PARAMETER_LIST_LENGTH)?;
    let (medium_type_at, len_at) = if long_cdb { (2, 6) } else { (1, 3) };
    if header[medium_type_at] != 0 {
        return Err(Sense::parameter_field(medium_type_at as u16));
    }
    let len = header[len_at..]
        .iter()
        .fold(0, |len, &byte| len << 8 | usize::from(byte));
    let long_lba = long_cdb && header[4] & 0x01 != 0;
    let expected = if long_lba {
        long_block_descriptor(context)
    } else {
        short_block_descriptor(context)
    };
    if len == 0 {
        return Ok(header_len);
    }
    if len != expected.len() {
        return Err(Sense::parameter_field(len_at as u16));
    }
    let found = list
        .get(header_len..header_len + len)
        .ok_or(Sense::PARAMETER_LIST_LENGTH)?;
    let blocks = len / 2;
    let unchanged = found[..blocks].iter().all(|&byte| byte == 0);
    if found[..blocks] != expected[..blocks] && !unchanged {
        return Err(Sense::parameter_field(header_len as u16));
    }
    if found[blocks..] != expected[blocks..] {
        return Err(Sense::parameter_field((header_len + blocks) as u16));
    }
    Ok(header_len + len)
}

/// The settings that the pages from byte `at` on change, and to what.
fn parse_pages<'a>(
    context: &Context<'a>,
    list: &[u8],
    mut at: usize,
) -> Result<Vec<(&'a AtomicBool, bool)>, Sense> {
    const PARAMETERS_SAVEABLE: u8 = 0x80;
    let mut changes = Vec::new();
    while at < list.len() {
        let code = list[at] & !PARAMETERS_SAVEABLE;
        let page = PAGES.iter().find(|page| page.code() == code);
        let page = page.ok_or(Sense::parameter_field(at as u16))?;
        let len = page.defaults.len();
        let stated = *list.get(at + 1).ok_or(Sense::PARAMETER_LIST_LENGTH)?;
        if stated != page.defaults[1] {
            return Err(Sense::parameter_field(at as u16 + 1));
        }
        let found = list.get(at..at + len).ok_or(Sense::PARAMETER_LIST_LENGTH)?;
        let (current, changeable) = (page.current(context.state), page.changeable());
        for byte in 2..len {
            if (found[byte] ^ current[byte]) & !changeable[byte] != 0 {
                return Err(Sense::parameter_field((at + byte) as u16));
            }
        }
        if let Some(setting) = page.setting {
            changes.push((setting(context.state), found[SETTING_BYTE] & SETTING != 0));
        }
        at += len;
    }
    Ok(changes)
}
