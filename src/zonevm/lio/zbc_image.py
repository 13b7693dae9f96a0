"""Looks at an image file of tcmu-runner's ``zbc`` handler. Reads only, and writes no such file.

tcmu-runner formats whatever it does not recognise, without a word. So :func:`inspect` accepts exactly what
its ``zbc_check_meta`` (``file_zbc.c``) accepts, and refuses the rest before the daemon sees it.
"""

from __future__ import annotations

import errno
import io
import mmap
import os
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from zonevm.errors import ImageError
from zonevm.inputs import open_regular, read_exactly

_HEADER = struct.Struct("=IIQIIIIIII4x")
_ZONE = struct.Struct("=QQQBBBB36x")
_MAGIC = int.from_bytes(b"UZBC", "big")
_HOST_AWARE, _HOST_MANAGED = 0x00, 0x14
_CONVENTIONAL, _REQUIRED, _PREFERRED = 1, 2, 3
_NOT_WRITE_POINTER = 0
_ZONES_AT_ONCE = 4096


class ZbcZone(NamedTuple):
    """A zone in an image. Bytes; ``write_pointer`` means something where ``condition`` has one.

    ``condition`` is the code of REPORT ZONES (ZBC-2).
    """

    start: int
    length: int
    write_pointer: int
    conventional: bool
    condition: int


@dataclass(frozen=True)
class ZbcImage:
    """The disk in an image. Sizes are in bytes; ``model`` is ``HM`` or ``HA`` as a cfgstring spells it.

    ``data_offset`` is where its data start in the file.
    """

    model: str
    size: int
    block_size: int
    zone_size: int
    zones: int
    conventional: int
    max_open: int
    data_offset: int


def inspect(path: Path) -> ZbcImage:
    """Return what is in the image. Raises :class:`ImageError` for a file that tcmu-runner would format."""
    try:
        with open_regular(path) as file:
            header = read_exactly(file, _HEADER.size)
            if len(header) < _HEADER.size:
                raise _foreign(path, "it is shorter than a header")
            magic, model, capacity, block, zone_blocks, zones, conventional, max_open, _, _ = _HEADER.unpack(
                header
            )
            if magic != _MAGIC:
                raise _foreign(path, "it does not start with the header that tcmu-runner writes")
            sane = (
                model in (_HOST_AWARE, _HOST_MANAGED)
                and block in (512, 4096)
                and zone_blocks > 0
                and zone_blocks & (zone_blocks - 1) == 0
                and zones == -(-capacity // zone_blocks)
                and conventional < zones
                and max_open <= zones
            )
            if not sane:
                raise _foreign(path, "its header contradicts itself")
            table = _HEADER.size + zones * _ZONE.size
            meta = -(-table // mmap.PAGESIZE) * mmap.PAGESIZE
            size, seen = meta + capacity * block, os.fstat(file.fileno()).st_size
            if seen != size:
                raise _foreign(path, f"it has {seen} bytes, and its header speaks of {size}")
            _check_zones(path, _table(file, zones), model, zone_blocks)
    except OSError as error:
        raise ImageError(f"{path}: {error.strerror}", "Give a file that can be read.") from error
    name = "HM" if model == _HOST_MANAGED else "HA"
    return ZbcImage(name, capacity * block, block, zone_blocks * block, zones, conventional, max_open, meta)


def read_zones(path: Path, image: ZbcImage) -> Iterator[ZbcZone]:
    """Yield the zones in an image that :func:`inspect` has accepted. Raises :class:`OSError`."""
    size = image.block_size
    with open_regular(path) as file:
        for start, length, pointer, kind, condition, _, _ in _table(file, image.zones):
            yield ZbcZone(start * size, length * size, pointer * size, kind == _CONVENTIONAL, condition)


def _table(file: io.FileIO, zones: int) -> Iterator[tuple[int, ...]]:
    """Yield the entries of the zone table, of which a part at a time is in memory."""
    for first in range(0, zones, _ZONES_AT_ONCE):
        length = min(_ZONES_AT_ONCE, zones - first) * _ZONE.size
        file.seek(_HEADER.size + first * _ZONE.size)
        part = read_exactly(file, length)
        if len(part) < length:
            raise OSError(errno.EIO, "it was cut short while it was read")
        yield from _ZONE.iter_unpack(part)


def _check_zones(path: Path, table: Iterator[tuple[int, ...]], model: int, zone_blocks: int) -> None:
    sequential = _REQUIRED if model == _HOST_MANAGED else _PREFERRED
    for number, (start, length, _, kind, condition, _, _) in enumerate(table):
        right = kind == sequential or (kind == _CONVENTIONAL and condition == _NOT_WRITE_POINTER)
        if not right or start % zone_blocks or length > zone_blocks:
            raise _foreign(path, f"its zone {number} is damaged")


def _foreign(path: Path, why: str) -> ImageError:
    return ImageError(
        f"{path} is not an image of tcmu-runner that can be opened as it is: {why}",
        "tcmu-runner would format it and lose what it holds. Give another file, or remove this one.",
    )
