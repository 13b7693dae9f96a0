//! Loads the kernel's modules from the initramfs, and has disks bound to their drivers in order.
//!
//! sd and nvme probe their disks in parallel (PROBE_PREFER_ASYNCHRONOUS), so that chance would tell which one is
//! sda. Bound through sysfs they are probed one after the other: by host and LUN, by PCI slot.

use std::ffi::CStr;
use std::fs::{self, File};
use std::io;

use rustix::system::finit_module;

use super::tell;

/// Load the modules, by name, in this order; say which did not load.
pub fn load(names: &[String]) {
    for name in names {
        if let Err(error) = load_one(name) {
            tell(&format!("module {name} did not load: {error}"));
        }
    }
}

fn load_one(name: &str) -> io::Result<()> {
    match name {
        "scsi_mod" => {
            insert(name, c"scan=sync")?;
            autoprobe("scsi", false)
        }
        "sd_mod" => {
            insert(name, c"")?;
            bind_in_order("scsi", "sd", scsi_address)?;
            autoprobe("scsi", true)
        }
        "nvme" => {
            autoprobe("pci", false)?;
            let inserted =
                insert(name, c"").and_then(|()| bind_in_order("pci", "nvme", pci_address));
            autoprobe("pci", true)?;
            inserted
        }
        _ => insert(name, c""),
    }
}

fn insert(name: &str, parameters: &CStr) -> io::Result<()> {
    let file = File::open(format!("/zonevm/modules/{name}.ko"))?;
    Ok(finit_module(file, parameters, 0)?)
}

/// Have the devices of a bus bound to their drivers as they come, or not.
fn autoprobe(bus: &str, on: bool) -> io::Result<()> {
    fs::write(
        format!("/sys/bus/{bus}/drivers_autoprobe"),
        if on { "1" } else { "0" },
    )
}

fn bind_in_order<K: Ord>(
    bus: &str,
    driver: &str,
    address: fn(&str) -> Option<K>,
) -> io::Result<()> {
    let listed = fs::read_dir(format!("/sys/bus/{bus}/devices"))?;
    let mut devices: Vec<(K, String)> = listed
        .filter_map(|device| device.ok()?.file_name().into_string().ok())
        .filter_map(|name| Some((address(&name)?, name)))
        .collect();
    devices.sort_unstable();
    for (_, name) in devices {
        // One of another driver is refused.
        let _ = fs::write(format!("/sys/bus/{bus}/drivers/{driver}/bind"), name);
    }
    Ok(())
}

/// Host, channel, target and LUN of a SCSI device; None for a host or a target.
fn scsi_address(name: &str) -> Option<[u64; 4]> {
    let numbers = name
        .split(':')
        .map(|number| number.parse().ok())
        .collect::<Option<Vec<_>>>()?;
    numbers.try_into().ok()
}

/// Domain, bus, and slot with function, of a PCI device.
fn pci_address(name: &str) -> Option<[u32; 4]> {
    let numbers: Option<Vec<_>> = name
        .split([':', '.'])
        .map(|number| u32::from_str_radix(number, 16).ok())
        .collect();
    numbers?.try_into().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn disks_are_bound_by_their_addresses() {
        let sorted = |mut names: Vec<&'static str>| {
            names.sort_by_key(|name| scsi_address(name));
            names
        };
        assert_eq!(
            sorted(vec!["0:0:0:10", "10:0:0:0", "0:0:0:9", "2:0:0:0"]),
            ["0:0:0:9", "0:0:0:10", "2:0:0:0", "10:0:0:0"]
        );
        assert_eq!(
            (scsi_address("host0"), scsi_address("target0:0:0")),
            (None, None)
        );
        assert!(pci_address("0000:00:0a.0") > pci_address("0000:00:09.7"));
        assert!(pci_address("0000:00:0a.0") < pci_address("0000:00:10.0"));
        assert_eq!(pci_address("virtio0"), None);
    }
}
