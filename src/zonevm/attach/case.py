"""What the choice of a disk's method depends on, where its kind has several. Knows no kind and no method."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from zonevm.host.abilities import Abilities


@dataclass(frozen=True)
class Case:
    """The circumstances of one disk.

    ``abilities`` returns what the QEMU can do; it is asked then, not before. ``serve``: zonevm itself has to
    serve the disk, since it fails on purpose or its commands are seen. ``elsewhere``: somebody else starts
    the QEMU. ``makeshift``: a method that can do less may take the place of one that this QEMU lacks, where
    nothing is lost by it.
    """

    abilities: Callable[[], Abilities]
    serve: bool = False
    elsewhere: bool = False
    makeshift: bool = False
