"""An emulated SMR disk (SCSI ZBC), kept in an image file."""

from __future__ import annotations

from typing import ClassVar

from zonevm.disks.emulated import Emulated
from zonevm.disks.option import described
from zonevm.disks.smr_shape import SmrShape


@described
class SmrDisk(Emulated, SmrShape):
    """An emulated SMR disk: all but its conventional zones have to be written sequentially, or had better be.

    With ``file`` naming an existing image the shape comes from the image, and options that are given have
    to agree with it; a ``file`` that does not exist is created with ``size`` or ``profile``. Without ``file``
    the disk is gone when the guest is.
    """

    kind: ClassVar[str] = "smr"
    summary: ClassVar[str] = "an emulated SMR disk (SCSI ZBC), host-managed or host-aware"
