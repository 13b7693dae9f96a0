//! Reservation notifications (NVMe 1.4, 5.14.1.9.1 and 5.21.1.27): what the host has lost to others, a log page each.

use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};

use reservations::News;

/// How many wait to be read; of more, the oldest are lost.
const MOST: usize = 256;

/// The notifications of a controller.
pub(crate) struct Notifications(Mutex<State>);

struct State {
    /// Of each namespace, what the host does not want to be told of.
    masks: Vec<u32>,
    /// How many there have been.
    count: u64,
    /// The oldest first: its number, type and namespace.
    unread: VecDeque<(u64, u8, u32)>,
}

/// The type of a notification, which is the number of its bit in the mask, too.
fn type_of(news: News) -> u8 {
    match news {
        News::RegistrationsPreempted => 1,
        News::ReservationsReleased => 2,
        News::ReservationsPreempted => 3,
    }
}

impl Notifications {
    /// Those of a controller with so many namespaces.
    pub fn new(namespaces: usize) -> Notifications {
        Notifications(Mutex::new(State {
            masks: vec![0; namespaces],
            count: 0,
            unread: VecDeque::new(),
        }))
    }

    /// The controller is reset: nothing is masked, and nothing is there to be read.
    pub fn reset(&self) {
        let mut state = self.state();
        state.masks.fill(0);
        state.count = 0;
        state.unread.clear();
    }

    pub fn mask(&self, index: usize) -> u32 {
        self.state().masks[index]
    }

    pub fn set_mask(&self, index: usize, mask: u32) {
        self.state().masks[index] = mask;
    }

    /// The host has lost something of namespace `index`. Whether it wants to be told.
    pub fn happened(&self, index: usize, news: News) -> bool {
        let kind = type_of(news);
        let mut state = self.state();
        if state.masks[index] >> kind & 1 == 1 {
            return false;
        }
        state.count += 1;
        if state.unread.len() == MOST {
            state.unread.pop_front();
        }
        let notification = (state.count, kind, index as u32 + 1);
        state.unread.push_back(notification);
        true
    }

    /// The oldest notification (80h), which then is read unless it is to stay.
    pub fn page(&self, stay: bool) -> Vec<u8> {
        let mut state = self.state();
        let mut page = vec![0; 64];
        if let Some(&(number, kind, namespace)) = state.unread.front() {
            page[..8].copy_from_slice(&number.to_le_bytes());
            page[8] = kind;
            page[9] = (state.unread.len() - 1) as u8;
            page[12..16].copy_from_slice(&namespace.to_le_bytes());
        }
        if !stay {
            state.unread.pop_front();
        }
        page
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
