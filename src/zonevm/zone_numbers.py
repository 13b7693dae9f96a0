"""Zones as people write them (``5``, ``5-9``, ``all``), numbered from 0. Knows nothing of disks."""

from __future__ import annotations

import re

from zonevm.errors import UsageError
from zonevm.inputs import shown


def parse_zones(text: str | int, count: int) -> range:
    """Return the zones that ``text`` names on a disk that has ``count``.

    Raises :class:`UsageError` for what is neither a zone nor a range, or is not on the disk.
    """
    if text == "all":
        return range(count)
    number = r"(\d{1,20})"
    match = re.fullmatch(f"{number}(?:-{number})?", shown(text), re.ASCII)
    if match is None or isinstance(text, bool):
        raise UsageError(
            f"'{shown(text)}' names no zones", "Write a zone such as 5, a range such as 5-9, or all."
        )
    first = int(match[1])
    last = int(match[2] or first)
    if not first <= last < count:
        raise UsageError(
            f"there are no zones {text}: the disk has {count}, numbered from 0",
            f"Choose from 0 to {count - 1}, the smaller number first.",
        )
    return range(first, last + 1)
