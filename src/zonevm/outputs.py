"""Files that a user has zonevm write: never over what goes in, and whole or not at all.

What such a file replaces has to be a text, or what the same option has written before. Knows no format.
"""

from __future__ import annotations

import contextlib
import errno
import os
import re
import secrets
import shutil
import stat
import tempfile
from collections.abc import Iterable
from pathlib import Path
from typing import BinaryIO, NamedTuple, Self

from zonevm import images
from zonevm.errors import HostError, UsageError
from zonevm.inputs import open_regular

_START = 4096
"""Bytes at a file's beginning that tell whether it is a text."""
_LINKS = 40
"""Symbolic links that are followed, as many as Linux does (path_resolution(7))."""
_NEW = os.O_RDWR | os.O_CLOEXEC
_NO_UNNAMED = (errno.EOPNOTSUPP, errno.EISDIR)
"""What a file system says that has no files without a name (open(2), O_TMPFILE)."""
_CLOSED = (errno.EACCES, errno.EPERM, errno.EROFS)


class Named(NamedTuple):
    """A path, and what it was given for: ``--json``, ``--disk smr,file=a.img``."""

    what: str
    path: Path


def check(outputs: Iterable[Named], others: Iterable[Named]) -> None:
    """Raise :class:`UsageError` for an output that is the same file as another, or as one of ``others``.

    Links are followed, and hard ones seen; standard output and standard error are outputs too.
    """
    taken = {_identity(path): what for what, path in others}
    for what, path in outputs:
        identity = _identity(path)
        if identity in taken:
            raise _clash(f"{what} {path}", taken[identity])
        if _descriptor(path) is None and not _is_special(path):
            taken[identity] = what
    for what, number in (("standard output", 1), ("standard error", 2)):
        found = os.fstat(number)
        if stat.S_ISREG(found.st_mode) and (found.st_dev, found.st_ino) in taken:
            raise _clash(what, taken[found.st_dev, found.st_ino])


