"""A conventional namespace (NVMe), kept in an image file: beside a zoned one, or alone."""

from __future__ import annotations

from typing import ClassVar

from zonevm.disks.emulated import Emulated
from zonevm.disks.nvme_shape import NvmeShape
from zonevm.disks.option import described


@described
class NvmeDisk(Emulated, NvmeShape):
    """An NVMe namespace without zones; with the ``controller`` of a zoned one it is beside that.

    With ``file`` naming an existing image the shape comes from the image, and options that are given have
    to agree with it; a ``file`` that does not exist is created with ``size`` or ``profile``. Without ``file``
    the disk is gone when the guest is.
    """

    kind: ClassVar[str] = "nvme"
    summary: ClassVar[str] = "an NVMe namespace without zones, emulated by zonevm"
    via: ClassVar[str | None] = None
    needs_zonevm: ClassVar[str] = "it has no zones"
    """Why QEMU's own namespaces cannot take its place."""
