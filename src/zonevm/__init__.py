"""zonevm: a QEMU guest with zoned block devices in it.

    with zonevm.Guest(disks=[zonevm.SmrDisk(size="20G")]) as guest:
        guest.run(["mkfs.btrfs", "/dev/sda"], check=True)

The names below are imported when they are first used.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

from zonevm import standard_streams

if TYPE_CHECKING:
    from zonevm import explain, images, timing
    from zonevm.disks import (
        Disk,
        NvmeDisk,
        NvmeShape,
        PhysicalDisk,
        PlainDisk,
        SmrDisk,
        SmrShape,
        TcmuDisk,
        ZnsDisk,
        ZnsShape,
    )
    from zonevm.disks import parse as parse_disk
    from zonevm.errors import (
        DiskError,
        GuestError,
        GuestPanicError,
        GuestTimeoutError,
        HostError,
        ImageError,
        KernelError,
        PackageError,
        QemuError,
        UsageError,
        ZonevmError,
    )
    from zonevm.faults import Fault, Faults
    from zonevm.guest import CommandError, Completed, Guest

standard_streams.hold()

_ERRORS = (
    "DiskError",
    "GuestError",
    "GuestPanicError",
    "GuestTimeoutError",
    "HostError",
    "ImageError",
    "KernelError",
    "PackageError",
    "QemuError",
    "UsageError",
    "ZonevmError",
)
_MODULES = ("explain", "images", "timing")
_PLACES = {
    "CommandError": ("zonevm.guest", "CommandError"),
    "Completed": ("zonevm.guest", "Completed"),
    "Disk": ("zonevm.disks", "Disk"),
    "Fault": ("zonevm.faults", "Fault"),
    "Faults": ("zonevm.faults", "Faults"),
    "Guest": ("zonevm.guest", "Guest"),
    "NvmeDisk": ("zonevm.disks", "NvmeDisk"),
    "NvmeShape": ("zonevm.disks", "NvmeShape"),
    "PhysicalDisk": ("zonevm.disks", "PhysicalDisk"),
    "PlainDisk": ("zonevm.disks", "PlainDisk"),
    "SmrDisk": ("zonevm.disks", "SmrDisk"),
    "SmrShape": ("zonevm.disks", "SmrShape"),
    "TcmuDisk": ("zonevm.disks", "TcmuDisk"),
    "ZnsDisk": ("zonevm.disks", "ZnsDisk"),
    "ZnsShape": ("zonevm.disks", "ZnsShape"),
    "parse_disk": ("zonevm.disks", "parse"),
    **{name: ("zonevm.errors", name) for name in _ERRORS},
}

__all__ = [
    "CommandError",
    "Completed",
    "Disk",
    "DiskError",
    "Fault",
    "Faults",
    "Guest",
    "GuestError",
    "GuestPanicError",
    "GuestTimeoutError",
    "HostError",
    "ImageError",
    "KernelError",
    "NvmeDisk",
    "NvmeShape",
    "PackageError",
    "PhysicalDisk",
    "PlainDisk",
    "QemuError",
    "SmrDisk",
    "SmrShape",
    "TcmuDisk",
    "UsageError",
    "ZnsDisk",
    "ZnsShape",
    "ZonevmError",
    "explain",
    "images",
    "parse_disk",
    "timing",
]


def __getattr__(name: str) -> object:
    """Import a public name (PEP 562)."""
    if name in _MODULES:
        return import_module(f"zonevm.{name}")
    if name not in _PLACES:
        raise AttributeError(f"module 'zonevm' has no attribute {name!r}")
    module, name_there = _PLACES[name]
    return getattr(import_module(module), name_there)


def __dir__() -> list[str]:
    return __all__
