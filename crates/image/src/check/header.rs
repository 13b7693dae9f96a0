//! Whether the header or its copy says what the image is.

use std::path::Path;

use super::findings::Findings;
use crate::header::{Access, Header, Page};
use crate::{Error, ErrorKind};

/// The header that can be read: the first, or else its copy.
pub(super) fn header(
    found: &mut Findings,
    main: &Page,
    copy: &Page,
    path: &Path,
    access: Access,
) -> Result<Option<Header>, Error> {
    let error = match Header::decode(main, path, access) {
        Ok(header) => {
            if header.layout.has_copy() && copy != main {
                let problem = "it is not what the header is";
                found.add("header copy", None, problem, Some("written anew"));
            }
            return Ok(Some(header));
        }
        Err(error) if error.kind() == ErrorKind::Version => return Err(error),
        Err(error) => error,
    };
    match Header::decode(copy, path, access) {
        Ok(header) if header.layout.has_copy() => {
            let problem = "it does not check, and its copy does";
            found.add("header", None, problem, Some("restored from its copy"));
            Ok(Some(header))
        }
        Err(other) if other.kind() == ErrorKind::Version => Err(other),
        _ if error.kind() == ErrorKind::NotAnImage => Err(error),
        _ => {
            found.add("header", None, "neither it nor its copy checks", None);
            Ok(None)
        }
    }
}
