"""A zoned disk that the host's kernel target and tcmu-runner emulate, and that a guest gets by vhost-scsi."""

from __future__ import annotations

import os
from pathlib import Path
from typing import ClassVar

from zonevm.disks.disk import Disk
from zonevm.disks.option import Option, described
from zonevm.disks.value import Choice, Count, FilePath, Flag, Maybe, PowerOfTwo, Size, Wwn
from zonevm.errors import DiskError

_MIB = 2**20
_MOST = 2**32 - 2


@described
class TcmuDisk(Disk):
    """A host-managed disk emulated by tcmu-runner. It needs root and kernel modules on the host.

    A ``file`` that exists is opened as it is, with the state of its zones; options that are given have to
    agree with it unless ``reinitialise``, which empties all zones and changes what is given. A ``file`` that
    does not exist is created with ``size``. Without ``file`` the disk is gone when the guest is.
    """

    kind: ClassVar[str] = "tcmu"
    summary: ClassVar[str] = "a host-managed SMR disk emulated by tcmu-runner, by vhost-scsi"

    size: Option[int | str | None, int | None] = Option(
        Maybe(Size(_MIB)), None, "capacity; the last zone may be smaller than the others"
    )
    zone_size: Option[int | str | None, int | None] = Option(
        Maybe(PowerOfTwo(_MIB, 2**40)), None, "size of a zone; default: 256M, or the image's"
    )
    conventional: Option[int | str | None, int | None] = Option(
        Maybe(Count(0, _MOST)),
        None,
        "conventional zones, at the start; default: 1 % of all, or the image's",
        name="conv",
        aliases=("conventional",),
    )
    block_size: Option[int | str | None, int | None] = Option(
        Maybe(Choice(512, 4096)), None, "logical block size in bytes; default: 512, or the image's"
    )
    max_open: Option[int | str | None, int | None] = Option(
        Maybe(Count(1, _MOST)),
        None,
        "zones that may be open at a time, at most half of the sequential ones; default: 128, or the image's",
    )
    file: Option[str | os.PathLike[str] | None, Path | None] = Option(
        Maybe(FilePath()), None, "tcmu-runner's image; created if there is none"
    )
    reinitialise: Option[bool | str, bool] = Option(Flag(), False, "empty all zones of an image that exists")
    wwn: Option[int | str | None, int | None] = Option(
        Maybe(Wwn()), None, "world wide name of the target, by which QEMU finds it; default: a random one"
    )

    def __post_init__(self) -> None:
        if self.size is None and self.file is None:
            raise DiskError("a tcmu disk needs a size, or a file that exists", "Write tcmu,size=20G.")
        if self.reinitialise and self.file is None:
            raise DiskError(
                "tcmu: reinitialise=on without a file", "A disk without a file is new: leave it out."
            )
