"""An emulated SMR disk (SCSI ZBC), kept in an image file."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from zonevm.disks.disk import Disk
from zonevm.disks.option import Option
from zonevm.disks.value import Choice, Count, FilePath, Flag, Maybe, PowerOfTwo, Size, Text, Word, Wwn
from zonevm.errors import DiskError
from zonevm.units import format_size

PHYSICAL_BLOCK = 4096
"""Bytes: the write granularity of an SMR disk's sequential zones, and the unit of its capacity."""

_MOST_ZONES = 2**32 - 1


@dataclass(frozen=True)
class SmrDisk(Disk):
    """An emulated SMR disk: all but its conventional zones have to be written sequentially, or had better be.

    With ``file`` naming an existing image the geometry comes from the image, and options that are given have
    to agree with it; a ``file`` that does not exist is created with ``size``. Without ``file`` the disk is
    gone when the guest is.
    """

    kind: ClassVar[str] = "smr"
    summary: ClassVar[str] = "an emulated SMR disk (SCSI ZBC), host-managed or host-aware"

    size: Option[int | str | None, int | None] = Option(
        Maybe(Size(PHYSICAL_BLOCK)), None, "capacity; the last zone may be smaller than the others"
    )
    zone_size: Option[int | str, int] = Option(PowerOfTwo(PHYSICAL_BLOCK, 2**40), "256M", "size of a zone")
    conventional: Option[int | str, int] = Option(
        Count(0, _MOST_ZONES - 1),
        0,
        "conventional zones, at the start of the disk",
        name="conv",
        aliases=("conventional",),
    )
    block_size: Option[int | str, int] = Option(
        Choice(512, 4096), 512, "logical block size in bytes; the physical block is always 4096"
    )
    max_open: Option[int | str | None, int | None] = Option(
        Maybe(Count(1, _MOST_ZONES - 1), none="none"),
        128,
        "zones that may be open at a time, host-aware: the optimal number; none: no limit",
    )
    file: Option[str | os.PathLike[str] | None, Path | None] = Option(
        Maybe(FilePath()), None, "image that holds data and zone state; created if there is none"
    )
    serial: Option[str | None, str | None] = Option(
        Maybe(Text(32)), None, "unit serial number; default: drawn when the image is created"
    )
    wwn: Option[int | str | None, int | None] = Option(
        Maybe(Wwn()), None, "world wide name; default: drawn when the image is created"
    )
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
    urswrz: Option[bool | str, bool] = Option(
        Flag(), True, "reads past a write pointer and across zones succeed; Linux refuses a disk without it"
    )

    zone_capacity: Option[int | str | None, int | None] = Option(
        Maybe(Size(PHYSICAL_BLOCK)),
        None,
        "size of a sequential zone, where a gap zone follows it up to zone-size; default: zone-size",
        aliases=("zone-cap",),
    )
    model: Option[str, str] = Option(
        Word("host-managed", "host-aware"),
        "host-managed",
        "host-aware: sequential zones may be written anywhere; Linux since 6.8 sees an ordinary disk",
    )

    @property
    def shares(self) -> str | None:
        """The name of the controller that this disk shares with others."""
        return self.controller

    def __post_init__(self) -> None:
        self._check_model()
        self._check_capacity()
        if self.size is None:
            if self.file is None:
                raise DiskError("an smr disk needs a size, or a file that exists", "Write smr,size=20G.")
            return
        if self.size % PHYSICAL_BLOCK:
            nearest = format_size(-(-self.size // PHYSICAL_BLOCK) * PHYSICAL_BLOCK)
            raise self.wrong(
                "size",
                f"not a multiple of the physical block ({PHYSICAL_BLOCK} bytes)",
                f"Write size={nearest}.",
            )
        zones = -(-self.size // self.zone_size)
        if zones > _MOST_ZONES:
            raise self.wrong(
                "zone-size", f"size={format_size(self.size)} is {zones} zones", "Use larger zones."
            )
        if self.conventional >= zones:
            raise self.wrong(
                "conv",
                f"there are {zones} zones (size={format_size(self.size)}, "
                f"zone-size={format_size(self.zone_size)}), and at least one has to be sequential",
                f"conv is at most {zones - 1} here.",
            )

    def _check_model(self) -> None:
        if self.model == "host-managed":
            return
        if not self.urswrz:
            raise self.wrong("urswrz", "reads of a host-aware disk are unrestricted", "Leave urswrz out.")
        if self.zone_capacity is not None and self.zone_capacity != self.zone_size:
            raise self.wrong(
                "zone-capacity", "a host-aware disk has no gap zones", "Leave zone-capacity out."
            )

    def _check_capacity(self) -> None:
        capacity = self.zone_capacity
        if capacity is None:
            return
        if capacity % PHYSICAL_BLOCK:
            nearest = format_size(-(-capacity // PHYSICAL_BLOCK) * PHYSICAL_BLOCK)
            raise self.wrong(
                "zone-capacity",
                f"not a multiple of the physical block ({PHYSICAL_BLOCK} bytes)",
                f"Write zone-capacity={nearest}.",
            )
        if self.size is None:
            return
        size, zone_size = format_size(self.size), format_size(self.zone_size)
        if capacity > self.zone_size:
            raise self.wrong(
                "zone-capacity",
                f"more than zone-size={zone_size}",
                f"zone-capacity is at most {zone_size} here.",
            )
        if capacity < self.zone_size and self.size % self.zone_size:
            whole = format_size(-(-self.size // self.zone_size) * self.zone_size)
            raise self.wrong(
                "zone-capacity",
                f"size={size} is no multiple of zone-size={zone_size}, "
                "and Linux refuses a disk with gap zones whose last zone is smaller",
                f"Write size={whole}.",
            )
