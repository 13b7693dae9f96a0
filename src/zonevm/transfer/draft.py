"""An image in the making: it gets its name when it is complete, and leaves nothing behind before."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from zonevm import images
from zonevm._core import CoreError
from zonevm.disks import Shape
from zonevm.errors import ImageError


@contextmanager
def draft(path: Path, shape: Shape) -> Iterator[images.Disk]:
    """Yield a new disk; when the body ends without an exception, its image is at ``path``.

    What a killed process has left of an earlier draft of ``path`` is removed first. Raises
    :class:`ImageError` where something is at ``path``, or another process is making it.
    """
    refuse_existing(path)
    partial = path.with_name(f".{path.name}.partial")
    _remove_abandoned(partial, path)
    try:
        images.create_as(partial, shape)
    except ImageError:
        raise
    except BaseException:  # told to end, when it had just been made
        partial.unlink(missing_ok=True)
        raise
    try:
        with images.open(partial) as disk:
            yield disk
            disk.sync()
            try:
                os.link(partial, path)
            except FileExistsError:
                refuse_existing(path)
                raise
    except CoreError as error:
        raise ImageError(error.message, error.hint) from error
    except OSError as error:
        raise ImageError(f"{path}: {error.strerror}") from error
    finally:
        partial.unlink(missing_ok=True)


def refuse_existing(path: Path) -> None:
    """Raise :class:`ImageError` where something is at ``path``."""
    if os.path.lexists(path):
        raise ImageError(f"{path} exists, and is not overwritten", "Remove it, or give another name.")


def _remove_abandoned(partial: Path, path: Path) -> None:
    if not partial.exists():
        return
    try:
        images.open(partial).close()
    except ImageError as error:
        if isinstance(error.__cause__, CoreError) and error.__cause__.kind == "in-use":
            raise ImageError(f"{path} is being made: {error.message}", "Wait for that process.") from error
    partial.unlink()
