//! What the host wrote into the initramfs about the guest that it wants: see `kernel/initramfs.py`.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;

/// The settings, `NAME=value` each, with a 0 behind each.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Settings {
    /// `ROOT`: the host's root comes by virtiofs, not by 9p.
    pub is_virtiofs: bool,
    /// `MSIZE`: bytes of one 9p message.
    pub msize: String,
    /// `FRESH_RUN`: the guest has a /run of its own.
    pub has_fresh_run: bool,
    /// `MODULE`: names of module files, in load order.
    pub modules: Vec<String>,
    /// `MODULES`: what the guest sees at /lib/modules/`RELEASE`.
    pub module_dir: Option<PathBuf>,
    pub release: String,
    pub hostname: String,
    /// `NET`: the guest is in QEMU's user network.
    pub has_network: bool,
    /// `CONFIG`: the kernel's configuration.
    pub kernel_config: Option<PathBuf>,
    /// `UDEVD`: the udevd that is to run.
    pub udevd: Option<PathBuf>,
    /// `SHARE`: the tag and the path of a directory that the guest may write to, with a colon between.
    pub shares: Vec<(String, PathBuf)>,
}

impl Settings {
    /// Return the settings in `bytes`. An error names the setting that there is not.
    pub fn parse(bytes: &[u8]) -> Result<Self, String> {
        let mut settings = Self::default();
        for line in bytes
            .split(|byte| *byte == 0)
            .filter(|line| !line.is_empty())
        {
            let (name, value) = halves(line, b'=');
            settings.set(&text(name), value)?;
        }
        Ok(settings)
    }

    fn set(&mut self, name: &str, value: &[u8]) -> Result<(), String> {
        match name {
            "ROOT" => self.is_virtiofs = value == b"virtiofs",
            "MSIZE" => self.msize = text(value),
            "FRESH_RUN" => self.has_fresh_run = value == b"1",
            "MODULE" => self.modules.push(text(value)),
            "MODULES" => self.module_dir = path(value),
            "RELEASE" => self.release = text(value),
            "HOSTNAME" => self.hostname = text(value),
            "NET" => self.has_network = value == b"user",
            "CONFIG" => self.kernel_config = path(value),
            "UDEVD" => self.udevd = path(value),
            "SHARE" => {
                let (tag, directory) = halves(value, b':');
                self.shares
                    .push((text(tag), PathBuf::from(OsStr::from_bytes(directory))));
            }
            _ => return Err(format!("there is no setting {name}")),
        }
        Ok(())
    }
}

fn halves(line: &[u8], at: u8) -> (&[u8], &[u8]) {
    let end = line
        .iter()
        .position(|byte| *byte == at)
        .unwrap_or(line.len());
    (&line[..end], line.get(end + 1..).unwrap_or_default())
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

fn path(bytes: &[u8]) -> Option<PathBuf> {
    (!bytes.is_empty()).then(|| PathBuf::from(OsStr::from_bytes(bytes)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_may_have_any_bytes() {
        let found =
            Settings::parse(b"NET=user\0SHARE=share0:/a '=:\n\xff\0SHARE=share1:/b\0UDEVD=\0")
                .unwrap();
        let strange = PathBuf::from(OsStr::from_bytes(b"/a '=:\n\xff"));
        assert_eq!(
            found.shares,
            [("share0".into(), strange), ("share1".into(), "/b".into())]
        );
        assert!(found.has_network && found.udevd.is_none());
    }

    #[test]
    fn an_unknown_setting_is_told() {
        assert_eq!(
            Settings::parse(b"SPEED=1\0").unwrap_err(),
            "there is no setting SPEED"
        );
    }
}
