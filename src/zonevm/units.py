"""Sizes as people write them (``20G``, ``256M``, ``4096``) and back. Knows nothing of disks.

Suffixes mean what they mean to GNU coreutils: ``K`` and ``KiB`` are 1024 bytes, ``KB`` is 1000 bytes, and so
on for M, G, T and P, in either case.
"""

from __future__ import annotations

import re
from fractions import Fraction

from zonevm.errors import UsageError
from zonevm.inputs import shown

_PREFIXES = "KMGTP"
_SIZE = re.compile(
    r"(?P<number>\d+(?:\.\d+)?|\.\d+)\s*(?:(?P<prefix>[KMGTP])(?:iB|(?P<decimal>B))?|B)?", re.IGNORECASE
)

_LARGEST = 2**63 - 1
"""The longest that a file can be (off_t)."""
_LONGEST = 64

FORMS = "a number of bytes such as 4096, or one with a suffix: 256M, 20G, 1.5T (binary), 14TB (decimal)"
"""The forms :func:`parse_size` allows, for error messages."""


def parse_size(text: str | int) -> int:
    """Return the bytes that ``text`` stands for.

    An int is taken as bytes. Raises :class:`UsageError` for all but a whole number of bytes, 0 to 8 EiB - 1.
    """
    size = text if isinstance(text, int) and not isinstance(text, bool) else _read(text)
    if not 0 <= size <= _LARGEST:
        limit = "less than 0" if size < 0 else f"more than {_LARGEST}"
        raise UsageError(f"{shown(text)} is not a size: it is {limit} bytes", f"A size is {FORMS}.")
    return size


def _read(text: object) -> int:
    usable = isinstance(text, str) and text.isascii() and len(text) <= _LONGEST
    match = _SIZE.fullmatch(str(text).strip()) if usable else None
    if match is None:
        raise UsageError(f"'{shown(text)}' is not a size", f"A size is {FORMS}.")
    exponent = _PREFIXES.index(match["prefix"].upper()) + 1 if match["prefix"] else 0
    size = Fraction(match["number"]) * (1000 if match["decimal"] else 1024) ** exponent
    if size.denominator != 1:
        raise UsageError(
            f"'{shown(text)}' is not a whole number of bytes", "Use fewer digits after the point."
        )
    return int(size)


def format_size(size: int) -> str:
    """Return the shortest exact form of ``size`` bytes: ``20G``, ``1536M``, ``4097``; reads back the same."""
    exponent = 0
    while size and size % 1024 == 0 and exponent < len(_PREFIXES):
        size //= 1024
        exponent += 1
    return f"{size}{_PREFIXES[exponent - 1] if exponent else ''}"


def about_size(size: int) -> str:
    """Return ``size`` bytes to three digits, for reading only: ``12.7 TiB``, ``256 MiB``, ``17 B``."""
    value, unit = float(size), "B"
    for prefix in _PREFIXES:
        if value < 999.5:
            break
        value, unit = value / 1024, f"{prefix}iB"
    if unit == "B" or value >= 99.95:
        return f"{value:.0f} {unit}"
    return f"{value:.3g} {unit}"