class Draft:
    """A file in the making, beside the place of ``path``, where :meth:`publish` puts it. A context manager.

    Without that nothing is left of it. A symbolic link stays, and what it names is replaced; a file that is
    replaced gives its mode and, if possible, its owner. What cannot be replaced (a pipe, a device, /dev/fd/N,
    a file in a directory that is closed to us) is written by :meth:`publish`. ``own`` is how binary files
    begin that may be overwritten.

    Raises :class:`UsageError` for any other file that is not a text, and :class:`HostError` for a place that
    cannot be written.
    """

    file: BinaryIO

    def __init__(self, path: Path, own: bytes = b"") -> None:
        self._path = path
        self._descriptor = _descriptor(path)
        self._target = Path(os.path.realpath(path))
        self._directory: int | None = None
        self._partial = f".zonevm-{secrets.token_hex(8)}"
        self._named = False
        self._old: os.stat_result | None = None
        try:
            if self._descriptor is not None or _is_special(path):
                self.file = tempfile.TemporaryFile()  # noqa: SIM115
            else:
                self._begin(own)
        except OSError as error:
            self._close()
            raise self._failed(error) from error

    @property
    def replaces(self) -> bool:
        """Whether there is a file that this one is to replace."""
        return self._old is not None

    @property
    def beside(self) -> bool:
        """Whether it is made beside its place: it is not a pipe, a device or a descriptor."""
        return self._directory is not None

    def publish(self) -> None:
        """Put the file in its place. Raises :class:`HostError` where that fails."""
        try:
            self.file.flush()
            if self._directory is None:
                self._pour()
            else:
                self._rename(self._directory)
        except OSError as error:
            raise self._failed(error) from error

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *reason: object) -> None:
        self.file.close()
        self._close()

    def _begin(self, own: bytes) -> None:
        self._old = _found(self._path)
        if self._old is not None:
            _refuse_other(self._path, own)
            if not os.access(self._path, os.W_OK, effective_ids=True):
                raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))
        self._directory = os.open(self._target.parent, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            made = os.open(".", _NEW | os.O_TMPFILE, 0o666, dir_fd=self._directory)
        except OSError as error:
            if error.errno in _CLOSED and self._old is not None:
                self._close()
                self.file = tempfile.TemporaryFile()  # noqa: SIM115
                return
            if error.errno not in _NO_UNNAMED:
                raise
            made = os.open(self._partial, _NEW | os.O_CREAT | os.O_EXCL, 0o666, dir_fd=self._directory)
            self._named = True
        self.file = os.fdopen(made, "w+b")

    def _rename(self, directory: int) -> None:
        if self._old is not None:
            self._adopt(self._old)
        if not self._named:
            itself = f"/proc/self/fd/{self.file.fileno()}"
            # A directory's descriptor makes it linkat(2), which follows this link.
            os.link(itself, self._partial, src_dir_fd=directory, dst_dir_fd=directory)
            self._named = True
        try:
            os.rename(self._partial, self._target.name, src_dir_fd=directory, dst_dir_fd=directory)
        except OSError as error:
            if error.errno != errno.EBUSY:
                raise
            self._pour()  # something is mounted there, as containers do with single files
        else:
            self._named = False

    def _adopt(self, old: os.stat_result) -> None:
        """Take over owner and mode."""
        made = self.file.fileno()
        with contextlib.suppress(PermissionError):  # another user's, in a directory of ours
            os.fchown(made, old.st_uid, old.st_gid)
        os.fchmod(made, stat.S_IMODE(old.st_mode))

    def _pour(self) -> None:
        """Write what was made to what is there."""
        self.file.seek(0)
        if self._descriptor is None:
            target = os.open(self._path, os.O_WRONLY | os.O_TRUNC | os.O_NOCTTY | os.O_CLOEXEC)
        else:
            target = os.dup(self._descriptor)  # with its position: behind what is there already
        with os.fdopen(target, "wb") as out:
            shutil.copyfileobj(self.file, out)

    def _close(self) -> None:
        if self._directory is not None:
            if self._named:
                os.unlink(self._partial, dir_fd=self._directory)
            os.close(self._directory)
            self._directory = None

    def _failed(self, error: OSError) -> HostError:
        return HostError(
            f"cannot write {self._path}: {error.strerror}",
            "Give a file that you may write, in an existing directory with room.",
        )


def write(path: Path, text: str) -> None:
    """Write a text whole or not at all, as a :class:`Draft`; raises what that does."""
    with Draft(path) as draft:
        draft.file.write(text.encode())
        draft.publish()


def _identity(path: Path) -> tuple[object, ...]:
    """Return what is the same for all names of a file, also of one that is not there yet."""
    found = _found(path)
    if found is None:
        place = Path(os.path.realpath(path))
        parent = _found(place.parent)
        return (parent and (parent.st_dev, parent.st_ino), place.name)
    if stat.S_ISCHR(found.st_mode) or stat.S_ISBLK(found.st_mode):
        return stat.S_IFMT(found.st_mode), found.st_rdev
    return found.st_dev, found.st_ino


def _found(path: Path) -> os.stat_result | None:
    """Return what is at ``path``, if anything is that can be reached."""
    try:
        return path.stat()
    except OSError:
        return None


def _is_special(path: Path) -> bool:
    """Whether a pipe, a terminal or the like is there, into which anything may be written."""
    found = _found(path)
    if found is None:
        return False
    kind = stat.S_IFMT(found.st_mode)
    if kind in (stat.S_IFDIR, stat.S_IFBLK):
        what = "directory" if kind == stat.S_IFDIR else "block device"
        raise UsageError(f"{path} is a {what}", "Give the name of a file.")
    return kind != stat.S_IFREG


def _descriptor(path: Path) -> int | None:
    """Return the descriptor of ours that ``path`` names, if any: /dev/stdout, /dev/fd/3 (proc_pid_fd(5))."""
    for _ in range(_LINKS):
        directory = os.path.realpath(path.parent)
        if re.fullmatch(rf"/proc/{os.getpid()}(/task/\d+)?/fd", directory) and path.name.isdecimal():
            return int(path.name)
        try:
            path = Path(directory) / path.readlink()
        except OSError:
            return None
    return None


def _refuse_other(path: Path, own: bytes) -> None:
    """Raise :class:`UsageError` for a file that is neither a text nor begins with ``own``."""
    with open_regular(path) as file:
        start = file.read(_START)
    if not start or (own and start.startswith(own)):
        return
    what = images.kind(path) or ("not a text file" if b"\0" in start else "")
    if what:
        raise UsageError(f"{path} is {what}: it is not overwritten", "Give another file, or remove it first.")


def _clash(output: str, what: str) -> UsageError:
    return UsageError(f"{output} is the same file as {what}", "Give another file: it would be overwritten.")
