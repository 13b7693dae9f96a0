"""Where the written zones of a disk may be written next, in lines: to find a write gone astray."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import groupby
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from zonevm._core import Zone

KERNEL_REFUSES = (
    "the guest's kernel may have refused a write itself, with an I/O error: since 6.10 Linux does that with "
    "one that does not start at its zone's write pointer, which in an empty zone is the zone's start"
)
"""Why a command can fail and no disk knows of it (Linux, block/blk-zoned.c: blk_zone_wplug_prepare_bio)."""


def write_pointers(zones: Iterable[Zone], block_size: int) -> Iterator[str]:
    """Yield a line for each written zone that has a write pointer, and one for full zones in a row.

    ``zones`` are all zones of a disk in order, ``block_size`` its logical blocks' in bytes.
    """
    for full, run in groupby(enumerate(zones), key=lambda pair: pair[1].condition == "full"):
        if full:
            numbers = [number for number, _ in run]
            first, last = numbers[0], numbers[-1]
            yield f"zone {first}: full" if first == last else f"zones {first}-{last}: full"
            continue
        for number, zone in run:
            pointer = zone.write_pointer
            if pointer is not None and pointer != zone.start:
                yield f"zone {number}: the write pointer is at LBA {pointer}, byte {pointer * block_size}"
