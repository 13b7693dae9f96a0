//! Little-endian numbers and texts, one after the other.

/// Bytes that are put together.
#[derive(Default)]
pub(crate) struct Packer(pub Vec<u8>);

impl Packer {
    pub fn u8(&mut self, value: u8) -> &mut Self {
        self.0.push(value);
        self
    }

    pub fn u16(&mut self, value: u16) -> &mut Self {
        self.0.extend(value.to_le_bytes());
        self
    }

    pub fn u32(&mut self, value: u32) -> &mut Self {
        self.0.extend(value.to_le_bytes());
        self
    }

    pub fn u64(&mut self, value: u64) -> &mut Self {
        self.0.extend(value.to_le_bytes());
        self
    }

    /// A text, or as much of it as two bytes can count.
    pub fn text(&mut self, text: &str) -> &mut Self {
        let mut len = text.len().min(u16::MAX.into());
        while !text.is_char_boundary(len) {
            len -= 1;
        }
        self.u16(len as u16);
        self.0.extend(&text.as_bytes()[..len]);
        self
    }
}

/// Bytes that are taken apart; `None` where there are no more.
pub(crate) struct Unpacker<'a>(pub &'a [u8]);

impl Unpacker<'_> {
    fn take<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (taken, rest) = self.0.split_first_chunk()?;
        self.0 = rest;
        Some(*taken)
    }

    pub fn u8(&mut self) -> Option<u8> {
        self.take().map(|[byte]| byte)
    }

    pub fn u16(&mut self) -> Option<u16> {
        self.take().map(u16::from_le_bytes)
    }

    pub fn u32(&mut self) -> Option<u32> {
        self.take().map(u32::from_le_bytes)
    }

    pub fn u64(&mut self) -> Option<u64> {
        self.take().map(u64::from_le_bytes)
    }

    pub fn text(&mut self) -> Option<String> {
        let len = self.u16()?.into();
        let (taken, rest) = self.0.split_at_checked(len)?;
        self.0 = rest;
        String::from_utf8(taken.to_vec()).ok()
    }
}
