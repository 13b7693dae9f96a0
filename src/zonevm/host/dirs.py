"""Where zonevm keeps what it keeps (XDG Base Directory Specification). Creates nothing."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

import platformdirs


def cache_dir() -> Path:
    """Return the directory of what can be made again: kernels, initramfs archives, verdicts on KVM."""
    return platformdirs.user_cache_path("zonevm")


def runs_dir() -> Path:
    """Return the directory that holds one directory of logs for each run."""
    return platformdirs.user_state_path("zonevm") / "runs"


def runtime_base() -> Path:
    """Return the directory to make runtime directories (sockets) in.

    ``XDG_RUNTIME_DIR`` where there is one that can be written to, else the directory for temporary files.
    """
    runtime = os.environ.get("XDG_RUNTIME_DIR")
    if runtime and os.access(runtime, os.W_OK | os.X_OK):
        return Path(runtime)
    return Path(tempfile.gettempdir())
