"""What the disks have in common that zonevm itself emulates and serves. Knows no kind and no shape."""

from __future__ import annotations

import os
from dataclasses import KW_ONLY
from pathlib import Path
from typing import ClassVar

from zonevm.disks.disk import Disk
from zonevm.disks.option import Option, described
from zonevm.disks.shape import Shape
from zonevm.disks.value import Count, FilePath, Maybe, Text, Word
from zonevm.errors import DiskError


@described
class Emulated(Disk, Shape):
    """A disk on an image, and how it is served; a kind is derived from this and from its shape."""

    if_raw: ClassVar[str] = ""
    """What to do with a file that is no image, where such a file may be one of another method's."""

    file: Option[str | os.PathLike[str] | None, Path | None] = Option(
        Maybe(FilePath()), None, "image that holds data and zone state; created if there is none"
    )
    _: KW_ONLY
    queues: Option[int | str, int] = Option(Count(1, 64), 1, "request queues, each served by a thread")
    controller: Option[str | None, str | None] = Option(
        Maybe(Text(32)), None, "disks that name the same one share a controller, of SCSI or of NVMe"
    )
    cache: Option[str, str] = Option(
        Word("host", "volatile", "lying"),
        "host",
        "what is written and not flushed: host: kept by the host; volatile: lost in a power cut; "
        "lying: likewise, and flushes do nothing",
    )

    timing: Option[str | os.PathLike[str] | None, Path | None] = Option(
        Maybe(FilePath()),
        None,
        "take the time that a real device would: hc620, zn540, or a TOML file with a timing profile; "
        "default: as fast as the host",
    )

    @property
    def shares(self) -> str | None:
        """The name of the controller that this disk shares with others."""
        return self.controller

    @property
    def fails(self) -> bool:
        """Whether it can fail on purpose: zonevm itself serves it."""
        return True

    @property
    def volatile(self) -> bool:
        """Whether a power cut takes what was not flushed, or was said to be."""
        return self.cache != "host"

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.size is None and self.file is None:
            raise DiskError(
                f"{self.kind}: there is neither a size, nor a profile, nor a file that exists",
                f"Write {self.kind},size=20G.",
            )
