//! Mounts the host's root under an overlay, and makes that the root.

use std::ffi::CString;
use std::fs;
use std::io;
use std::path::Path;

use rustix::fs::OFlags;
use rustix::mount::{mount, mount_move, unmount, MountFlags, UnmountFlags};
use rustix::process::{chdir, chroot};
use rustix::stdio::{dup2_stderr, dup2_stdin, dup2_stdout};

use super::doing;
use super::settings::Settings;

/// A place where the kernel shows itself, and the type of file system that does.
const VIEWS: [(&str, &str); 3] = [("/proc", "proc"), ("/sys", "sysfs"), ("/dev", "devtmpfs")];
const NEW_ROOT: &str = "/newroot";

/// Mount /proc, /sys and /dev.
pub fn kernel_views() -> Result<(), String> {
    for (target, kind) in VIEWS {
        sourceless(kind, target, "")?;
    }
    Ok(())
}

/// Mount a file system, in a directory that is made where it is missing.
pub fn mounted(
    kind: &str,
    source: &str,
    target: impl AsRef<Path>,
    flags: MountFlags,
    options: &str,
) -> Result<(), String> {
    let target = target.as_ref();
    let what = || format!("mount {source} ({kind}) at {}", target.display());
    doing(what(), fs::create_dir_all(target))?;
    let options = doing(what(), CString::new(options).map_err(io::Error::from))?;
    doing(
        what(),
        mount(source, target, kind, flags, options.as_c_str()),
    )
}

/// Mount a file system that comes from nowhere else, and so is called by its type.
pub fn sourceless(kind: &str, target: &str, options: &str) -> Result<(), String> {
    mounted(kind, kind, target, MountFlags::empty(), options)
}

/// Return the options of a 9p mount by virtio.
pub fn nine(settings: &Settings, cache: &str) -> String {
    format!(
        "cache={cache},trans=virtio,version=9p2000.L,access=any,msize={}",
        settings.msize
    )
}

/// Mount the host's root under an overlay, at [`NEW_ROOT`].
pub fn host_root(settings: &Settings) -> Result<(), String> {
    if settings.is_virtiofs {
        mounted("virtiofs", "root", "/lower", MountFlags::RDONLY, "")?;
    } else {
        mounted(
            "9p",
            "root",
            "/lower",
            MountFlags::RDONLY,
            &nine(settings, "loose"),
        )?;
    }
    sourceless("tmpfs", "/upper", "mode=755")?;
    for directory in ["/upper/data", "/upper/work"] {
        doing(format!("make {directory}"), fs::create_dir(directory))?;
    }
    let options = "lowerdir=/lower,upperdir=/upper/data,workdir=/upper/work";
    sourceless("overlay", NEW_ROOT, options)
}

/// Make [`NEW_ROOT`] the root, with /proc, /sys and /dev in it; give the memory of the initramfs back.
pub fn switch_root() -> Result<(), String> {
    for (target, _) in VIEWS.iter().rev() {
        doing(
            format!("unmount {target}"),
            unmount(*target, UnmountFlags::DETACH),
        )?;
    }
    let _ = fs::remove_dir_all("/zonevm");
    let _ = fs::remove_file("/init");
    doing(format!("enter {NEW_ROOT}"), chdir(NEW_ROOT))?;
    doing("move the new root", mount_move(".", "/"))?;
    doing("change the root", chroot("."))?;
    doing("enter the new root", chdir("/"))?;
    kernel_views()?;
    doing("open /dev/console", take_console())
}

/// Have the standard streams be the console of this root, not of the one that is gone.
fn take_console() -> rustix::io::Result<()> {
    let flags = OFlags::RDWR | OFlags::NOCTTY | OFlags::CLOEXEC;
    let console = rustix::fs::open("/dev/console", flags, rustix::fs::Mode::empty())?;
    dup2_stdin(&console)?;
    dup2_stdout(&console)?;
    dup2_stderr(&console)
}
