//! The mode pages (SPC-5, 7.5; SBC-4, 6.5): their defaults, what of them can be changed, and their values.
//!
//! A page has current values, which last until power on or reset, and saved ones, which the disk keeps.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::self_test::EXTENDED;

/// A mode page, or subpage. Both arrays are the page as MODE SENSE has it.
pub(crate) struct Page {
    pub defaults: &'static [u8],
    /// Ones where MODE SELECT may change something.
    changeable: &'static [u8],
    /// Whether changed values can be; if not, which byte is wrong.
    check: fn(&[u8]) -> Result<(), u16>,
}

/// The subpage format: byte 1 is a subpage code, and the length has two bytes.
const SUBPAGE_FORMAT: u8 = 0x40;
/// In MODE SENSE data: the page can be saved.
pub(crate) const PARAMETERS_SAVEABLE: u8 = 0x80;

const CACHING: usize = 2;
const CONTROL: usize = 3;
const EXCEPTIONS: usize = 6;

const WCE: u8 = 0x04;
const D_SENSE: u8 = 0x04;
/// Software write protect, in byte 4.
const SWP: u8 = 0x08;
/// DEXCPT and TEST of the informational exceptions page.
const NO_EXCEPTIONS: u8 = 0x08;
const TEST: u8 = 0x04;
/// Report informational exceptions in answer to REQUEST SENSE only; never.
const ON_REQUEST: u8 = 6;
const NEVER: u8 = 0;

/// All pages, by code.
pub(crate) const PAGES: &[Page] = &[
    // Read-write error recovery: AWRE, ARRE, retry counts, recovery time limit. No error here is recovered.
    Page {
        defaults: &[0x01, 0x0A, 0xC0, 0x10, 0, 0, 0, 0, 0x10, 0, 0xFF, 0xFF],
        changeable: &[0, 0, 0xC0, 0xFF, 0, 0, 0, 0, 0xFF, 0, 0xFF, 0xFF],
        check: anything,
    },
    // Disconnect-reconnect.
    Page {
        defaults: &[0x02, 0x0E, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0],
        changeable: &[0; 16],
        check: anything,
    },
    // Caching: WCE; DRA, for there is no read-ahead.
    Page {
        defaults: &[
            0x08, 0x12, WCE, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,
        ],
        changeable: &[
            0, 0, WCE, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x20, 0, 0, 0, 0, 0, 0, 0,
        ],
        check: anything,
    },
    // Control: D_SENSE, SWP; commands may be reordered without restriction; no limit on the busy time;
    // the seconds of an extended self-test.
    Page {
        defaults: &[
            0x0A,
            0x0A,
            0,
            0x10,
            0,
            0,
            0,
            0,
            0xFF,
            0xFF,
            0,
            EXTENDED.as_secs() as u8,
        ],
        changeable: &[0, 0, D_SENSE, 0, SWP, 0, 0, 0, 0, 0, 0, 0],
        check: anything,
    },
    // Control extension: SCSIP, the timestamp can be set.
    Page {
        defaults: &[
            0x0A | SUBPAGE_FORMAT,
            0x01,
            0,
            0x1C,
            0x02,
            0,
            0,
            0,
            0,
            0,
            0,
            0,
            0,
            0,
            0,
            0,
            0,
            0,
            0,
            0,
            0,
            0,
            0,
            0,
            0,
            0,
            0,
            0,
            0,
            0,
            0,
            0,
        ],
        changeable: &[0; 32],
        check: anything,
    },
    // Power condition: no timer.
    Page {
        defaults: &[
            0x1A, 0x26, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,
            0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,
        ],
        changeable: &[0; 40],
        check: anything,
    },
    // Informational exceptions control: EWASC, DEXCPT, TEST, PERF; MRIE, interval timer and report count.
    Page {
        defaults: &[0x1C, 0x0A, 0x10, ON_REQUEST, 0, 0, 0, 0, 0, 0, 0, 0],
        changeable: &[
            0, 0, 0x9C, 0x0F, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF,
        ],
        check: exceptions,
    },
];

fn anything(_: &[u8]) -> Result<(), u16> {
    Ok(())
}

fn exceptions(page: &[u8]) -> Result<(), u16> {
    let disabled_and_tested = page[2] & (NO_EXCEPTIONS | TEST) == NO_EXCEPTIONS | TEST;
    match page[3] & 0x0F {
        _ if disabled_and_tested => Err(2),
        NEVER | ON_REQUEST => Ok(()),
        _ => Err(3),
    }
}

impl Page {
    /// Page code and subpage code.
    pub fn code(&self) -> (u8, u8) {
        match self.header_len() {
            2 => (self.defaults[0], 0),
            _ => (self.defaults[0] & !SUBPAGE_FORMAT, self.defaults[1]),
        }
    }

    /// How many bytes come before what can be changed.
    pub fn header_len(&self) -> usize {
        if self.defaults[0] & SUBPAGE_FORMAT == 0 {
            2
        } else {
            4
        }
    }

    /// The page with ones where it can be changed.
    pub fn changeable(&self) -> Vec<u8> {
        let (header, _) = self.defaults.split_at(self.header_len());
        [header, &self.changeable[header.len()..]].concat()
    }

