"""An ordinary disk without zones, kept in a raw file."""

from __future__ import annotations

import os
from pathlib import Path
from typing import ClassVar

from zonevm.disks.disk import Disk
from zonevm.disks.option import Option, described
from zonevm.disks.value import FilePath, Maybe, Size, Text
from zonevm.errors import DiskError

BLOCK = 512
"""Bytes: the logical block of a plain disk, and the unit of its size."""


@described
class PlainDisk(Disk):
    """An ordinary disk, such as the conventional one that XFS and f2fs want beside a ZNS namespace.

    A ``file`` that exists is used as it is, and ``size`` has to agree with it; one that does not exist is
    created with ``size``. Without ``file`` the disk is gone when the guest is.
    """

    kind: ClassVar[str] = "plain"
    summary: ClassVar[str] = "an ordinary disk without zones"

    size: Option[int | str | None, int | None] = Option(Maybe(Size(BLOCK)), None, "capacity")
    file: Option[str | os.PathLike[str] | None, Path | None] = Option(
        Maybe(FilePath()), None, "raw file that holds the data; created if there is none"
    )
    serial: Option[str | None, str | None] = Option(Maybe(Text(20)), None, "serial number; default: none")

    def __post_init__(self) -> None:
        if self.size is None:
            if self.file is None:
                raise DiskError("a plain disk needs a size, or a file that exists", "Write plain,size=1G.")
        elif self.size % BLOCK:
            raise self.wrong("size", f"not a multiple of {BLOCK} bytes", "Give it whole blocks.")
