"""A raw file behind a disk that QEMU itself emulates: the user's, or one that is gone with the guest.

A disk without a file gets an unlinked one, which QEMU opens through this process: nothing is left of it,
however zonevm ends. Knows no device.
"""

from __future__ import annotations

import os
import shlex
import tempfile
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from zonevm import images
from zonevm.attach.qemu_options import option_string
from zonevm.attach.scratch import scratch_dir
from zonevm.errors import ImageError
from zonevm.inputs import open_regular, shown
from zonevm.units import format_size


def check_file(kind: str, file: Path | None, size: int | None) -> int:
    """Return the size in bytes of a disk of ``kind``: that of the file where there is one.

    Raises :class:`ImageError` for a file that is missing, not regular, or of another size than asked for.
    """
    try:
        missing = file is None or not file.exists()
    except OSError as error:
        raise ImageError(f"{kind}: {shown(file)}: {error.strerror}", "Give another file.") from error
    if file is None or missing:
        if size is None:
            raise ImageError(f"{kind}: {file} does not exist", "Give a size too, and it is created.")
        return size
    if not file.is_file():
        raise ImageError(f"{kind}: {file} is not a regular file", "Give another file.")
    if what := images.kind(file):
        raise ImageError(
            f"{kind}: {file} is {what}, and would be overwritten as raw data",
            "Give another file, or the kind of disk that it is the image of.",
        )
    has = file.stat().st_size
    if size not in (None, has):
        raise ImageError(
            f"{kind}: size={format_size(size or 0)}, but {file} has {format_size(has)}",
            "Leave size out, or give another file.",
        )
    return has


@dataclass(frozen=True)
class RawFile:
    """The file of a disk of ``kind``; at least one of ``file`` and ``size`` is given.

    ``link`` is the name under which QEMU finds the unlinked file of a disk without ``file``.
    """

    kind: str
    file: Path | None
    size: int | None
    link: Path

    def check(self) -> int:
        """Return the size in bytes: see :func:`check_file`."""
        return check_file(self.kind, self.file, self.size)

    def prepare(self, undo: ExitStack) -> None:
        """Make the file, sparse, where there is none."""
        size = self.check()
        if self.file is None:
            self._temporary(size, undo)
            return
        try:
            with open_regular(self.file, os.O_RDWR | os.O_CREAT) as data:
                data.truncate(size)
        except OSError as error:
            raise ImageError(
                f"{self.file}: {error.strerror}", "Give the disk a file that can be written."
            ) from error

    def blockdev(self, node: str) -> str:
        """Return what QEMU's ``-blockdev`` takes: ``node`` is the name of the block node."""
        file = {"file.driver": "file", "file.filename": self._path, "file.discard": "unmap"}
        return option_string("driver=raw", **{"node-name": node}, discard="unmap", **file)

    def by_hand(self) -> tuple[str, ...]:
        """Return the command that makes the file, where there is none."""
        path = self._path
        if path.exists():
            return ()
        return (shlex.join(["truncate", "-s", str(self.check()), str(path)]),)

    @property
    def _path(self) -> Path:
        return self.link if self.file is None else self.file.absolute()

    def _temporary(self, size: int, undo: ExitStack) -> None:
        directory = scratch_dir()
        try:
            data = undo.enter_context(tempfile.TemporaryFile(dir=directory))  # noqa: SIM115
            data.truncate(size)
            self.link.symlink_to(f"/proc/{os.getpid()}/fd/{data.fileno()}")
        except OSError as error:
            raise ImageError(
                f"no temporary file of {format_size(size)} in {directory}: {error.strerror}",
                "Set TMPDIR to a directory with room, or give the disk a file.",
            ) from error
        undo.callback(self.link.unlink, missing_ok=True)
