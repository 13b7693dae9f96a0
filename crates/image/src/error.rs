//! What can go wrong with an image, in words for the person who has to act on it.

use std::fmt;
use std::io;
use std::path::Path;
use std::sync::Arc;

/// The kinds of [`Error`], for callers that act differently on them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ErrorKind {
    /// Another user holds the image's lock.
    InUse,
    /// The file to create is there already.
    Exists,
    /// The file is something else than an image.
    NotAnImage,
    /// The image's format is one that this program does not know.
    Version,
    /// The header's checksum or a value in the image is wrong.
    Corrupt,
    /// The file is shorter than its header says.
    Truncated,
    /// The file system (or a quota) is full.
    NoSpace,
    /// The file system, or a limit of the process, does not allow a file this long.
    TooLarge,
    /// The file's or the file system's permissions.
    Permission,
    /// The file or its directory is not there.
    NotFound,
    /// The host failed to read or write.
    Io,
    /// The disk asked for cannot be.
    Invalid,
}

impl ErrorKind {
    /// The kind's name in lower case with hyphens, such as `in-use`.
    pub fn name(self) -> &'static str {
        match self {
            Self::InUse => "in-use",
            Self::Exists => "exists",
            Self::NotAnImage => "not-an-image",
            Self::Version => "version",
            Self::Corrupt => "corrupt",
            Self::Truncated => "truncated",
            Self::NoSpace => "no-space",
            Self::TooLarge => "too-large",
            Self::Permission => "permission",
            Self::NotFound => "not-found",
            Self::Io => "io",
            Self::Invalid => "invalid",
        }
    }
}

/// An image could not be created, opened, read or made stable.
#[derive(Clone, Debug)]
pub struct Error {
    kind: ErrorKind,
    message: String,
    hint: String,
    source: Option<Arc<io::Error>>,
}

impl Error {
    pub(crate) fn new(
        kind: ErrorKind,
        message: impl Into<String>,
        hint: impl Into<String>,
    ) -> Self {
        Self {
            kind,
            message: message.into(),
            hint: hint.into(),
            source: None,
        }
    }

    /// `source` happened while trying to `action` (such as "create") the file `path`.
    pub(crate) fn io(action: &str, path: &Path, source: io::Error) -> Self {
        let (kind, what, hint) = match source.raw_os_error() {
            Some(libc::ENOSPC | libc::EDQUOT) => (
                ErrorKind::NoSpace,
                "the file system or quota is full".to_owned(),
                "free some space, or put the image on another file system",
            ),
            Some(libc::EFBIG) => (
                ErrorKind::TooLarge,
                "a file of that length is not allowed there".to_owned(),
                "check `ulimit -f` and the file system's largest file: ext4 stops at 16 TiB, XFS and btrfs at 8 EiB",
            ),
            Some(libc::EACCES | libc::EPERM) => (
                ErrorKind::Permission,
                "permission denied".to_owned(),
                "reading and writing the file, and creating files in its directory, must be allowed",
            ),
            Some(libc::EROFS) => (
                ErrorKind::Permission,
                "the file system is read-only".to_owned(),
                "use a copy of the image on a writable file system",
            ),
            Some(libc::ENOENT | libc::ENOTDIR) => (
                ErrorKind::NotFound,
                "no such file or directory".to_owned(),
                "check the path; `zonevm disk create` makes a new image",
            ),
            Some(libc::EEXIST) => (
                ErrorKind::Exists,
                "the file exists".to_owned(),
                "an image is never overwritten: remove the file first, or choose another name",
            ),
            _ => (
                ErrorKind::Io,
                source.to_string(),
                "the kernel log may say more",
            ),
        };
        Self {
            kind,
            message: format!("cannot {action} '{}': {what}", path.display()),
            hint: hint.to_owned(),
            source: Some(Arc::new(source)),
        }
    }

    /// What kind of error it is.
    pub fn kind(&self) -> ErrorKind {
        self.kind
    }

    /// What to do about it, or nothing when the message says it.
    pub fn hint(&self) -> &str {
        &self.hint
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.source.as_deref().map(|e| e as _)
    }
}

/// The error for a file that is something else.
pub(crate) fn not_an_image(path: &Path) -> Error {
    Error::new(
        ErrorKind::NotAnImage,
        format!("'{}' is not a zonevm disk image", path.display()),
        "the file was left as it is; `zonevm disk create` makes a new image",
    )
}

/// The error for an image with wrong contents: `what` is wrong.
pub(crate) fn corrupt(path: &Path, what: &str) -> Error {
    Error::new(
        ErrorKind::Corrupt,
        format!("the image '{}' is damaged: {what}", path.display()),
        "the file was left as it is; `zonevm disk check` says more, and `zonevm disk repair` repairs what it can",
    )
}

/// The error for an image that is shorter than it has to be.
pub(crate) fn truncated(path: &Path, length: u64, needed: u64) -> Error {
    Error::new(
        ErrorKind::Truncated,
        format!(
            "the image '{}' is truncated: it has {length} bytes of {needed}",
            path.display()
        ),
        "the file was left as it is; copy it again from where it came, as a whole, or see `zonevm disk check`",
    )
}

/// The error for an image of a format that is not known: `what` it has or is.
pub(crate) fn unknown_format(path: &Path, what: &str) -> Error {
    Error::new(
        ErrorKind::Version,
        format!("the image '{}' {what}", path.display()),
        "the file was left as it is; open it with the zonevm that made it, or a newer one",
    )
}
