//! A look at an image that changes nothing, also while a guest uses it.

use std::os::unix::fs::MetadataExt;
use std::path::Path;

use rustix::fs::OFlags;
use zbc::{Geometry, Identity, Zone};

use crate::file::open_regular;
use crate::header::{corrupt, Access, Header};
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
    pub zones: Vec<Zone>,
    /// Bytes that the file takes on its file system.
    pub allocated: u64,
    /// Who uses the image; `None`: nobody, or a process that cannot be seen from here.
    pub user: Option<Holder>,
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
    let store = FileStore {
        file,
        temporary: false,
    };
    let words = words(&store, &header, user.is_some(), path)?;
    let Header {
        geometry,
        identity,
        uuid,
        created,
        ..
    } = header;
    let state = |word| match user {
        Some(_) => word,
        None => zbc::powered_off(word),
    };
    let zones = (0..)
        .zip(words)
        .map(|(zone, word)| zbc::decode(&geometry, zone, state(word)))
        .collect();
    Ok(Inspection {
        geometry,
        identity,
        uuid,
        created,
        zones,
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
    current_words(store, header, Boot::current(), &journal, path)
}
