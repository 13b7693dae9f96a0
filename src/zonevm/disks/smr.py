"""An emulated SMR disk (SCSI ZBC), kept in an image file."""

from __future__ import annotations

import os
from dataclasses import KW_ONLY, dataclass
from pathlib import Path
from typing import ClassVar

from zonevm.disks.disk import Disk
from zonevm.disks.option import Option
from zonevm.disks.smr_shape import SmrShape
from zonevm.disks.value import Count, FilePath, Maybe, Text, Word
from zonevm.errors import DiskError


@dataclass(frozen=True)
class SmrDisk(SmrShape, Disk):
    """An emulated SMR disk: all but its conventional zones have to be written sequentially, or had better be.

    With ``file`` naming an existing image the shape comes from the image, and options that are given have
    to agree with it; a ``file`` that does not exist is created with ``size`` or ``profile``. Without ``file``
    the disk is gone when the guest is.
    """

    kind: ClassVar[str] = "smr"
    summary: ClassVar[str] = "an emulated SMR disk (SCSI ZBC), host-managed or host-aware"

    file: Option[str | os.PathLike[str] | None, Path | None] = Option(
        Maybe(FilePath()), None, "image that holds data and zone state; created if there is none"
    )
    _: KW_ONLY
    queues: Option[int | str, int] = Option(Count(1, 64), 1, "request queues, each served by a thread")
    controller: Option[str | None, str | None] = Option(
        Maybe(Text(32)), None, "disks that name the same controller are LUNs of one SCSI controller"
    )
    cache: Option[str, str] = Option(
        Word("host", "volatile", "lying"),
        "host",
        "what is written and not flushed: host: kept by the host; volatile: lost in a power cut; "
        "lying: likewise, and flushes do nothing",
    )

    @property
    def shares(self) -> str | None:
        """The name of the controller that this disk shares with others."""
        return self.controller

    @property
    def volatile(self) -> bool:
        """Whether a power cut takes what was not flushed, or was said to be."""
        return self.cache != "host"

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.size is None and self.file is None:
            raise DiskError(
                "an smr disk needs a size, a profile, or a file that exists", "Write smr,size=20G."
            )