    /// Whether `found`, as long as the page, can be its values; if not, which byte is wrong.
    pub fn accepts(&self, found: &[u8], current: &[u8]) -> Result<(), u16> {
        let wrong = (self.header_len()..found.len())
            .find(|&byte| (found[byte] ^ current[byte]) & !self.changeable[byte] != 0);
        wrong.map_or_else(|| (self.check)(found), |byte| Err(byte as u16))
    }
}

/// Values of all pages, in the order of [`PAGES`].
type Values = Vec<Vec<u8>>;

/// The values of a logical unit's mode pages.
pub(crate) struct Modes {
    values: Mutex<Both>,
    // What commands ask for, of the current values. Each is independent of the others.
    write_cache: AtomicBool,
    descriptor_sense: AtomicBool,
    write_protected: AtomicBool,
}

struct Both {
    current: Values,
    saved: Values,
}

/// Which values of a page.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Control {
    Current,
    Changeable,
    Default,
    Saved,
}

impl Modes {
    /// Power on, with what was saved before: pages, one after the other. What of it cannot be is left out.
    pub fn new(kept: &[u8]) -> Modes {
        let saved = restored(kept);
        let modes = Modes {
            values: Mutex::new(Both {
                current: saved.clone(),
                saved,
            }),
            write_cache: AtomicBool::new(true),
            descriptor_sense: AtomicBool::new(false),
            write_protected: AtomicBool::new(false),
        };
        modes.reset();
        modes
    }

    /// Current values are the saved ones.
    pub fn reset(&self) {
        let mut values = self.values();
        values.current = values.saved.clone();
        self.apply(&values.current);
    }

    /// The values of page `index` of [`PAGES`].
    pub fn page(&self, index: usize, control: Control) -> Vec<u8> {
        match control {
            Control::Current => self.values().current[index].clone(),
            Control::Changeable => PAGES[index].changeable(),
            Control::Default => PAGES[index].defaults.to_vec(),
            Control::Saved => self.values().saved[index].clone(),
        }
    }

    /// Changes pages, by their indices. With `save`: also what is saved, which is the answer, for the disk to keep.
    pub fn change(&self, changes: Vec<(usize, Vec<u8>)>, save: bool) -> Option<Vec<u8>> {
        let mut values = self.values();
        for (index, page) in changes {
            if save {
                values.saved[index].clone_from(&page);
            }
            values.current[index] = page;
        }
        self.apply(&values.current);
        save.then(|| values.saved.concat())
    }

    /// Whether a write is acknowledged before it is on stable storage.
    pub fn has_write_cache(&self) -> bool {
        self.write_cache.load(Ordering::Relaxed)
    }

    pub fn has_descriptor_sense(&self) -> bool {
        self.descriptor_sense.load(Ordering::Relaxed)
    }

    pub fn is_write_protected(&self) -> bool {
        self.write_protected.load(Ordering::Relaxed)
    }

    /// Whether a failure is to be predicted, falsely (TEST), to who asks.
    pub fn predicts_failure(&self) -> bool {
        let page = &self.values().current[EXCEPTIONS];
        page[2] & (NO_EXCEPTIONS | TEST) == TEST && page[3] & 0x0F == ON_REQUEST
    }

    fn apply(&self, current: &Values) {
        let set = |of: &AtomicBool, to| of.store(to, Ordering::Relaxed);
        set(&self.write_cache, current[CACHING][2] & WCE != 0);
        set(&self.descriptor_sense, current[CONTROL][2] & D_SENSE != 0);
        set(&self.write_protected, current[CONTROL][4] & SWP != 0);
    }

    fn values(&self) -> MutexGuard<'_, Both> {
        self.values.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Page `at` a byte of pages that follow each other: its index in [`PAGES`], and itself; else which byte is wrong.
/// `None`: the list ends within it.
pub(crate) fn next(list: &[u8], at: usize) -> Option<Result<(usize, &[u8]), u16>> {
    let rest = &list[at..];
    let code = rest.first()? & !PARAMETERS_SAVEABLE;
    let has_subpage = code & SUBPAGE_FORMAT != 0;
    let subpage = if has_subpage { *rest.get(1)? } else { 0 };
    let wanted = (code & !SUBPAGE_FORMAT, subpage);
    let found = PAGES.iter().position(|page| page.code() == wanted);
    let Some(index) = found.filter(|&index| (PAGES[index].header_len() == 4) == has_subpage) else {
        return Some(Err(at as u16));
    };
    let page = &PAGES[index];
    for byte in page.header_len() / 2..page.header_len() {
        if *rest.get(byte)? != page.defaults[byte] {
            return Some(Err((at + byte) as u16));
        }
    }
    let values = rest.get(..page.defaults.len())?;
    Some(Ok((index, values)))
}

/// Saved values: those of `kept` that can be, else the defaults.
fn restored(kept: &[u8]) -> Values {
    let mut saved: Values = PAGES.iter().map(|page| page.defaults.to_vec()).collect();
    let mut at = 0;
    while let Some(Ok((index, values))) = next(kept, at) {
        if PAGES[index].accepts(values, PAGES[index].defaults).is_ok() {
            saved[index] = values.to_vec();
        }
        at += values.len();
        if at >= kept.len() {
            break;
        }
    }
    saved
}
