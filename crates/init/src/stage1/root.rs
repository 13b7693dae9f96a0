//! Furnishes the guest's root: what programs expect in /run, /sys, /dev, /lib/modules and /boot.

use std::fs::{self, File, Permissions};
use std::io;
use std::os::unix::fs::{symlink, PermissionsExt};
use std::path::{Path, PathBuf};

use flate2::read::GzDecoder;
use rustix::fs::{makedev, mknodat, FileType, Mode, CWD};
use rustix::mount::{mount_bind, mount_remount, MountFlags};

use super::doing;
use super::mounts::{mounted, nine, sourceless};
use super::settings::Settings;

const OURS: &str = "/run/zonevm";
/// File systems through which kernels are seen and set; not in every kernel.
const EXTRAS: [(&str, &str); 5] = [
    ("cgroup2", "/sys/fs/cgroup"),
    ("debugfs", "/sys/kernel/debug"),
    ("tracefs", "/sys/kernel/tracing"),
    ("configfs", "/sys/kernel/config"),
    ("hugetlbfs", "/dev/hugepages"),
];
const LINKS: [(&str, &str); 4] = [
    ("/proc/self/fd", "/dev/fd"),
    ("fd/0", "/dev/stdin"),
    ("fd/1", "/dev/stdout"),
    ("fd/2", "/dev/stderr"),
];

/// Make the root what `settings` say.
pub fn furnish(settings: &Settings) -> Result<(), String> {
    if settings.has_fresh_run {
        sourceless("tmpfs", "/run", "mode=755")?;
    }
    sourceless("tmpfs", OURS, "mode=755")?;
    doing(
        "make /run/lock and /tmp",
        ["/run/lock", "/tmp"]
            .iter()
            .try_for_each(fs::create_dir_all),
    )?;
    for (kind, target) in EXTRAS {
        let _ = sourceless(kind, target, "");
    }
    doing("refuse sleep", refuse_sleep())?;
    sourceless("devpts", "/dev/pts", "mode=620,ptmxmode=666,gid=5")?;
    sourceless("tmpfs", "/dev/shm", "mode=1777")?;
    for (target, link) in LINKS {
        let _ = symlink(target, link);
    }
    if let Some(directory) = &settings.module_dir {
        show_modules(directory, &settings.release)?;
    }
    for node in ["/dev/fuse", "/dev/net/tun"] {
        let _ = fs::set_permissions(node, Permissions::from_mode(0o666)); // as 50-udev-default.rules has them
    }
    let _ = show_kernel_config(settings);
    for (tag, path) in &settings.shares {
        mounted(
            "9p",
            tag,
            path,
            MountFlags::empty(),
            &nine(settings, "mmap"),
        )?;
    }
    Ok(())
}

/// Offer no state of sleep.
///
/// `virtio_9p` and virtiofs cannot be suspended: their devices are reset and never set up again, and the root
/// would be gone.
fn refuse_sleep() -> io::Result<()> {
    let (states, none) = ("/sys/power/state", format!("{OURS}/sleep-states"));
    if Path::new(states).exists() {
        File::create(&none)?;
        mount_bind(&none, states)?;
        mount_remount(states, MountFlags::BIND | MountFlags::RDONLY, "")?;
    }
    Ok(())
}

fn show_modules(directory: &Path, release: &str) -> Result<(), String> {
    let place = PathBuf::from(format!("/lib/modules/{release}"));
    let what = format!("show the kernel's modules, {}", directory.display());
    doing(&what, fs::create_dir_all(&place))?;
    doing(&what, mount_bind(directory, &place))?;
    let list = fs::read_to_string(place.join("modules.devname")).unwrap_or_default();
    for node in list.lines().filter_map(StaticNode::parse) {
        let _ = node.make();
    }
    Ok(())
}

/// A node whose opening loads a module, as kmod-static-nodes.service has them made.
#[derive(Debug, PartialEq, Eq)]
struct StaticNode<'a> {
    name: &'a str,
    kind: FileType,
    major: u32,
    minor: u32,
}

impl<'a> StaticNode<'a> {
    /// Return the node of a line of modules.devname: "module node c10:237".
    fn parse(line: &'a str) -> Option<Self> {
        let mut words = line.split_whitespace();
        let (module, name, number) = (words.next()?, words.next()?, words.next()?);
        let kind = match number.get(..1)? {
            _ if module.starts_with('#') => return None,
            "c" => FileType::CharacterDevice,
            "b" => FileType::BlockDevice,
            _ => return None,
        };
        let (major, minor) = number[1..].split_once(':')?;
        Some(Self {
            name,
            kind,
            major: major.parse().ok()?,
            minor: minor.parse().ok()?,
        })
    }

    fn make(&self) -> io::Result<()> {
        let path = Path::new("/dev").join(self.name);
        fs::create_dir_all(path.parent().unwrap_or(Path::new("/dev")))?;
        let mode = Mode::RUSR | Mode::WUSR;
        Ok(mknodat(
            CWD,
            &path,
            self.kind,
            mode,
            makedev(self.major, self.minor),
        )?)
    }
}

/// Have the kernel's configuration where test suites look for it.
fn show_kernel_config(settings: &Settings) -> io::Result<()> {
    let file = match &settings.kernel_config {
        Some(file) => file.clone(),
        None => unpacked_config()?,
    };
    let modules = format!("/lib/modules/{}", settings.release);
    for place in [
        format!("/boot/config-{}", settings.release),
        format!("{modules}/config"),
    ] {
        let place = Path::new(&place);
        if !place.exists() {
            fs::create_dir_all(place.parent().unwrap_or(Path::new("/")))?;
            let _ = symlink(&file, place); // what is shown of the modules cannot be written to
        }
    }
    Ok(())
}

fn unpacked_config() -> io::Result<PathBuf> {
    let place = PathBuf::from(OURS).join("config");
    let mut packed = GzDecoder::new(File::open("/proc/config.gz")?);
    io::copy(&mut packed, &mut File::create(&place)?)?;
    Ok(place)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn static_nodes_are_those_of_modules_devname() {
        let found = StaticNode::parse("vhost_net vhost-net c10:238").unwrap();
        assert_eq!(
            found,
            StaticNode {
                name: "vhost-net",
                kind: FileType::CharacterDevice,
                major: 10,
                minor: 238
            }
        );
        assert!(StaticNode::parse("loop loop-control b7:0").is_some());
        for other in [
            "# Device nodes to trigger on-demand module loading.",
            "",
            "fuse fuse",
            "a b x1:2",
            "a b c1",
        ] {
            assert_eq!(StaticNode::parse(other), None);
        }
    }
}
