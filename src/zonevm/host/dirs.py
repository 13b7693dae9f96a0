"""Where zonevm keeps what it keeps (XDG Base Directory Specification). Creates nothing."""

from __future__ import annotations

import os
import stat
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import platformdirs

from zonevm.errors import HostError

RUNTIME_PREFIX = "zonevm-"
"""What the names of runtime directories begin with."""


def cache_dir() -> Path:
    """Return the directory of what can be made again: kernels, initramfs archives, verdicts on KVM."""
    return platformdirs.user_cache_path("zonevm")


def runs_dir() -> Path:
    """Return the directory that holds one directory of logs for each run."""
    return platformdirs.user_state_path("zonevm") / "runs"


def runtime_base() -> Path:
    """Return the directory to make runtime directories (sockets) in.

    ``XDG_RUNTIME_DIR`` where it is this user's alone to write to, as the specification asks, else the
    directory for temporary files. Raises :class:`HostError` where there is none.
    """
    runtime = os.environ.get("XDG_RUNTIME_DIR")
    if runtime and _is_own(Path(runtime)) and os.access(runtime, os.W_OK | os.X_OK):
        return Path(runtime)
    try:
        return Path(tempfile.gettempdir())
    except FileNotFoundError as error:
        raise HostError("no directory for temporary files can be written to", _way_out("TMPDIR")) from error


@contextmanager
def needed(directory: Path) -> Iterator[None]:
    """Have what fails in ``directory``, one of the above, be a :class:`HostError` that names the way out."""
    try:
        yield
    except OSError as error:
        variable = {cache_dir(): "XDG_CACHE_HOME", runs_dir(): "XDG_STATE_HOME"}
        names = (name for place, name in variable.items() if directory.is_relative_to(place))
        raise HostError(
            f"{error.filename or directory}: {error.strerror}", _way_out(next(names, "TMPDIR"))
        ) from error


def _way_out(variable: str) -> str:
    return f"Make room, or have {variable} name a directory that is there, has some, and may be written to."


def _is_own(path: Path) -> bool:
    """Whether ``path`` is a directory of this user that nobody else may write to."""
    try:
        status = path.stat()
    except OSError:
        return False
    return stat.S_ISDIR(status.st_mode) and status.st_uid == os.geteuid() and not status.st_mode & 0o022
