"""WHAT a disk is: one frozen dataclass a kind, and the ``--disk`` grammar. Pure: no I/O.

``parse("smr,size=20G")`` gives a :class:`Disk`, ``str(disk)`` the text again. A new kind is a new file and
its name in ``grammar.KINDS``.
"""

from zonevm.disks.disk import Disk
from zonevm.disks.grammar import KINDS, parse
from zonevm.disks.nvme import NvmeDisk
from zonevm.disks.nvme_shape import NvmeShape
from zonevm.disks.physical import PhysicalDisk
from zonevm.disks.plain import PlainDisk
from zonevm.disks.shape import Shape
from zonevm.disks.smr import SmrDisk
from zonevm.disks.smr_shape import SmrShape
from zonevm.disks.tcmu import TcmuDisk
from zonevm.disks.zns import ZnsDisk
from zonevm.disks.zns_shape import ZnsShape

__all__ = [
    "KINDS",
    "Disk",
    "NvmeDisk",
    "NvmeShape",
    "PhysicalDisk",
    "PlainDisk",
    "Shape",
    "SmrDisk",
    "SmrShape",
    "TcmuDisk",
    "ZnsDisk",
    "ZnsShape",
    "parse",
]
