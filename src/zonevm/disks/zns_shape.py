"""What a zoned namespace is like: all that its image is created with. Knows no image and no guest.

A zone size that is a power of two is what Linux's ``drivers/nvme/host/zns.c`` needs to accept a namespace;
the other limits are those of NVMe ZNS 1.1, which QEMU's ``hw/nvme/ns.c`` checks too.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import KW_ONLY
from typing import ClassVar

from zonevm.disks.option import Option, described
from zonevm.disks.profiles import ZNS_PROFILES, Profile
from zonevm.disks.shape import MOST_ZONES, Shape
from zonevm.disks.value import Choice, Count, Flag, Maybe, Name, PowerOfTwo, Size, Text, Wwn
from zonevm.units import format_size

_EXTENSION_UNIT = 64


@described
class ZnsShape(Shape):
    """The geometry and the identity of a zoned namespace. ``_core`` takes it whole, and reads its fields.

    Sizes are bytes, or texts such as ``8G``; ``size`` is rounded up to whole zones. It may be left out where
    an existing image is meant, and where a ``profile`` is given: it sets what is not.
    :class:`DiskError` is raised for what no namespace can be, and for those that Linux refuses.
    """

    profiles: ClassVar[Mapping[str, Profile]] = ZNS_PROFILES
    facts: ClassVar[Mapping[str, str]] = {"cross-read": "urswrz"}
    model: ClassVar[str] = "zns"
    conventional: ClassVar[int] = 0

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
    max_open: Option[int | str | None, int | None] = Option(
        Maybe(Count(1, MOST_ZONES - 1), none="0"),
        None,
        "zones that may be open at a time; 0: no limit",
        qemu="nvme-ns.zoned.max_open",
    )
    max_active: Option[int | str | None, int | None] = Option(
        Maybe(Count(1, MOST_ZONES - 1), none="0"),
        None,
        "zones that may be open or closed at a time; 0: no limit",
        qemu="nvme-ns.zoned.max_active",
    )
    block_size: Option[int | str, int] = Option(Choice(512, 4096), 4096, "logical block size in bytes")
    _: KW_ONLY
    cross_read: Option[bool | str, bool] = Option(
        Flag(), False, "reads may cross zone boundaries", qemu="nvme-ns.zoned.cross_read"
    )
    descr_ext_size: Option[int | str, int] = Option(
        Count(0, 255 * _EXTENSION_UNIT),
        0,
        f"bytes of a zone descriptor extension, a multiple of {_EXTENSION_UNIT}; 0: none",
        qemu="nvme-ns.zoned.descr_ext_size",
    )
    serial: Option[str | None, str | None] = Option(
        Maybe(Text(20)), None, "the controller's serial number; default: drawn when the image is created"
    )
    wwn: Option[int | str | None, int | None] = Option(
        Maybe(Wwn()), None, "the namespace's EUI-64; default: drawn when the image is created"
    )
    profile: Option[str | None, str | None] = Option(
        Maybe(Name(ZNS_PROFILES)), None, "a drive that the namespace is like in all that is not given"
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.capacity_of_zone > self.zone_size:
            # A profile's is for zones of its own size.
            self.presume({"zone-capacity": None})
        self._check_capacity()
        self._check_limits()
        self._round_size()

    @property
    def urswrz(self) -> bool:
        """Whether reads are unrestricted: what the core calls reads that may cross zones."""
        return self.cross_read

    @property
    def capacity_of_zone(self) -> int:
        """Bytes of a zone that can be written."""
        return self.zone_size if self.zone_capacity is None else self.zone_capacity

    def _check_capacity(self) -> None:
        if self.zone_size < self.block_size:
            raise self.wrong("zone-size", f"less than a block ({self.block_size} bytes)", "Use larger zones.")
        if self.capacity_of_zone > self.zone_size:
            zone_size = format_size(self.zone_size)
            raise self.wrong(
                "zone-capacity",
                f"more than zone-size={zone_size}",
                f"zone-capacity is at most {zone_size} here.",
            )
        if self.capacity_of_zone % self.block_size:
            raise self.wrong(
                "zone-capacity",
                f"not a multiple of block-size={self.block_size}",
                f"Use a multiple of {self.block_size} bytes.",
            )

    def _check_limits(self) -> None:
        if self.max_active and self.max_open and self.max_open > self.max_active:
            # A profile gives way to what was given.
            self.presume({"max-active": self.max_open} if "max-open" in self.given else {})
            self.presume({"max-open": self.max_active})
        if self.max_active and self.max_open and self.max_open > self.max_active:
            raise self.wrong(
                "max-open",
                f"more than max-active={self.max_active}, and an open zone is an active one",
                f"max-open is at most {self.max_active} here.",
            )
        if self.descr_ext_size % _EXTENSION_UNIT:
            raise self.wrong(
                "descr-ext-size",
                f"not a multiple of {_EXTENSION_UNIT}",
                f"descr-ext-size is 0, 64, 128, ... {255 * _EXTENSION_UNIT}.",
            )
        if self.size is None:
            return
        zones = -(-self.size // self.zone_size)
        if zones > MOST_ZONES:
            raise self.wrong(
                "zone-size", f"size={format_size(self.size)} is {zones} zones", "Use larger zones."
            )
        for name, limit in (("max-open", self.max_open), ("max-active", self.max_active)):
            if limit is None or limit <= zones:
                continue
            self.presume({name: zones})
            if name in self.given:
                raise self.wrong(
                    name,
                    f"the namespace has {zones} zones",
                    f"{name} is at most {zones} here, or 0: no limit.",
                )

    def _round_size(self) -> None:
        if self.size is None or self.size % self.zone_size == 0:
            return
        rounded = self.whole_zones(self.size, self.zone_size)
        self.note(
            f"zns: size={format_size(self.size)} rounded up to {format_size(rounded)}, "
            f"whole zones of {format_size(self.zone_size)}"
        )
        self.__dict__["size"] = rounded
