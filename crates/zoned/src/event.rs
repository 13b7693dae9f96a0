//! What happens to a disk by itself, for the protocols that tell their initiators of it.

use std::sync::Arc;

/// Something that no request asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Event {
    /// A zone's condition changed by itself.
    ZoneChanged { zone: u32 },
    /// Power was cut, and is back.
    PowerCut,
    /// What keeps the disk is gone: every request is refused from now on.
    Lost,
}

/// Who wants to be told.
pub type Listener = Arc<dyn Fn(Event) + Send + Sync>;
