"""What an emulated SMR disk is like: all that its image is created with. Knows no image and no guest."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import KW_ONLY
from typing import ClassVar

from zonevm.disks.option import Option, described
from zonevm.disks.profiles import PROFILES, Profile
from zonevm.disks.shape import MOST_ZONES, PHYSICAL_BLOCK, Shape
from zonevm.disks.value import Choice, Count, Flag, Maybe, Name, PowerOfTwo, Size, Text, Word, Wwn
from zonevm.units import format_size


@described
class SmrShape(Shape):
    """The geometry and the identity of an emulated SMR disk. ``_core`` takes it whole, and reads its fields.

    Sizes are bytes, or texts such as ``20G``. ``size`` may be left out where an existing image is meant, and
    where a ``profile`` is given: it sets what is not.
    :class:`DiskError` is raised for what no disk can be, and for disks that Linux refuses.
    """

    profiles: ClassVar[Mapping[str, Profile]] = PROFILES
    max_active: ClassVar[int | None] = None
    descr_ext_size: ClassVar[int] = 0

    size: Option[int | str | None, int | None] = Option(
        Maybe(Size(PHYSICAL_BLOCK)), None, "capacity; the last zone may be smaller than the others"
    )
    zone_size: Option[int | str, int] = Option(PowerOfTwo(PHYSICAL_BLOCK, 2**40), "256M", "size of a zone")
    conventional: Option[int | str, int] = Option(
        Count(0, MOST_ZONES - 1),
        0,
        "conventional zones, at the start of the disk",
        name="conv",
        aliases=("conventional",),
    )
    block_size: Option[int | str, int] = Option(
        Choice(512, 4096), 512, "logical block size in bytes; the physical block is always 4096"
    )
    max_open: Option[int | str | None, int | None] = Option(
        Maybe(Count(1, MOST_ZONES - 1), none="none"),
        128,
        "zones that may be open at a time, host-aware: the optimal number; none: no limit",
    )
    _: KW_ONLY
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
    urswrz: Option[bool | str, bool] = Option(
        Flag(), True, "reads past a write pointer and across zones succeed; Linux refuses a disk without it"
    )
    serial: Option[str | None, str | None] = Option(
        Maybe(Text(32)), None, "unit serial number; default: drawn when the image is created"
    )
    wwn: Option[int | str | None, int | None] = Option(
        Maybe(Wwn()), None, "world wide name; default: drawn when the image is created"
    )
    profile: Option[str | None, str | None] = Option(
        Maybe(Name(PROFILES)), None, "a drive that the disk is like in all that is not given"
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        self._share_out_conventional()
        self._check_model()
        self._check_capacity()
        if self.size is not None:
            self._check_size(self.size)

    def _share_out_conventional(self) -> None:
        if self.profile is not None and self.size is not None:
            zones = -(-self.size // self.zone_size)
            self.presume({"conv": PROFILES[self.profile].conventional_of(zones)})

    def _check_size(self, size: int) -> None:
        self._check_block("size", size)
        zones = -(-size // self.zone_size)
        if zones > MOST_ZONES:
            raise self.wrong("zone-size", f"size={format_size(size)} is {zones} zones", "Use larger zones.")
        if self.conventional >= zones:
            raise self.wrong(
                "conv",
                f"there are {zones} zones (size={format_size(size)}, "
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
        self._check_block("zone-capacity", capacity)
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
            whole = format_size(self.whole_zones(self.size, self.zone_size))
            raise self.wrong(
                "zone-capacity",
                f"size={size} is not a multiple of zone-size={zone_size}, "
                "and Linux refuses a disk with gap zones whose last zone is smaller",
                f"Write size={whole}.",
            )
