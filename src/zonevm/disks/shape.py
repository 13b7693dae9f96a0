"""What every emulated disk's shape has in common: what its image is created with. Knows no kind."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, ClassVar

from zonevm.disks.option import Described, Option, described
from zonevm.disks.profiles import Profile
from zonevm.disks.value import Maybe, Size
from zonevm.errors import DiskError, UsageError
from zonevm.units import format_size

PHYSICAL_BLOCK = 4096
"""Bytes: what a power cut leaves whole, and the unit of an emulated disk's capacity."""

MOST_ZONES = 2**32 - 1


@described
class Shape(Described):
    """The geometry and the identity of an emulated disk. ``_core`` takes it whole, and reads its fields.

    ``profiles``: those that it may be like. ``facts``: what :func:`zonevm.images.info` calls an option's
    value, where that is not the option's field.
    """

    wrong_value: ClassVar[type[UsageError]] = DiskError
    profiles: ClassVar[Mapping[str, Profile]]
    facts: ClassVar[Mapping[str, str]] = {}

    if TYPE_CHECKING:
        size: Option[int | str | None, int | None] = Option(Maybe(Size()), None, "capacity")
        """Bytes; every shape has it, each with a value of its own."""

    def __post_init__(self) -> None:
        if name := self._profile:
            self.presume(self.profiles[name].options)

    @classmethod
    def shape_options(cls) -> dict[str, Option[Any, Any]]:
        """Return the options that an image is created with, by name."""
        shape: type[Shape] = next(base for base in cls.__mro__ if "profiles" in vars(base))
        return shape.options()

    @property
    def asked(self) -> dict[str, str]:
        """The options that an image has to agree with, by name, each with the one that asks for it.

        That is the option itself where it was given, or else ``profile``.
        """
        of_profile = self.profiles[name].options if (name := self._profile) else {}
        return {
            name: name if name in self.given else "profile"
            for name in self.shape_options()
            if name != "profile" and (name in self.given or name in of_profile)
        }

    def fact(self, option: Option[Any, Any]) -> str:
        """Return what :func:`zonevm.images.info` calls the value of an option."""
        return self.facts.get(option.name, option.field)

    def whole_zones(self, size: int, zone_size: int) -> int:
        """Return the bytes of whole zones that ``size`` takes."""
        return -(-size // zone_size) * zone_size

    @property
    def _profile(self) -> str | None:
        return getattr(self, "profile", None)

    def _check_block(self, name: str, value: int) -> None:
        """Raise :class:`DiskError` for a size that is not a multiple of the physical block."""
        if value % PHYSICAL_BLOCK:
            nearest = format_size(-(-value // PHYSICAL_BLOCK) * PHYSICAL_BLOCK)
            raise self.wrong(
                name,
                f"not a multiple of the physical block ({PHYSICAL_BLOCK} bytes)",
                f"Write {name}={nearest}.",
            )
