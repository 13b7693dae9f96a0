"""Profiles: options of an emulated disk under a name, as a drive has them that is or was sold.

The data alone: the shapes make options of them, docs/disks.md says which numbers are published and which
are not. Knows no option and no image.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from zonevm.units import parse_size


@dataclass(frozen=True)
class Profile:
    """What a disk is like that names it: ``options`` are texts of the ``--disk`` grammar, by name."""

    like: str
    options: Mapping[str, str]

    def __str__(self) -> str:
        return f"like {self.like}: " + ",".join(f"{name}={text}" for name, text in self.options.items())

    def conventional_of(self, zones: int) -> int:
        """Return how many of ``zones`` are conventional: the drive's share, rounded up, but never all."""
        of_drive = -(-parse_size(self.options["size"]) // parse_size(self.options["zone-size"]))
        return min(-(-zones * int(self.options["conv"]) // of_drive), zones - 1)


_DRIVES = {
    "hc620": Profile(
        "a Western Digital Ultrastar DC HC620, 15 TB",
        {"size": "13970G", "zone-size": "256M", "conv": "524", "max-open": "128"},
    ),
    "hc680": Profile(
        "a Western Digital Ultrastar DC HC680, 28 TB",
        {"size": "26078G", "zone-size": "256M", "conv": "1044", "max-open": "128"},
    ),
    "exos": Profile(
        "a host-managed Seagate Exos, 30 TB",
        {"size": "27940G", "zone-size": "256M", "conv": "1118", "max-open": "128"},
    ),
}

PROFILES: Mapping[str, Profile] = {
    f"{name}{suffix}": replace(drive, options={**drive.options, "block-size": block_size})
    for name, drive in _DRIVES.items()
    for suffix, block_size in (("", "512"), ("-4kn", "4096"))
}
"""Every profile of SMR disks by its name: of each drive as 512e, and as ``-4kn``."""

_ZN540 = "a Western Digital Ultrastar DC ZN540, 1 TB"

ZNS_PROFILES: Mapping[str, Profile] = {
    "zn540": Profile(
        _ZN540,
        {
            "size": "1808G",
            "zone-size": "2G",
            "zone-capacity": "1077M",
            "max-open": "14",
            "max-active": "14",
            "block-size": "4096",
        },
    ),
    "pm1731a": Profile(
        "a Samsung PM1731a, 4 TB",
        {
            "size": "5088G",
            "zone-size": "128M",
            "zone-capacity": "96M",
            "max-open": "384",
            "max-active": "384",
            "block-size": "4096",
        },
    ),
}
"""Every profile of ZNS namespaces by its name."""

NVME_PROFILES: Mapping[str, Profile] = {
    "zn540": Profile(f"the conventional namespace of {_ZN540}", {"size": "4G", "block-size": "4096"}),
}
"""Every profile of conventional namespaces by its name: those beside the zoned one of the drive."""
