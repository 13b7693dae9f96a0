"""What test suites look for in a guest: file systems, nodes that load modules, the kernel's configuration."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from zonevm import Guest, HostError

pytestmark = pytest.mark.guest

MOUNTS = {
    "configfs": "/sys/kernel/config",
    "debugfs": "/sys/kernel/debug",
    "tracefs": "/sys/kernel/tracing",
    "hugetlbfs": "/dev/hugepages",
}
NODES = {
    "loop-control": "loop",
    "net/tun": "tun",
    "btrfs-control": "btrfs",
    "mapper/control": "dm_mod",
    "fuse": "fuse",
    "vfio/vfio": "vfio",
}


@pytest.fixture(scope="module")
def guest(kernel: str) -> Iterator[Guest]:
    with Guest(kernel=kernel, disks=["smr,size=1G"], udev=True) as guest:
        yield guest


def test_file_systems_are_mounted(plain: Guest) -> None:
    for kind, place in MOUNTS.items():
        assert plain.run(["findmnt", "-n", "-t", kind, place]).returncode == 0, kind


def test_opening_a_static_node_loads_its_module(plain: Guest) -> None:
    for node, module in NODES.items():
        plain.run(f"exec 3< /dev/{node} && test -d /sys/module/{module}", check=True)
    assert plain.run(["stat", "-c", "%a", "/dev/net/tun", "/dev/fuse"]).text == "666\n666\n"
    plain.run("truncate -s 16M /tmp/file && losetup -f --show /tmp/file", check=True)
    plain.run(["dmsetup", "version"], check=True)


def test_the_kernels_configuration_is_there(plain: Guest) -> None:
    for place in ("/boot/config-$(uname -r)", "/lib/modules/$(uname -r)/config"):
        assert plain.run(f"grep -x CONFIG_BLK_DEV_ZONED=y {place}").text == "CONFIG_BLK_DEV_ZONED=y\n"


def test_suspending_is_refused_in_words(plain: Guest) -> None:
    refused = plain.run(["rtcwake", "-m", "mem", "-s", "2"])
    assert refused.returncode != 0
    assert "'mem'" in refused.error_text
    for state in ("mem", "freeze", "disk"):
        tested = plain.run(f"echo devices > /sys/power/pm_test; echo {state} > /sys/power/state")
        assert (tested.returncode != 0, "Read-only file system" in tested.error_text) == (True, True)
    assert plain.run("cat /sys/power/state").text == ""


def test_udev_names_disks(guest: Guest) -> None:
    assert guest.run("udevadm settle && udevadm info -q property /dev/sda", check=True).text
    (link, *_) = guest.run("ls /dev/disk/by-id", check=True).text.split()
    assert guest.run(["readlink", "-f", f"/dev/disk/by-id/{link}"]).text == "/dev/sda\n"
    guest.run("dmsetup create linear --table '0 524288 linear /dev/sda 0' && udevadm settle", check=True)
    assert guest.run("readlink /dev/mapper/linear").text == "../dm-0\n"
    guest.run("dmsetup remove linear && test ! -e /dev/mapper/linear", check=True)


def test_a_host_without_udev_is_told(kernel: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("zonevm.host.programs._UDEVDS", ("/no/udevd",))
    guest = Guest(kernel=kernel, udev=True)
    with pytest.raises(HostError, match="no udevd is installed") as caught:
        guest.start()
    assert "apt-get install udev" in caught.value.hint
    assert guest.log_dir is None
