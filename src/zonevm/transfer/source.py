"""What a disk has to tell of itself to be imported. Knows no format and no device."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import NamedTuple

from zonevm.disks import SmrShape, ZnsShape
from zonevm.disks.shape import PHYSICAL_BLOCK
from zonevm.errors import DiskError, ImageError

# Zone condition codes of REPORT ZONES (ZBC-2), which blk_zone_cond of linux/blkzoned.h shares.
NOT_WRITE_POINTER, EMPTY, IMPLICITLY_OPEN, EXPLICITLY_OPEN, CLOSED = range(5)
READ_ONLY, FULL, OFFLINE = 0xD, 0xE, 0xF
_OPEN = (IMPLICITLY_OPEN, EXPLICITLY_OPEN, CLOSED)


class SourceZone(NamedTuple):
    """One zone: ``start``, ``length`` and ``written`` in bytes; above ``written`` there are no data.

    ``length`` is what of it can be written.
    """

    start: int
    length: int
    written: int
    condition: int

    @classmethod
    def of(cls, start: int, length: int, write_pointer: int, condition: int) -> SourceZone:
        """Return the zone that a zone descriptor tells of; :class:`ValueError` for one that cannot be."""
        if condition in (NOT_WRITE_POINTER, FULL):
            return cls(start, length, length, condition)
        if condition in (EMPTY, OFFLINE):
            return cls(start, length, 0, condition)
        inside = start <= write_pointer <= start + length
        if condition == READ_ONLY:
            return cls(start, length, write_pointer - start if inside else length, condition)
        if condition not in _OPEN or not inside:
            raise ValueError(f"condition {condition:#x} with a write pointer at byte {write_pointer}")
        written = write_pointer - start
        condition = FULL if written == length else CLOSED if written else EMPTY
        return cls(start, length, written, condition)

    @property
    def conventional(self) -> bool:
        """Whether it has no write pointer."""
        return self.condition == NOT_WRITE_POINTER


class Source(AbstractContextManager["Source"], ABC):
    """A disk to import: entering opens it, leaving closes it. ``shape`` is there then."""

    shape: SmrShape | ZnsShape

    @abstractmethod
    def zones(self) -> Iterator[SourceZone]:
        """Yield the zones in order. There may be millions: they are in memory one by one."""

    @abstractmethod
    def extents(self, start: int, end: int) -> Iterable[tuple[int, int]]:
        """Return the parts (from, to) of bytes ``start`` to ``end``, in order, that may not be zeroes."""

    @abstractmethod
    def read(self, offset: int, length: int) -> bytes:
        """Return ``length`` bytes of data, at most 1 MiB. Raises :class:`OSError`."""


@contextmanager
def like(name: object) -> Iterator[None]:
    """Raise :class:`ImageError` where no shape of ours can be made that is like the disk ``name``."""
    try:
        yield
    except DiskError as error:
        raise ImageError(
            f"{name} cannot be a disk of zonevm: {error.message}",
            f"Such a disk has whole blocks of {PHYSICAL_BLOCK} bytes, and zones of a power of two.",
        ) from error
