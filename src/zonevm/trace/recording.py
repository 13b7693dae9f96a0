"""The life of a trace: raw while it is recorded, Parquet afterwards, recovered after a kill."""

from __future__ import annotations

import fcntl
import logging
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from zonevm._core import CoreError, Trace
from zonevm.errors import HostError, UsageError
from zonevm.inputs import open_regular
from zonevm.trace import parquet

_log = logging.getLogger(__name__)


def raw_file(file: Path) -> Path:
    """Return where the raw trace of ``file`` is while it is recorded, and after a kill."""
    return Path(f"{file}.raw")


@contextmanager
def recording(file: Path) -> Iterator[Trace]:
    """Record a trace while entered: give it to disks. ``file`` is replaced by it at the end.

    Raises :class:`HostError` where pyarrow is missing or a file cannot be written, and :class:`UsageError` if
    a killed run has left a raw trace of that name. What fails at the end of a body that failed is logged.
    """
    parquet.need()
    raw = raw_file(file)
    if file.is_dir():
        raise UsageError(f"{file} is a directory", "Give the name of a file for the trace.")
    trace = _started(file, raw)
    with _owned(raw):
        try:
            yield trace
        except BaseException:
            try:
                _finish(trace, raw, file)
            except HostError as error:
                _log.warning("%s %s", error.message, error.hint)
            raise
        _finish(trace, raw, file)


def recover(file: Path) -> int:
    """Make the trace ``file`` of the raw one that a killed run has left; return how many commands it has.

    Raises :class:`UsageError` where there is none, or its run still runs, and :class:`HostError` for a file
    that cannot be written.
    """
    parquet.need()
    raw = raw_file(file)
    with _owned(raw):
        return _convert(raw, file)


@contextmanager
def _owned(raw: Path) -> Iterator[None]:
    """Keep others from taking a raw trace away that is still written."""
    try:
        opened = open_regular(raw)
    except OSError as error:
        raise UsageError(
            f"{raw}: {error.strerror}", "Give the FILE of the zonevm run --trace FILE that was killed."
        ) from error
    with opened as held:
        try:
            fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise UsageError(f"{raw} belongs to a run that still runs", "Wait for its end.") from error
        yield


def _started(file: Path, raw: Path) -> Trace:
    try:
        return Trace(raw)
    except CoreError as error:
        if error.kind == "exists":
            raise UsageError(
                f"{raw} is the trace of a run that was killed, or still runs",
                f"Make a trace of it first (zonevm trace recover {file}), or remove it.",
            ) from error
        raise HostError(error.message, "Give a file in a directory that you may write to.") from error


def _finish(trace: Trace, raw: Path, file: Path) -> None:
    try:
        trace.close()
    except CoreError as error:
        _log.warning("the trace ends early: %s", error.message)
    _convert(raw, file)


def _convert(raw: Path, file: Path) -> int:
    try:
        with open_regular(raw) as source:
            rows = parquet.convert(source, file)
        raw.unlink()
    except OSError as error:
        raise HostError(
            f"cannot write the trace {file}: {error.strerror or error}",
            f"Its commands are in {raw}. Make room, then: zonevm trace recover {file}",
        ) from error
    return rows
