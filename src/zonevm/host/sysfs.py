"""Reads sysfs, procfs and configfs below any root directory. Knows nothing of what the files mean."""

from __future__ import annotations

import re
from pathlib import Path

_OCTAL = re.compile(r"\\([0-7]{3})")


def text(path: Path) -> str:
    """Return the stripped text of ``path``; "" where it is missing or not for this user to read."""
    return raw(path).decode(errors="replace").strip("\0 \t\n")


def raw(path: Path) -> bytes:
    """Return the bytes of ``path``; none where it is missing or not for this user to read."""
    try:
        return path.read_bytes()
    except OSError:
        return b""


def number(path: Path) -> int:
    """Return the decimal number in ``path``; 0 where there is none."""
    digits = text(path)
    return int(digits) if digits.isdecimal() else 0


def names(directory: Path) -> list[str]:
    """Return the sorted names in ``directory``; none where it is missing or not for this user to read."""
    try:
        return sorted(entry.name for entry in directory.iterdir())
    except OSError:
        return []


def link(path: Path) -> str:
    """Return what the symbolic link ``path`` holds; "" where it is none, or not for this user to read."""
    try:
        return str(path.readlink())
    except OSError:
        return ""


def unescape(field: str) -> str:
    r"""Return a field of /proc/self/mountinfo or /proc/swaps with its octal escapes (``\040``) undone."""
    return _OCTAL.sub(lambda match: chr(int(match[1], 8)), field)
