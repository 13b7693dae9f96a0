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

from zonevm import Guest, GuestError, SmrDisk

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

    def disk(self, cache: str) -> SmrDisk:
        """The disk, with this cache."""
        size = "256M" if self.name == "zonefs" else "2G"
        return SmrDisk(size, zone_size="16M", conventional=self.conventional, cache=cache)

    def mount(self, device: str) -> str:
        """The command that mounts it."""
        return f"modprobe {self.name}; mkdir -p {MOUNTED} && mount -t {self.name} {device} {MOUNTED}"


_SCRUB = "btrfs scrub start -B -r {mounted} && umount {mounted}"

FILE_SYSTEMS = {
    system.name: system
    for system in (
        # Not `btrfs check`: after a cut within a tree block it complains of where the next ones are.
        FileSystem("btrfs", "mkfs.btrfs -q -f -O zoned -d single -m single", _SCRUB),
        FileSystem("f2fs", "mkfs.f2fs -q -f -m", "umount {mounted} && fsck.f2fs {device}", conventional=16),
        FileSystem(
            "zonefs", f"{sys.executable} {MKZONEFS}", "umount {mounted}", writes="zones", conventional=2
        ),
    )
}


@dataclass(frozen=True)
class Trial:
    """How one ended: how many files were said to be stable, and what is wrong with which."""

    stable: int
    wrong: tuple[str, ...]


def trial(guest: Guest, system: FileSystem, seed: int, device: str = "/dev/sda") -> Trial:
    """Make, write, cut, boot, mount, check."""
    chance = random.Random(seed)
    make = f"blkzone reset {device}; {system.make} {device} && {system.mount(device)}"
    guest.run(make, check=True)
    told = _write_until_the_cut(guest, system, seed, lines=chance.randrange(20, 120))
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
