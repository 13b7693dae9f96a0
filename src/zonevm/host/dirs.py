"""Where zonevm keeps what it keeps (XDG Base Directory Specification). Creates nothing."""

from __future__ import annotations

import os
import stat
import tempfile
from pathlib import Path

import platformdirs

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
    directory for temporary files.
    """
    runtime = os.environ.get("XDG_RUNTIME_DIR")
    if runtime and _is_own(Path(runtime)) and os.access(runtime, os.W_OK | os.X_OK):
        return Path(runtime)
    return Path(tempfile.gettempdir())


def _is_own(path: Path) -> bool:
    """Whether ``path`` is a directory of this user that nobody else may write to."""
    try:
        status = path.stat()
    except OSError:
        return False
    return stat.S_ISDIR(status.st_mode) and status.st_uid == os.geteuid() and not status.st_mode & 0o022
