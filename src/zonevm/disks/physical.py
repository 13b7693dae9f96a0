"""A disk that is there already: a zoned device of this host, or an iSCSI LUN that QEMU itself connects to."""

from __future__ import annotations

import os
from pathlib import Path
from typing import ClassVar

from zonevm.disks.disk import Disk
from zonevm.disks.option import Option, described
from zonevm.disks.value import DeviceName, Flag, Maybe, Word
from zonevm.errors import DiskError

METHODS = ("scsi-block", "scsi-generic", "vhost-scsi", "virtio-blk")
"""The ways by which a guest can have such a disk."""


@described
class PhysicalDisk(Disk):
    """A zoned device of this host, by its node or a link to it; or ``iscsi://HOST[:PORT]/TARGET/LUN``.

    Its text is the path itself: ``/dev/sdf,via=scsi-block``. Without ``via`` the best method is chosen for
    this disk, this QEMU and this user.
    """

    kind: ClassVar[str] = "physical"
    summary: ClassVar[str] = "a zoned device of this host: /dev/sdf is short for physical,path=/dev/sdf"

    path: Option[str | os.PathLike[str], str] = Option(
        DeviceName(), "/dev/null", "the device's node or a link to it, or an iscsi:// address"
    )
    via: Option[str | None, str | None] = Option(
        Maybe(Word(*METHODS)), None, "the method; default: the best one for this disk, QEMU and user"
    )
    force: Option[bool | str, bool] = Option(
        Flag(), False, "take it although other processes have it open for reading"
    )

    def __post_init__(self) -> None:
        if "path" not in self.given:
            raise DiskError("a physical disk needs its path", "Write /dev/sdf, for example.")
        if self.iscsi and self.via not in (None, "scsi-generic"):
            raise self.wrong("via", "QEMU connects to an iSCSI LUN by scsi-generic only", "Leave via out.")

    @property
    def iscsi(self) -> bool:
        """Whether it is an iSCSI LUN, and no device of this host."""
        return not self.path.startswith("/")

    @property
    def place(self) -> Path | None:
        """The device's node."""
        return None if self.iscsi else Path(self.path)

    def __str__(self) -> str:
        return super().__str__().removeprefix(f"{self.kind},path=")
