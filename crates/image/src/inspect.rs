//! A look at an image that changes nothing, also while a guest uses it.

use std::os::unix::fs::MetadataExt;
use std::path::Path;

use rustix::fs::OFlags;
use zoned::{Condition, Geometry, Identity, Zone};

use crate::error::corrupt;
use crate::file::open_regular;
use crate::header::{Access, Header};
use crate::live::Boot;
use crate::lock::{holder, Holder};
use crate::state::{current_words, load};
use crate::store::FileStore;
use crate::{table, Error};

/// What an image is and holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Inspection {
    /// What the medium looks like.
    pub geometry: Geometry,
    /// How the disk names itself.
    pub identity: Identity,
    /// The image's own name, drawn at its creation.
    pub uuid: [u8; 16],
    /// When the image was made, in seconds since 1970.
    pub created: u64,
    /// The state of all zones. No zone is open while nobody uses the image.
    pub zones: Zones,
    /// Bytes that the file takes on its file system.
    pub allocated: u64,
    /// Who uses the image; `None`: nobody, or a process that cannot be seen from here.
    pub user: Option<Holder>,
}

/// The zones of an image as they were at one time, in eight bytes each: there may be millions.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Zones {
    geometry: Geometry,
    words: Vec<u64>,
}

/// What some zones come to; blocks are logical ones.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Sums {
    /// How many there are of each condition.
    pub conditions: Vec<(Condition, u32)>,
    /// Blocks below the write pointers of sequential zones; all of a full zone.
    pub written: u64,
    /// Blocks of sequential zones.
    pub sequential: u64,
}

impl Zones {
    /// How many zones there are.
    #[allow(clippy::len_without_is_empty)] // a disk has zones
    pub fn len(&self) -> usize {
        self.words.len()
    }

    /// Zone `number`, if there is one.
    pub fn get(&self, number: usize) -> Option<Zone> {
        let word = *self.words.get(number)?;
        Some(zoned::decode(&self.geometry, number as u32, word))
    }

    /// All zones, in order.
    pub fn iter(&self) -> impl Iterator<Item = Zone> + '_ {
        (0..self.len()).filter_map(|number| self.get(number))
    }

    /// Sums up `count` zones from `first` on, or as many of them as there are.
    pub fn sums(&self, first: usize, count: usize) -> Sums {
        let mut sums = Sums::default();
        let end = first.saturating_add(count).min(self.len());
        for zone in (first..end).filter_map(|number| self.get(number)) {
            let known = sums
                .conditions
                .iter_mut()
                .find(|each| each.0 == zone.condition);
            match known {
                Some((_, count)) => *count += 1,
                None => sums.conditions.push((zone.condition, 1)),
            }
            if zone.conventional {
                continue;
            }
            sums.sequential += zone.len;
            sums.written += match zone.condition {
                Condition::Full => zone.len,
                _ => zone.write_pointer.map_or(0, |pointer| pointer - zone.start),
            };
        }
        sums
    }
}

/// Looks at the image at `path` without locking or changing it.
///
/// # Errors
/// `NotAnImage`, `Version`, `Corrupt`, `Truncated`, `NotFound`, `Permission`, `Io`.
pub fn inspect(path: &Path) -> Result<Inspection, Error> {
    let file = open_regular(path, OFlags::RDONLY)?;
    let header = Header::read(&file, path, Access::Read)?;
    let metadata = file.metadata().map_err(|e| Error::io("look at", path, e))?;
    let user = holder(&file);
    let store = FileStore::new(file, false);
    let words = words(&store, &header, user.is_some(), path)?;
    let Header {
        geometry,
        identity,
        uuid,
        created,
        ..
    } = header;
    let mut words = words;
    if user.is_none() {
        words
            .iter_mut()
            .for_each(|word| *word = zoned::powered_off(*word));
    }
    Ok(Inspection {
        zones: Zones {
            geometry: geometry.clone(),
            words,
        },
        geometry,
        identity,
        uuid,
        created,
        allocated: metadata.blocks() * 512,
        user,
    })
}

/// The zone words: while the image is in use the live ones, for the journal changes under our eyes.
fn words(store: &FileStore, header: &Header, in_use: bool, path: &Path) -> Result<Vec<u64>, Error> {
    if in_use {
        let Header {
            layout, geometry, ..
        } = header;
        let words = table::read(store, layout.table, geometry);
        let words = words.map_err(|e| Error::io("read", path, e))?;
        table::check(&words, geometry).map_err(|e| corrupt(path, &e.to_string()))?;
        return Ok(words);
    }
    let journal = load(store, header, path)?;
    current_words(store, header, Boot::current(), journal, path)
}
