"""What a conventional namespace is like: all that its image is created with. Knows no image and no guest."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import KW_ONLY
from typing import ClassVar

from zonevm.disks.option import Option, described
from zonevm.disks.profiles import NVME_PROFILES, Profile
from zonevm.disks.shape import PHYSICAL_BLOCK, Shape
from zonevm.disks.value import Choice, Maybe, Name, Size, Text, Wwn


@described
class NvmeShape(Shape):
    """The size and the identity of a namespace without zones. ``_core`` takes it whole, and reads its fields.

    To the core it is a medium of conventional zones, of which no host learns: the image counts by them.
    """

    profiles: ClassVar[Mapping[str, Profile]] = NVME_PROFILES
    model: ClassVar[str] = "conventional"
    zone_size: ClassVar[int] = 2**28
    zone_capacity: ClassVar[int | None] = None
    max_open: ClassVar[int | None] = None
    max_active: ClassVar[int | None] = None
    descr_ext_size: ClassVar[int] = 0
    urswrz: ClassVar[bool] = True

    size: Option[int | str | None, int | None] = Option(Maybe(Size(PHYSICAL_BLOCK)), None, "capacity")
    block_size: Option[int | str, int] = Option(Choice(512, 4096), 4096, "logical block size in bytes")
    _: KW_ONLY
    serial: Option[str | None, str | None] = Option(
        Maybe(Text(20)), None, "the controller's serial number; default: drawn when the image is created"
    )
    wwn: Option[int | str | None, int | None] = Option(
        Maybe(Wwn()), None, "the namespace's EUI-64; default: drawn when the image is created"
    )
    profile: Option[str | None, str | None] = Option(
        Maybe(Name(NVME_PROFILES)), None, "a drive whose conventional namespace this one is like"
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.size is not None:
            self._check_block("size", self.size)

    @property
    def conventional(self) -> int:
        """Zones, all conventional."""
        assert self.size is not None
        return -(-self.size // self.zone_size)
