"""Kernel SCSI targets (LIO): one disk behind one fabric, made and undone. The only room that writes configfs.

A :class:`TargetSpec` says what a target is; :func:`create` makes it, :func:`remove` and :func:`gc` undo it.
Knows nothing of QEMU and of guests. Needs root, and says so before it does anything.
"""

from zonevm.lio.cfgstring import ZbcConfig
from zonevm.lio.registry import Record, records
from zonevm.lio.spec import Backstore, Pscsi, TargetSpec, UserZbc, random_wwn
from zonevm.lio.target import Collected, create, device_of, gc, remove
from zonevm.lio.zbc_image import ZbcImage, ZbcZone, inspect, read_zones

__all__ = [
    "Backstore",
    "Collected",
    "Pscsi",
    "Record",
    "TargetSpec",
    "UserZbc",
    "ZbcConfig",
    "ZbcImage",
    "ZbcZone",
    "create",
    "device_of",
    "gc",
    "inspect",
    "random_wwn",
    "read_zones",
    "records",
    "remove",
]
