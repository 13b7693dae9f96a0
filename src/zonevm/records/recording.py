"""The life of a record while it is written."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from zonevm._core import CoreError, Recording
from zonevm.errors import HostError, UsageError


@contextmanager
def recording(file: Path) -> Iterator[Recording]:
    """Begin the record ``file`` and yield it, for disks and marks; what it has is in it whatever happens.

    Raises :class:`UsageError` where there is something at ``file``, and :class:`HostError` where it cannot be
    written, at the end too: a record may have ended early, for want of room say.
    """
    try:
        begun = Recording(file)
    except CoreError as error:
        if error.kind == "exists":
            raise UsageError(
                f"{file} exists already", "A record replaces nothing: give another file, or remove it."
            ) from error
        raise HostError(error.message, "Give a file in a directory that you may write to.") from error
    yield begun
    try:
        begun.check()
    except CoreError as error:
        raise HostError(f"{file} ends early: {error.message}", "Make room, and record again.") from error
