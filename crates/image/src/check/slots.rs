//! Whether the data that the zones' words speak of are in the file, each zone's in a slot of its own.

use zoned::written_bytes;

use super::findings::Findings;
use crate::header::Header;
use crate::slots::{length, shared, span};

/// Looks at a file of `size` bytes whose zones have `words`.
pub(super) fn slots(found: &mut Findings, header: &Header, words: &[u64], size: u64) {
    let (layout, geometry) = (&header.layout, &header.geometry);
    if let Some((first, second)) = shared(words) {
        let problem = format!("it is also that of zone {first}");
        found.add("slots", Some(second), problem, None);
    }
    let needed = length(header, words);
    if size >= needed {
        return;
    }
    let problem = format!("the file has {size} bytes of {needed}");
    let before = found.len();
    for (zone, &word) in (0..).zip(words) {
        let Some(span) = span(layout, geometry, zone, word) else {
            continue;
        };
        let end = match geometry.is_conventional(zone) {
            true => span.end,
            false => span.start + written_bytes(geometry, word),
        };
        if end > size && end > span.start {
            let problem = format!("its data may be up to byte {end} of the file: {problem}");
            found.add("length", Some(zone), problem, None);
        }
    }
    if found.len() == before {
        let problem = format!("{problem}, and what is missing was never written");
        let cure = format!("made {needed} bytes long");
        found.add("length", None, problem, Some(&cure));
    }
}
