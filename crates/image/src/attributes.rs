//! Who may use a file: kept when a new file takes its place, and never more when it is copied.

use std::fs::{File, Permissions};
use std::io;
use std::os::unix::fs::{fchown, MetadataExt, PermissionsExt};
use std::path::Path;

use rustix::fs::{fgetxattr, flistxattr, fremovexattr, fsetxattr, XattrFlags};
use rustix::io::Errno;

use crate::{Error, ErrorKind};

/// The access control list of acl(5), as Linux keeps it.
const ACL: &str = "system.posix_acl_access";

/// The longest value, and the longest list of names (XATTR_SIZE_MAX and XATTR_LIST_MAX of linux/limits.h).
const LONGEST: usize = 1 << 16;

/// Whom a copy belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Owner {
    /// To whom the original belongs.
    Kept,
    /// To whoever made it, who may not give it away. Others may read it only where everybody may read the original.
    Caller,
}

/// Gives `new`, which is to take the place of `old` at `path`, its owner, group, mode and extended attributes.
///
/// # Errors
/// `Permission` where the caller may not; `Io`.
pub(crate) fn keep(old: &File, new: &File, path: &Path) -> Result<(), Error> {
    let failed = |e| Error::io("keep the attributes of", path, e);
    let metadata = old.metadata().map_err(failed)?;
    if give(new, metadata.uid(), metadata.gid()).is_err() {
        return Err(Error::new(
            ErrorKind::Permission,
            format!(
                "cannot replace '{}': it belongs to user {} and group {}, to whom you may not give a new file",
                path.display(),
                metadata.uid(),
                metadata.gid()
            ),
            "do it as that user or as root, or work on a copy: `zonevm disk snapshot`",
        ));
    }
    copy_extended(old, new).map_err(failed)?;
    set_mode(new, metadata.mode() & 0o7777).map_err(failed)
}

/// Lets nobody read `copy` who may not read `original`, and gives it the same owner and group where that is allowed.
pub(crate) fn follow(original: &File, copy: &File) -> io::Result<Owner> {
    let metadata = original.metadata()?;
    let mode = metadata.mode() & 0o777;
    let list = extended(original, ACL)?;
    drop_list(copy)?;
    if give(copy, metadata.uid(), metadata.gid()).is_err() {
        let others = if list.is_none() { mode & 0o7 } else { 0 };
        let group = others & (mode >> 3);
        set_mode(copy, 0o600 | group << 3 | group)?;
        return Ok(Owner::Caller);
    }
    match list.map(|list| fsetxattr(copy, ACL, &list, XattrFlags::empty())) {
        // A file system without lists: nobody but the owner.
        Some(Err(_)) => set_mode(copy, mode & 0o700)?,
        _ => set_mode(copy, mode)?,
    }
    Ok(Owner::Kept)
}

fn give(file: &File, user: u32, group: u32) -> io::Result<()> {
    let now = file.metadata()?;
    if (now.uid(), now.gid()) == (user, group) {
        return Ok(());
    }
    fchown(file, Some(user), Some(group))
}

fn set_mode(file: &File, mode: u32) -> io::Result<()> {
    file.set_permissions(Permissions::from_mode(mode))
}

/// Takes from a new file the list that it has from its directory.
fn drop_list(file: &File) -> io::Result<()> {
    match fremovexattr(file, ACL) {
        Ok(()) | Err(Errno::NODATA | Errno::OPNOTSUPP) => Ok(()),
        Err(error) => Err(error.into()),
    }
}

/// Copies the extended attributes that users and access control lists have, and those of the system where it allows that.
fn copy_extended(old: &File, new: &File) -> io::Result<()> {
    drop_list(new)?;
    for name in names(old)? {
        let Some(value) = extended(old, &name)? else {
            continue;
        };
        let set = fsetxattr(new, name.as_str(), &value, XattrFlags::empty());
        match set {
            Err(error) if name == ACL || name.starts_with("user.") => return Err(error.into()),
            _ => {}
        }
    }
    Ok(())
}

fn names(file: &File) -> io::Result<Vec<String>> {
    let mut list = vec![0; LONGEST];
    let length = match flistxattr(file, &mut list[..]) {
        Ok(length) => length,
        Err(Errno::OPNOTSUPP) => 0,
        Err(error) => return Err(error.into()),
    };
    let names = list[..length].split(|byte| *byte == 0);
    Ok(names
        .filter(|name| !name.is_empty())
        .map(|name| String::from_utf8_lossy(name).into_owned())
        .collect())
}

/// An extended attribute's value, if the file has it.
fn extended(file: &File, name: &str) -> io::Result<Option<Vec<u8>>> {
    let mut value = vec![0; LONGEST];
    match fgetxattr(file, name, &mut value[..]) {
        Ok(length) => {
            value.truncate(length);
            Ok(Some(value))
        }
        Err(Errno::NODATA | Errno::OPNOTSUPP) => Ok(None),
        Err(error) => Err(error.into()),
    }
}
