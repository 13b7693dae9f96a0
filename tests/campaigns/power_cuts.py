"""File systems under power cuts: whatever fsync said is stable is there after the cut.

One trial: a new file system, a program in the guest that writes, fsyncs and says so, a power cut at some
moment; then the guest boots, mounts, and has all that was said. The same seed makes the same choices.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import random
import sys
import threading
from dataclasses import dataclass
from pathlib import Path

from zonevm import Disk, Guest, GuestError, NvmeDisk, SmrDisk, ZnsDisk

HERE = Path(__file__).parent
WRITER = HERE / "writer.py"
MKZONEFS = HERE.parent / "guest/tools/mkzonefs.py"
MOUNTED = "/mnt/cut"

Told = dict[str, tuple[int, str]]
"""For each file, its size and SHA-256 as they are stable; a size of -1: it may be anything."""


@dataclass(frozen=True)
class FileSystem:
    """A file system, the disk that it is made on, and how.

    ``check`` is a command, with {device} and {mounted} in it, that checks and unmounts it.
    """

    name: str
    make: str
    check: str
    writes: str = "files"
    conventional: int = 0
    kind: str = "smr"

    @property
    def full_name(self) -> str:
        """Its name with the kind of disk before it, where that is not an SMR disk."""
        return self.name if self.kind == "smr" else f"{self.kind}-{self.name}"

    def disks(self, cache: str) -> list[Disk]:
        """The disks, with this cache: the zoned one, and a conventional namespace where it needs that."""
        size = "256M" if self.name == "zonefs" else "2G"
        if self.kind == "smr":
            return [SmrDisk(size, zone_size="16M", conventional=self.conventional, cache=cache)]
        zoned = ZnsDisk(size, "16M", "15M", max_open=LIMIT, max_active=LIMIT, cache=cache)
        return [zoned, NvmeDisk("256M", cache=cache)] if self.conventional else [zoned]

    def nodes(self, first: int = 0) -> list[str]:
        """What Linux calls the disks, the first of which is the ``first``-th of its kind."""
        if self.kind == "smr":
            return [f"/dev/sd{'abcdef'[first]}"]
        return [f"/dev/nvme{first + index}n1" for index in range(len(self.disks("host")))]

    def mount(self, device: str) -> str:
        """The command that mounts it."""
        return f"modprobe {self.name}; mkdir -p {MOUNTED} && mount -t {self.name} {device} {MOUNTED}"


_SCRUB = "btrfs scrub start -B -r {mounted} && umount {mounted}"

LIMIT = 14
"""Zones of a namespace that may be open, and active: the fewest that btrfs and f2fs go with."""

FILE_SYSTEMS = {
    system.full_name: system
    for system in (
        # Not `btrfs check`: after a cut within a tree block it complains of where the next ones are.
        FileSystem("btrfs", "mkfs.btrfs -q -f -O zoned -d single -m single", _SCRUB),
        FileSystem("f2fs", "mkfs.f2fs -q -f -m", "umount {mounted} && fsck.f2fs {device}", conventional=16),
        FileSystem(
            "zonefs", f"{sys.executable} {MKZONEFS}", "umount {mounted}", writes="zones", conventional=2
        ),
        FileSystem("btrfs", "mkfs.btrfs -q -f -O zoned -d single -m single", _SCRUB, kind="zns"),
        FileSystem(
            "f2fs",
            "mkfs.f2fs -q -f -m -c {zoned}",
            "umount {mounted} && fsck.f2fs {device}",
            conventional=1,
            kind="zns",
        ),
        FileSystem("zonefs", f"{sys.executable} {MKZONEFS}", "umount {mounted}", writes="zones", kind="zns"),
    )
}


@dataclass(frozen=True)
class Trial:
    """How one ended: how many files were said to be stable, and what is wrong with which."""

    stable: int
    wrong: tuple[str, ...]


def trial(guest: Guest, system: FileSystem, seed: int, first: int = 0) -> Trial:
    """Make, write, cut, boot, mount, check; ``first`` is as for :meth:`FileSystem.nodes`."""
    chance = random.Random(seed)
    zoned, *_ = nodes = system.nodes(first)
    device = nodes[-1]
    make = f"{system.make.format(zoned=zoned)} {device} && {system.mount(device)}"
    guest.run(f"blkzone reset {zoned}; {make}", check=True)
    told = _write_until_the_cut(guest, system, seed, lines=chance.randrange(20, 120))
    if system.kind == "zns":
        active = guest.run(f"blkzone report {zoned} | grep -c -v -e '(em)' -e '(fu)'").text
        if int(active) > LIMIT:
            return Trial(len(told), (f"{active} zones are active",))
    mounted = guest.run(system.mount(device))
    if mounted.returncode:
        return Trial(len(told), (f"it does not mount: {mounted.stderr.decode(errors='replace').strip()}",))
    wrong = _compare(guest, system, told)
    checked = guest.run(system.check.format(device=device, mounted=MOUNTED))
    if checked.returncode:
        wrong.append((checked.stdout + checked.stderr).decode(errors="replace").strip()[-500:])
    return Trial(len(told), tuple(wrong))


def _write_until_the_cut(guest: Guest, system: FileSystem, seed: int, lines: int) -> Told:
    """Have the program write until it has said so many lines; what it said by the time of the cut."""
    reader, writer = os.pipe()
    heard, answer = os.pipe()
    argv = [sys.executable, str(WRITER), system.writes, MOUNTED, str(seed)]

    def work() -> None:
        with contextlib.suppress(GuestError), os.fdopen(writer, "wb") as out:
            guest.run(argv, stdin=heard, stdout=out, stderr=2)
        os.close(heard)

    thread = threading.Thread(target=work)
    thread.start()
    told: Told = {}
    with os.fdopen(reader, encoding="ascii") as said:
        for count, line in enumerate(said, 1):
            if _note(told, line):
                os.write(answer, b"\n")
            if count == lines:
                guest.power_cut(seed=seed)
                break
        else:
            raise AssertionError("the writer ended of itself")
        # What was on its way when the power went was stable too.
        for line in said:
            if line.endswith("\n"):
                _note(told, line)
    thread.join()
    os.close(answer)
    return told


def _note(told: Told, line: str) -> bool:
    """Take a line; return whether the writer waits for an answer to it."""
    name, size, digest = line.split()
    told[name] = (-1, "") if size == "-" else (int(size), digest)
    return size == "-"


def _compare(guest: Guest, system: FileSystem, told: Told) -> list[str]:
    """The files that have not what they were said to have. They may have more: what was written later."""
    wrong = []
    where = f"{MOUNTED}/seq" if system.writes == "zones" else MOUNTED
    for name, (size, digest) in told.items():
        if size < 0:
            continue
        data = guest.run(["cat", f"{where}/{name}"]).stdout
        if hashlib.sha256(data[:size]).hexdigest() != digest:
            wrong.append(f"{name}: {len(data)} bytes, not the {size} that were stable")
    return wrong
