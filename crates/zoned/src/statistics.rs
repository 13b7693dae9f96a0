//! What happened to a disk's zones, in numbers.

/// What happened since this was asked for last, or since power on: the extremes of what was at one moment, and events.
/// Sequential zones count.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Statistics {
    /// Most zones that were open.
    pub most_open: u32,
    pub most_explicitly_open: u32,
    pub most_implicitly_open: u32,
    /// Most zones that were not empty.
    pub most_used: u32,
    /// Most zones with NON_SEQ.
    pub most_non_sequential: u32,
    /// Zones that were active or full and were reset.
    pub emptied: u64,
}

impl Statistics {
    /// Takes in what is at this moment.
    pub(crate) fn see(&mut self, now: Now) {
        let open = now.explicitly_open + now.implicitly_open;
        for (most, is) in [
            (&mut self.most_open, open),
            (&mut self.most_explicitly_open, now.explicitly_open),
            (&mut self.most_implicitly_open, now.implicitly_open),
            (&mut self.most_used, now.used),
            (&mut self.most_non_sequential, now.non_sequential),
        ] {
            *most = is.max(*most);
        }
    }
}

/// How many zones are so.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Now {
    pub explicitly_open: u32,
    pub implicitly_open: u32,
    pub used: u32,
    pub non_sequential: u32,
}
