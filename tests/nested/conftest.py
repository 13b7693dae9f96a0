"""One outer guest for all tests of this directory: a host with root, kernel modules and a zoned SCSI disk.

The outer guest sees this host's root, so tcmu-runner, QEMU and this very zonevm are there, and what it
writes is gone with it. Its emulated SMR disk plays the physical one.
"""

from __future__ import annotations

import json
import shutil
import sys
from collections.abc import Iterator, Sequence
from typing import Any

import pytest

from zonevm import Completed, Guest, KernelError
from zonevm.guest import find

KERNEL = "6.12"
NEEDED = {
    "tcmu-runner": "tcmu-runner",
    "dbus-daemon": "dbus-daemon",
    "dbus-send": "dbus-bin",
    "mkfs.btrfs": "btrfs-progs",
    "lsscsi": "lsscsi",
    "sg_raw": "sg3-utils",
    "blkzone": "util-linux",
}
"""The programs of this host that the outer guest uses, with Debian's packages."""

ZONEVM = (sys.executable, "-c", "from zonevm.cli import main; main()")
MODULES = "target_core_user target_core_pscsi vhost_scsi tcm_loop"
_SNAPSHOT = r"""
find /sys/kernel/config/target
find /dev -not -path '/dev/pts/*'
find /run/zonevm/lio -not -name lock
find /var/tmp -maxdepth 1 -name 'zonevm*'
pgrep -l 'tcmu-runner|dbus-daemon|qemu-system' || :
"""


class Host:
    """The outer guest, as the host that it is for what is tested."""

    def __init__(self, guest: Guest) -> None:
        self.guest = guest

    def sh(self, script: str, timeout: float = 120) -> str:
        """What a script prints; it has to succeed."""
        done = self.guest.run(["sh", "-ec", script], timeout=timeout)
        assert done.returncode == 0, f"{script}\n{text(done)}"
        return done.stdout.decode()

    def zonevm(self, *arguments: str, timeout: float = 180) -> Completed:
        """Run zonevm."""
        return self.guest.run([*ZONEVM, *arguments], timeout=timeout)

    def target(self, *arguments: str) -> dict[str, str]:
        """Create a target; what zonevm prints of it."""
        done = self.zonevm("target", "create", *arguments)
        assert done.returncode == 0, text(done)
        return dict(line.split(None, 1) for line in done.stdout.decode().splitlines())

    def remove(self, name: str) -> None:
        """Remove a target."""
        done = self.zonevm("target", "remove", name)
        assert done.returncode == 0, text(done)

    def targets(self) -> list[dict[str, Any]]:
        """The targets that zonevm lists."""
        listed: list[dict[str, Any]] = json.loads(self.zonevm("target", "list", "--json").stdout)
        return listed

    def snapshot(self) -> set[str]:
        """All that a target could leave behind: in configfs, device nodes, records, files, processes."""
        return set(self.sh(_SNAPSHOT).splitlines())


def text(done: Completed) -> str:
    """What a command printed, for a message."""
    return (done.stdout + done.stderr).decode(errors="replace")


def zones(report: str) -> Sequence[str]:
    """Of a report of blkzone, the lines without what closing a zone changes."""
    return [line.partition(", zcond")[0] for line in report.splitlines()]


@pytest.fixture(scope="session")
def host() -> Iterator[Host]:
    """The outer guest."""
    missing = [package for program, package in NEEDED.items() if shutil.which(program, path=_path()) is None]
    if missing:
        pytest.fail(f"install what the outer guest needs: apt-get install {' '.join(missing)}", pytrace=False)
    try:
        kernel = find(KERNEL).version
    except KernelError as error:
        pytest.fail(f"{error.message}. {error.hint}", pytrace=False)
    disk = "smr,size=2G,zone-size=64M,conv=2"
    with Guest(disks=[disk], kernel=kernel, memory="3G", cpus=2, boot_timeout=400) as guest:
        yield Host(guest)


@pytest.fixture
def unchanged(host: Host) -> Iterator[None]:
    """Checks that a test leaves everything as it was, but for kernel modules, which stay loaded."""
    host.sh(f"modprobe -a {MODULES} sd_mod sg btrfs; mkdir -p /run/zonevm/lio/targets")
    host.sh("mountpoint -q /sys/kernel/config || mount -t configfs configfs /sys/kernel/config")
    before = host.snapshot()
    yield
    assert before ^ host.snapshot() == set()


def _path() -> str:
    return "/usr/local/sbin:/usr/sbin:/sbin:/usr/local/bin:/usr/bin:/bin"
