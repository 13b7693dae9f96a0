"""The life of a trace: raw while it is recorded, Parquet afterwards, recovered after a kill."""

from __future__ import annotations

import fcntl
import logging
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from zonevm._core import CoreError, Trace
from zonevm.errors import HostError, UsageError
from zonevm.inputs import open_regular
from zonevm.outputs import Draft
from zonevm.trace import parquet

_log = logging.getLogger(__name__)


def raw_file(file: Path) -> Path:
    """Return where the raw trace of ``file`` is while it is recorded, and after a kill."""
    return Path(f"{file}.raw")


@contextmanager
def recording(file: Path) -> Iterator[Trace]:
    """Record a trace while entered: give it to disks. ``file`` is replaced by it at the end.

    ``file`` stays as it is when the body fails before there was a command. Raises :class:`HostError` where
    pyarrow is missing or a file cannot be written, and :class:`UsageError` for a ``file`` that is neither a
    trace nor a text, or if a killed run has left a raw trace of that name. What fails at the end of a body
    that failed is logged.
    """
    parquet.need()
    with Draft(file, parquet.MAGIC) as draft, _raw(file, draft) as raw:
        trace = _started(file, raw)
        with _owned(raw):
            try:
                yield trace
            except BaseException:
                try:
                    _finish(trace, raw, file, draft, failed=True)
                except HostError as error:
                    _log.warning("%s %s", error.message, error.hint)
                raise
            _finish(trace, raw, file, draft)


def recover(file: Path) -> int:
    """Make the trace ``file`` of the raw one that a killed run has left; return how many commands it has.

    Raises :class:`UsageError` where there is none, or its run still runs, and :class:`HostError` for a file
    that cannot be written.
    """
    parquet.need()
    raw = raw_file(file)
    with _owned(raw), Draft(file, parquet.MAGIC) as draft:
        rows = _convert(raw, file, draft)
        _publish(raw, file, draft)
        return rows


@contextmanager
def _raw(file: Path, draft: Draft) -> Iterator[Path]:
    """Yield where the raw trace goes: beside ``file``, or, for a pipe or a device, out of the way."""
    if draft.beside:
        yield raw_file(file)
        return
    with tempfile.TemporaryDirectory(prefix="zonevm-trace-") as directory:
        yield raw_file(Path(directory, "trace"))


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


def _finish(trace: Trace, raw: Path, file: Path, draft: Draft, *, failed: bool = False) -> None:
    try:
        trace.close()
    except CoreError as error:
        _log.warning("the trace ends early: %s", error.message)
    if _convert(raw, file, draft) or not (failed and draft.replaces):
        _publish(raw, file, draft)
    else:
        raw.unlink()


def _convert(raw: Path, file: Path, draft: Draft) -> int:
    try:
        with open_regular(raw) as source:
            return parquet.convert(source, draft.file)
    except OSError as error:
        raise _unwritten(raw, file, error.strerror or str(error)) from error


def _publish(raw: Path, file: Path, draft: Draft) -> None:
    try:
        draft.publish()
    except HostError as error:
        raise _unwritten(raw, file, error.message) from error
    raw.unlink()


def _unwritten(raw: Path, file: Path, why: str) -> HostError:
    return HostError(
        f"cannot write the trace {file}: {why}",
        f"Its commands are in {raw}. Make room, then: zonevm trace recover {file}",
    )
