"""Finds what uses the host's block devices: mounts, swap, stacked devices, LIO targets, processes.

All of it from sysfs, procfs and configfs, without root; what this user cannot see is not listed.
"""

from __future__ import annotations

import os
import re
from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from zonevm.host import sysfs

SYSTEM_MOUNTS = ("/", "/usr", "/boot", "/boot/efi")
"""Mount points whose device is the running system's."""

_WORDS = {"mount": "mounted at ", "swap": "", "holder": "part of ", "lio": "LIO ", "process": "open in "}
_WRITABLE = os.O_WRONLY | os.O_RDWR


@dataclass(frozen=True)
class Use:
    """One use of a device.

    ``by``: a mount point, "swap", a stacked device, an LIO backstore, or a program with its process.
    ``on``: the kernel's name of what is used: the device itself, its SG node, a partition, or a device
    stacked on it. ``reads_only``: no data can change by it.
    """

    kind: Literal["mount", "swap", "holder", "lio", "process"]
    by: str
    on: str
    reads_only: bool = False

    @property
    def system(self) -> bool:
        """Whether the running system lives there."""
        return self.kind == "mount" and self.by in SYSTEM_MOUNTS

    def __str__(self) -> str:
        words = {
            "mount": "mounted at ",
            "swap": "",
            "holder": "part of ",
            "lio": "LIO ",
            "process": "open in ",
        }
        return f"{words[self.kind]}{self.by}"


class Usage:
    """What uses what, at one moment."""

    def __init__(self, root: Path = Path("/")) -> None:
        """Look below ``root``, the root of a file system with dev, proc and sys."""
        self._root = root
        self._names = _numbers(root)
        self._known = frozenset(self._names.values())
        self._uses: defaultdict[str, dict[Use, None]] = defaultdict(dict)
        finders = (self._mounts(), self._swaps(), self._holders(), self._lio(), self._processes())
        for use in (use for finder in finders for use in finder):
            self._uses[use.on][use] = None

    def of(self, name: str, *others: str) -> tuple[Use, ...]:
        """Return the uses of device ``name``, its partitions, all stacked on it, and its ``others``."""
        return tuple(use for on in (*self._stack(name), *others) for use in self._uses[on])

    def _stack(self, name: str) -> list[str]:
        found = [name]
        for each in found:
            holders = [use.by for use in self._uses[each] if use.kind == "holder"]
            above = [*partitions(self._root, each), *holders]
            found += [new for new in above if new not in found]
        return found

    def _mounts(self) -> Iterator[Use]:
        mounted: set[str] = set()
        for number, point, source in _mountinfo(self._root):
            name = self._names.get(number) or self._name(source)
            for each in self._file_system_members(name) if name else ():
                mounted.add(each)
                yield Use("mount", point, each)
        for place in sorted((self._root / "sys/fs").glob("*/*")):
            if place.name in self._known and place.name not in mounted:
                where = f"a place that this process does not see ({place.parent.name})"
                yield Use("mount", where, place.name)

    def _file_system_members(self, name: str) -> list[str]:
        """Return the devices of the file system on ``name``: of btrfs there may be several."""
        for devices in (self._root / "sys/fs/btrfs").glob("*/devices"):
            members = sysfs.names(devices)
            if name in members:
                return members
        return [name]

    def _swaps(self) -> Iterator[Use]:
        for line in sysfs.text(self._root / "proc/swaps").splitlines()[1:]:
            if name := self._name(sysfs.unescape(line.split()[0])):
                yield Use("swap", "swap", name)

    def _holders(self) -> Iterator[Use]:
        for name in sorted(self._known):
            for holder in sysfs.names(self._root / "sys/class/block" / name / "holders"):
                yield Use("holder", holder, name)
            if below := self._name(sysfs.text(self._root / "sys/class/block" / name / "loop/backing_file")):
                yield Use("holder", name, below)

    def _lio(self) -> Iterator[Use]:
        core = self._root / "sys/kernel/config/target/core"
        for backstore in sorted(core.glob("*/*/udev_path")):
            if name := self._name(sysfs.text(backstore)):
                place = backstore.parent
                yield Use("lio", f"{place.parent.name}/{place.name}", name)

    def _processes(self) -> Iterator[Use]:
        processes = [name for name in sysfs.names(self._root / "proc") if name.isdecimal()]
        for pid in sorted(processes, key=int):
            process = self._root / "proc" / pid
            for descriptor in sysfs.names(process / "fd"):
                target = sysfs.link(process / "fd" / descriptor)
                if target.startswith("/dev/") and (name := self._name(target) or _sg(target)):
                    who = f"{sysfs.text(process / 'comm')} (process {pid})"
                    yield Use("process", who, name, not _writes(process / "fdinfo" / descriptor))

    def _name(self, path: str) -> str | None:
        """Return the kernel's name of the block device at ``path``, a node or a link to one."""
        if not path.startswith("/dev/"):
            return None
        name = (self._root / path[1:]).resolve().name
        return name if name in self._known else None


def partitions(root: Path, name: str) -> list[str]:
    """Return the kernel's names of the partitions of block device ``name``."""
    block = root / "sys/class/block" / name
    return [entry for entry in sysfs.names(block) if (block / entry / "partition").exists()]


def _numbers(root: Path) -> dict[str, str]:
    """Return the kernel's name of each block device and partition, by its ``major:minor``."""
    block = root / "sys/class/block"
    return {sysfs.text(block / name / "dev"): name for name in sysfs.names(block)}


def _mountinfo(root: Path) -> Iterable[tuple[str, str, str]]:
    """Yield ``major:minor``, mount point and source of each mount (proc_pid_mountinfo(5)).

    Mounts that only process 1 sees count too.
    """
    for process in ("self", "1"):
        # A name may have any white space that the kernel does not escape (mangle in fs/proc_namespace.c).
        lines = sysfs.text(root / "proc" / process / "mountinfo").split("\n")
        for before, _, after in (line.partition(" - ") for line in lines if line):
            fields = before.split(" ")
            yield fields[2], sysfs.unescape(fields[4]), sysfs.unescape(after.split(" ")[1])


def _sg(node: str) -> str | None:
    name = node.removeprefix("/dev/")
    return name if re.fullmatch(r"sg\d+|ng\d+n\d+", name) else None


def _writes(fdinfo: Path) -> bool:
    """Whether a file descriptor allows writing (``flags`` of proc_pid_fdinfo(5)); yes where unknown."""
    match = re.search(r"^flags:\s*([0-7]+)$", sysfs.text(fdinfo), re.MULTILINE)
    return match is None or bool(int(match[1], 8) & _WRITABLE)
