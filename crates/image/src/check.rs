//! What is wrong with an image, and for each thing what would repair it. Changes nothing.
//!
//! A zone's state is the live table's where that can be trusted, or else the stable one. Only where there is no
//! stable one that can be read is a live table taken at its word: it is right unless the host crashed.

mod findings;
mod header;
mod slots;
mod state;

use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::Path;

use rustix::fs::OFlags;

use crate::file::open_regular;
use crate::header::{Access, Header, Page};
use crate::layout::{Area, COPY, PAGE};
use crate::live::Boot;
use crate::lock::lock_shared;
use crate::saved;
use crate::state::with_places;
use crate::store::FileStore;
use crate::Error;

pub use findings::Finding;
use findings::Findings;

/// What is wrong with an image, and what it needs.
#[derive(Debug, Default)]
pub(crate) struct Diagnosis {
    pub findings: Vec<Finding>,
    /// What the header says, or its copy.
    pub header: Option<Header>,
    /// The zone words to write, where any of the state has to be written anew.
    pub words: Option<Vec<u64>>,
    /// Halves of what is saved that do not check.
    pub saved: Vec<Area>,
    /// How long the file has to be.
    pub length: u64,
}

/// Looks for all that is wrong with the image at `path`, which cannot be opened meanwhile.
///
/// # Errors
/// `InUse`; `NotAnImage` and `Version` for a file that this cannot judge; `NotFound`, `Permission`, `Io`.
pub fn check(path: &Path) -> Result<Vec<Finding>, Error> {
    let file = open_regular(path, OFlags::RDONLY)?;
    lock_shared(&file, path)?;
    Ok(Diagnosis::of(&file, path, Access::Read, Boot::current())?.findings)
}

impl Diagnosis {
    /// Looks at an image that nobody else changes.
    pub fn of(file: &File, path: &Path, access: Access, boot: Option<Boot>) -> Result<Self, Error> {
        let mut found = Findings::default();
        let mut diagnosis = Self::default();
        diagnosis.look(&mut found, file, path, access, boot)?;
        diagnosis.findings = found.into_list();
        Ok(diagnosis)
    }

    fn look(
        &mut self,
        found: &mut Findings,
        file: &File,
        path: &Path,
        access: Access,
        boot: Option<Boot>,
    ) -> Result<(), Error> {
        let failed = |e| Error::io("read", path, e);
        let size = file.metadata().map_err(failed)?.len();
        let main = read_page(file, 0, size).map_err(failed)?;
        let copy = read_page(file, COPY, size).map_err(failed)?;
        let Some(header) = header::header(found, &main, &copy, path, access)? else {
            return Ok(());
        };
        self.length = header.layout.least_length();
        if size < header.layout.state_end() {
            let needed = self.length;
            let problem = format!("the file has {size} bytes of {needed}: zone state is missing");
            found.add("length", None, problem, None);
            return Ok(());
        }
        let store = FileStore::new(file.try_clone().map_err(failed)?, false);
        let before = found.len();
        if let Some(words) = state::state(found, &store, &header, boot).map_err(failed)? {
            let mut placed = words.clone();
            if found.len() > before {
                self.words = Some(words);
            }
            with_places(&header, &mut placed);
            self.length = crate::slots::length(&header, &placed);
            slots::slots(found, &header, &placed, size);
        } else if size < self.length {
            let problem = format!("the file has {size} bytes of {} or more", self.length);
            found.add("length", None, problem, None);
        }
        self.saved = saved::broken(&store, header.layout.saved).map_err(failed)?;
        for _ in &self.saved {
            let problem = "a half does not check: damaged, or torn by a crash of the host";
            found.add("saved", None, problem, Some("emptied"));
        }
        self.header = Some(header);
        Ok(())
    }
}

/// A page of the file; what is beyond its end is zeroes.
fn read_page(file: &File, at: u64, length: u64) -> std::io::Result<Page> {
    let mut page = [0; PAGE as usize];
    let there = length.saturating_sub(at).min(PAGE) as usize;
    file.read_exact_at(&mut page[..there], at)?;
    Ok(page)
}
