"""Where disks without a file of their own live: on a real file system, since they can grow large."""

from __future__ import annotations

import os
from pathlib import Path


def scratch_dir() -> Path:
    """Return ``$TMPDIR``, or else ``/var/tmp`` (``/tmp`` is often memory)."""
    return Path(os.environ.get("TMPDIR") or "/var/tmp")
