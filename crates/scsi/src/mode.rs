//! MODE SENSE and MODE SELECT (SPC-5, 6.13 to 6.16).

use zoned::Operation;

use crate::answer::{Answer, Buffer, Context, Reply, Step};
use crate::mode_pages::{next, Control, PAGES, PARAMETERS_SAVEABLE};
use crate::sense::Sense;
use crate::unit::saved;

const ALL_PAGES: u8 = 0x3F;
const ALL_SUBPAGES: u8 = 0xFF;

/// MODE SENSE(6), (10).
pub(crate) fn sense(context: &Context<'_>) -> Answer {
    let long_cdb = context.cdb.len() == 10;
    let (code, subpage) = (context.cdb.byte(2) & 0x3F, context.cdb.byte(3));
    let control = match context.cdb.byte(2) >> 6 {
        0 => Control::Current,
        1 => Control::Changeable,
        2 => Control::Default,
        _ => Control::Saved,
    };
    let mut pages = Vec::new();
    let mut code_is_known = false;
    for (index, page) in PAGES.iter().enumerate() {
        let (of, sub) = page.code();
        if code != ALL_PAGES && code != of {
            continue;
        }
        code_is_known = true;
        if subpage == ALL_SUBPAGES || subpage == sub {
            let mut page = context.state.modes.page(index, control);
            page[0] |= PARAMETERS_SAVEABLE;
            pages.extend(page);
        }
    }
    if pages.is_empty() {
        return Err(match code_is_known {
            true => Sense::cdb_field(3),
            false => Sense::cdb_bit(2, 5),
        });
    }
    let no_block_descriptor = context.cdb.bit(1, 3);
    let long_lba = long_cdb && context.cdb.bit(1, 4);
    let descriptor = match (no_block_descriptor, long_lba) {
        (true, _) => Vec::new(),
        (false, false) => short_block_descriptor(context),
        (false, true) => long_block_descriptor(context),
    };
    let mut data = header(context, long_lba, descriptor.len(), pages.len());
    data.extend(descriptor);
    data.extend(pages);
    if long_cdb {
        Reply::cut(data, context.cdb.be16(7))
    } else {
        Reply::cut(data, context.cdb.byte(4))
    }
}

/// The mode parameter header, of 4 bytes for the 6-byte commands and of 8 for the 10-byte ones.
fn header(context: &Context<'_>, long_lba: bool, descriptors: usize, pages: usize) -> Vec<u8> {
    const DPOFUA: u8 = 0x10;
    const WRITE_PROTECTED: u8 = 0x80;
    let protected = context.state.modes.is_write_protected();
    let parameter = DPOFUA | if protected { WRITE_PROTECTED } else { 0 };
    if context.cdb.len() == 6 {
        let len = (3 + descriptors + pages) as u8;
        return vec![len, 0, parameter, descriptors as u8];
    }
    let mut header = ((6 + descriptors + pages) as u16).to_be_bytes().to_vec();
    header.extend([0, parameter, u8::from(long_lba), 0]);
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

/// MODE SELECT(6), (10): all of the parameter list is changed, or nothing; with SP what is saved, too.
pub(crate) fn select(context: &Context<'_>) -> Answer {
    let page_format = context.cdb.bit(1, 4);
    let save = context.cdb.bit(1, 0);
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

    let modes = &context.state.modes;
    let cached = modes.has_write_cache();
    let changed = |(index, page): &(usize, Vec<u8>)| *page != modes.page(*index, Control::Current);
    if changes.iter().any(changed) {
        context.tell_others(Sense::MODE_PARAMETERS_CHANGED);
    }
    let to_keep = modes.change(changes, save);
    let mut steps = Vec::new();
    if cached && !modes.has_write_cache() {
        steps.push(Step::Medium(Operation::Flush, Buffer::None));
    }
    if let Some(kept) = to_keep {
        steps.push(Step::Save(saved::MODE_PAGES, kept));
    }
    Ok(Reply::Series(steps))
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

/// The pages from byte `at` on, by their indices.
fn parse_pages(
    context: &Context<'_>,
    list: &[u8],
    mut at: usize,
) -> Result<Vec<(usize, Vec<u8>)>, Sense> {
    let mut changes = Vec::new();
    while at < list.len() {
        let page = next(list, at).ok_or(Sense::PARAMETER_LIST_LENGTH)?;
        let (index, found) = page.map_err(Sense::parameter_field)?;
        let current = context.state.modes.page(index, Control::Current);
        let wrong = |byte| Sense::parameter_field(at as u16 + byte);
        PAGES[index].accepts(found, &current).map_err(wrong)?;
        let mut page = found.to_vec();
        page[0] &= !PARAMETERS_SAVEABLE;
        changes.push((index, page));
        at += found.len();
    }
    Ok(changes)
}
