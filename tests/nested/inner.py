"""Inner guests: how they are booted, and what is to be seen of a zoned disk in one."""

from __future__ import annotations

import json
import re
from pathlib import Path

from tests.nested.conftest import KERNEL
from zonevm import Completed
from zonevm.host import guest_python

# TCG within TCG.
BOOT = ("--kernel", KERNEL, "--memory", "512M", "--cpus", "1", "--accel", "tcg", "--boot-timeout", "800")
TRY = (str(guest_python()), str(Path(__file__).with_name("try_disks.py")))
"""The command that tries every disk."""

MIB = 2**20
Facts = dict[str, object]


def tried(done: Completed) -> dict[str, Facts]:
    """What :data:`TRY` printed: the facts of each disk."""
    told = json.loads(done.stdout)
    disks: dict[str, Facts] = told["disks"]
    for name, facts in disks.items():
        if "product" in facts:
            (line,) = re.findall(rf"^\[\S+\s+(\w+) .*/dev/{name} +/dev/sg\d+", told["lsscsi"], re.MULTILINE)
            facts["listed"] = line
            # What sg_raw makes of 5/21/04.
            said = str(facts["sense"])
            facts["sense"] = "Illegal Request" in said and "Unaligned write" in said
    return disks


def zoned(zones: int, zone_size: int) -> Facts:
    """The facts of a zoned disk that works: zone 2 was written, read back and reset. ``zone_size`` in MiB."""
    return {
        "zoned": "host-managed",
        "zones": zones,
        "zone size": zone_size * MIB,
        "same": True,
        "written": 65536,
        "after a reset": 0,
    }


def scsi(product: str, zones: int, zone_size: int) -> Facts:
    """The facts of a zoned SCSI disk that works; the sense of a misaligned write is the disk's own."""
    return {**zoned(zones, zone_size), "product": product, "listed": "zbc", "sense": True}
