"""File systems under random operations: each state that a power cut may leave has what was synced.

One trial: the operations of a seed on a new file system, and a check of many states that they went through.
On a disk that lies there has to be a finding.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from zonevm.crash import FileSystem, Report, Workload, explore
from zonevm.crash.file_systems import btrfs, ext4, f2fs, xfs, zonefs
from zonevm.packages import pull_tree

MKZONEFS = f"{sys.executable} {Path(__file__).parents[1] / 'guest/tools/mkzonefs.py'}"
LENGTH = 40
"""Operations that are drawn."""
STATES = 7
"""Of a point, at most, and one more."""
TIMEOUT = 600


@dataclass(frozen=True)
class Case:
    """A file system, and the disks that it is on. ``kernel``: its release; empty for the usual one."""

    system: FileSystem
    disks: Sequence[str]
    kernel: str = ""
    memory: str = "1G"


@cache
def cases() -> dict[str, Case]:
    """All of them, by their names."""
    xfsprogs = pull_tree(["xfsprogs"], "sid")
    smr = "smr,size=2G,zone-size=16M"
    # The fewest zones that may be open, and active, that btrfs and f2fs go with.
    zns = "zns,size=2G,zone-size=16M,zone-capacity=15M,max-open=14,max-active=14"
    zoned_xfs = xfs("/dev/sda", str(xfsprogs.program("mkfs.xfs")), str(xfsprogs.program("xfs_repair")))
    return {
        "btrfs-smr": Case(btrfs("/dev/sda"), [f"{smr},conv=0"]),
        "f2fs-smr": Case(f2fs("/dev/sda"), [f"{smr},conv=16"]),
        "btrfs-zns": Case(btrfs("/dev/nvme0n1"), [zns]),
        "f2fs-zns": Case(f2fs("/dev/nvme1n1", zoned="/dev/nvme0n1"), [zns, "nvme,size=256M"]),
        "zonefs-smr": Case(zonefs("/dev/sda", MKZONEFS), ["smr,size=256M,zone-size=16M,conv=2"]),
        "xfs-smr": Case(zoned_xfs, ["smr,size=8G,zone-size=64M,conv=16"], kernel="7", memory="2G"),
        "ext4-nvme": Case(ext4("/dev/nvme0n1"), ["nvme,size=512M"]),
    }


LYING = "ext4-nvme"
"""The one that is put on a disk that lies."""


def trial(name: str, seed: int, points: int, kernel: str, directory: Path, *, lies: bool = False) -> Report:
    """Have the operations of a seed done, and try states of so many points; all of it is in ``directory``."""
    case = cases()[name]
    workload = Workload.seeded(seed, LENGTH, case.system.zones)
    return explore(
        [f"{disk},cache=lying" if lies else disk for disk in case.disks],
        setup=workload.setup(case.system),
        work=workload.work(),
        check=workload.check(case.system),
        directory=directory,
        states=STATES,
        points=points,
        seed=seed,
        timeout=TIMEOUT,
        guests=1,
        kernel=case.kernel or kernel,
        memory=case.memory,
        qemu="pulled",
    )
