"""Directories of the cache that are whole or not there: made under another name, then renamed."""

from __future__ import annotations

import contextlib
import fcntl
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from zonevm.errors import PackageError

_PREFIX = ".pull-"


@contextmanager
def new_entry(target: Path) -> Iterator[Path]:
    """Give a directory to fill, which becomes ``target`` when the block ends, and vanishes if it fails.

    What processes that were killed left beside it is removed first. Another process's ``target`` that came
    meanwhile stays. Raises :class:`PackageError` where the directory cannot be written.
    """
    work: Path | None = None
    with contextlib.ExitStack() as stack:
        try:
            target.parent.mkdir(parents=True, exist_ok=True)
            with _locked(target.parent):
                _clean(target.parent)
                work = Path(tempfile.mkdtemp(prefix=_PREFIX, dir=target.parent))
                stack.callback(shutil.rmtree, work, ignore_errors=True)
                stack.enter_context(_locked(work))
            yield work
            work.chmod(0o755)
            with contextlib.suppress(FileExistsError):
                _rename(work, target)
        except OSError as error:
            raise cannot_write(target, error) from error


def discard(entry: Path) -> None:
    """Remove ``entry`` from the cache: it is not seen any more, then its files go."""
    hidden = entry.with_name(f"{_PREFIX}{entry.name}")
    try:
        shutil.rmtree(hidden, ignore_errors=True)
        entry.rename(hidden)
        shutil.rmtree(hidden)
    except OSError as error:
        raise cannot_write(entry, error) from error


def cannot_write(path: Path, error: OSError) -> PackageError:
    """Return the error for a place in the cache that the host does not let zonevm write."""
    return PackageError(
        f"cannot write {path}: {error.strerror or error}",
        "Make it writable, make room there, or keep zonevm's cache elsewhere with XDG_CACHE_HOME.",
    )


def _rename(work: Path, target: Path) -> None:
    try:
        work.rename(target)
    except OSError:
        if not target.exists():
            raise
        raise FileExistsError from None


@contextmanager
def _locked(directory: Path) -> Iterator[None]:
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def _clean(parent: Path) -> None:
    """Remove what nobody works on any more: the lock on it is free."""
    for left in parent.glob(f"{_PREFIX}*"):
        descriptor = os.open(left, os.O_RDONLY)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            shutil.rmtree(left, ignore_errors=True)
        except BlockingIOError:
            continue
        finally:
            os.close(descriptor)
