"""Directories for what comes of long work: a new one by its number, in use by one process. Knows no work."""

from __future__ import annotations

import fcntl
import os
from contextlib import suppress
from itertools import count
from pathlib import Path

from zonevm.errors import UsageError


def numbered(name: str) -> Path:
    """Make a new directory ``name-N`` in the current one; raises :class:`OSError` where none can be made."""
    for number in count(1):
        path = Path(f"{name}-{number}")
        with suppress(FileExistsError):
            path.mkdir()
            return path
    raise AssertionError("there is always one more number")


def locked(path: Path, verb: str) -> int:
    """Return a descriptor that keeps a directory from other processes until it is closed.

    Raises :class:`UsageError` where another one has it, which messages call ``verb``.
    """
    lock = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        os.close(lock)
        raise UsageError(
            f"{path} is in use by another {verb}", "Wait until that has ended, or end it."
        ) from error
    return lock
