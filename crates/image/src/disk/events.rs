//! What happens to the disk by itself, and who is told.

use std::sync::PoisonError;

use zoned::{Event, Target};

use super::Inner;

impl Inner {
    pub(super) fn tell(&self, event: Event) {
        let listeners = self
            .listeners
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        for listener in &*listeners {
            listener(event);
        }
    }

    /// Tells that these zones changed by themselves.
    pub(super) fn tell_changed(&self, target: Target) {
        let zones = match target {
            Target::All => 0..self.machine.geometry().zones(),
            Target::Zones { first, count } => first..first + count,
        };
        for zone in zones {
            self.tell(Event::ZoneChanged { zone });
        }
    }
}
