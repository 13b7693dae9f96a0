//! Which request queue a thread serves, for those who observe commands.

use std::cell::Cell;

thread_local! {
    static QUEUE: Cell<Option<u16>> = const { Cell::new(None) };
}

/// The request queue, counted from 0, whose commands this thread runs; `None` for any other thread.
pub fn current_queue() -> Option<u16> {
    QUEUE.get()
}

/// From now on this thread serves request queue `number`.
pub(crate) fn serve(number: u16) {
    QUEUE.set(Some(number));
}
