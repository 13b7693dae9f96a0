"""A zoned namespace (NVMe ZNS) that QEMU itself emulates.

The limits are those that QEMU's ``hw/nvme/ns.c`` and ``hw/nvme/ctrl.c`` check when a namespace is realised,
and what Linux's ``drivers/nvme/host/zns.c`` needs to accept it (a zone size that is a power of two).
"""

from __future__ import annotations

import os
import uuid as uuids
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from zonevm.disks.disk import Disk
from zonevm.disks.option import Option
from zonevm.disks.value import Choice, Count, FilePath, Flag, Maybe, PowerOfTwo, Size, Text, Uuid
from zonevm.errors import DiskError
from zonevm.units import format_size

_EXTENSION_UNIT = 64
_ZRWA_BLOCKS = 2**16 - 1


@dataclass(frozen=True)
class ZnsDisk(Disk):
    """An NVMe namespace with zones, on an NVMe controller of its own.

    ``size`` is rounded up to whole zones. QEMU keeps data in ``file`` but no zone state: every zone is empty
    again when a guest starts. Without ``file`` the data are gone when the guest is.
    """

    kind: ClassVar[str] = "zns"
    summary: ClassVar[str] = "an NVMe namespace with zones (ZNS), emulated by QEMU"

    size: Option[int | str | None, int | None] = Option(
        Maybe(Size()), None, "capacity; rounded up to a multiple of zone-size"
    )
    zone_size: Option[int | str, int] = Option(
        PowerOfTwo(512, 2**40), "128M", "size of a zone", qemu="nvme-ns.zoned.zone_size"
    )
    zone_capacity: Option[int | str | None, int | None] = Option(
        Maybe(Size()),
        None,
        "bytes of a zone that can be written; default: zone-size",
        aliases=("zone-cap",),
        qemu="nvme-ns.zoned.zone_capacity",
    )
    max_open: Option[int | str, int] = Option(
        Count(0, 2**32 - 1), 0, "zones that may be open at a time; 0: no limit", qemu="nvme-ns.zoned.max_open"
    )
    max_active: Option[int | str, int] = Option(
        Count(0, 2**32 - 1),
        0,
        "zones that may be open or closed at a time; 0: no limit",
        qemu="nvme-ns.zoned.max_active",
    )
    block_size: Option[int | str, int] = Option(Choice(512, 4096), 4096, "logical block size in bytes")
    file: Option[str | os.PathLike[str] | None, Path | None] = Option(
        Maybe(FilePath()), None, "raw file that holds the data; created if there is none"
    )
    zasl: Option[int | str, int] = Option(
        Count(0, 7),
        0,
        "largest zone append is 4 KiB << zasl; 0: as large as any transfer",
        qemu="nvme.zoned.zasl",
    )
    auto_transition: Option[bool | str, bool] = Option(
        Flag(),
        True,
        "close an implicitly open zone when a resource is needed for another",
        qemu="nvme.zoned.auto_transition",
    )
    cross_read: Option[bool | str, bool] = Option(
        Flag(), False, "reads may cross zone boundaries", qemu="nvme-ns.zoned.cross_read"
    )
    descr_ext_size: Option[int | str, int] = Option(
        Count(0, 255 * _EXTENSION_UNIT),
        0,
        f"bytes of a zone descriptor extension, a multiple of {_EXTENSION_UNIT}; 0: none",
        qemu="nvme-ns.zoned.descr_ext_size",
    )
    numzrwa: Option[int | str, int] = Option(
        Count(0, 2**32 - 1),
        0,
        "zones that may have a random write area at a time; 0: all",
        qemu="nvme-ns.zoned.numzrwa",
    )
    zrwas: Option[int | str, int] = Option(
        Size(0), 0, "size of a zone's random write area (ZRWA); 0: none", qemu="nvme-ns.zoned.zrwas"
    )
    zrwafg: Option[int | str | None, int | None] = Option(
        Maybe(Size()), None, "ZRWA flush granularity; default: block-size", qemu="nvme-ns.zoned.zrwafg"
    )
    uuid: Option[str | uuids.UUID | None, uuids.UUID | None] = Option(
        Maybe(Uuid()), None, "the namespace's UUID; default: a random one at every start", qemu="nvme-ns.uuid"
    )
    serial: Option[str | None, str | None] = Option(
        Maybe(Text(20)), None, "the controller's serial number; default: its name in QEMU"
    )

    def __post_init__(self) -> None:
        if self.size is None and self.file is None:
            raise DiskError("a zns disk needs a size, or a file that exists", "Write zns,size=8G.")
        self._check_zones()
        self._check_limits()
        self._check_random_write_area()
        if self.size is not None and self.size % self.zone_size:
            zone_size = format_size(self.zone_size)
            rounded = -(-self.size // self.zone_size) * self.zone_size
            self.note(
                f"zns: size={format_size(self.size)} rounded up to {format_size(rounded)}, "
                f"whole zones of {zone_size}"
            )
            self.__dict__["size"] = rounded
        if self.file is not None:
            self.note(
                f"zns: QEMU keeps no zone state: every zone of {self.file} is empty when the guest starts"
            )

    @property
    def capacity_of_zone(self) -> int:
        """Bytes of a zone that can be written."""
        return self.zone_size if self.zone_capacity is None else self.zone_capacity

    def _check_zones(self) -> None:
        block = self.block_size
        if self.zone_size < block:
            raise self.wrong("zone-size", f"less than a block ({block} bytes)", "Use larger zones.")
        if self.capacity_of_zone > self.zone_size:
            zone_size = format_size(self.zone_size)
            raise self.wrong(
                "zone-capacity",
                f"more than zone-size={zone_size}",
                f"zone-capacity is at most {zone_size} here.",
            )
        if self.capacity_of_zone % block:
            raise self.wrong(
                "zone-capacity", f"not a multiple of block-size={block}", f"Use a multiple of {block} bytes."
            )

    def _check_limits(self) -> None:
        if self.max_active and self.max_open > self.max_active:
            raise self.wrong(
                "max-open",
                f"more than max-active={self.max_active}, and an open zone is an active one",
                f"max-open is at most {self.max_active} here.",
            )
        if self.size is not None:
            zones = -(-self.size // self.zone_size)
            for name, limit in (("max-open", self.max_open), ("max-active", self.max_active)):
                if limit > zones:
                    raise self.wrong(
                        name,
                        f"the namespace has {zones} zones",
                        f"{name} is at most {zones} here, or 0: no limit.",
                    )
        if self.descr_ext_size % _EXTENSION_UNIT:
            raise self.wrong(
                "descr-ext-size",
                f"not a multiple of {_EXTENSION_UNIT}",
                f"descr-ext-size is 0, 64, 128, ... {255 * _EXTENSION_UNIT}.",
            )

    def _check_random_write_area(self) -> None:
        block = self.block_size
        if not self.zrwas:
            for name, value in (("numzrwa", self.numzrwa), ("zrwafg", self.zrwafg)):
                if value:
                    raise self.wrong(
                        name, "there is no random write area without zrwas", "Add zrwas=64K, for example."
                    )
            return
        granularity = block if self.zrwafg is None else self.zrwafg
        for name, size in (("zrwas", self.zrwas), ("zrwafg", granularity)):
            if size % block or size // block > _ZRWA_BLOCKS:
                raise self.wrong(
                    name,
                    f"not 1 to {_ZRWA_BLOCKS} blocks of block-size={block}",
                    f"{name} is a multiple of {block}, at most {format_size(_ZRWA_BLOCKS * block)} bytes.",
                )
        if self.zrwas % granularity:
            raise self.wrong(
                "zrwas",
                f"not a multiple of the flush granularity, zrwafg={format_size(granularity)}",
                f"Use a multiple of {format_size(granularity)}.",
            )
        if self.max_active and self.numzrwa > self.max_active:
            raise self.wrong(
                "numzrwa",
                f"more than max-active={self.max_active}, and such a zone is an active one",
                f"numzrwa is at most {self.max_active} here.",
            )
