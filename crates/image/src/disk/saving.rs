//! What protocols have the image keep, written by a helper.

use std::sync::Arc;

use memory::Scatter;
use zoned::{pending, Completion, Data, Refusal, Submitted};

use super::Inner;

impl Inner {
    /// Saves all of `data` under `kind`.
    pub(super) fn save(self: &Arc<Self>, kind: u32, data: &Scatter) -> Submitted<Completion> {
        let entry = data.to_vec(data.len());
        let (completer, later) = pending();
        // The order of what is saved is that of its submission, so none is taken back.
        completer.begin();
        let write = self.saved.put(kind, entry);
        let inner = Arc::clone(self);
        self.helpers.run(move || {
            let written = inner.whole().and_then(|()| inner.saved.write(write));
            completer.complete(match written {
                Ok(()) => Completion::done(0),
                Err(error) => {
                    inner.causes.note("save settings in", error);
                    inner.unless_lost(Refusal::NotStable.into())
                }
            });
            inner.leave();
        });
        Submitted::Pending(later)
    }
}
