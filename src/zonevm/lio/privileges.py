"""Says at once that root is needed, with the command to run. Gains no privilege."""

from __future__ import annotations

import os
import shlex
import sys
from pathlib import Path

from zonevm.errors import HostError


def require_root(what: str) -> None:
    """Raise :class:`HostError` unless this process is root's; ``what`` needs it."""
    if os.geteuid() == 0:
        return
    program = Path(sys.argv[0])
    if program.name == "zonevm":
        # sudo's own PATH does not have a virtual environment's programs.
        hint = f"Run: sudo {shlex.join([str(program.absolute()), *sys.argv[1:]])}"
    else:
        hint = "Run this program as root."
    raise HostError(f"{what} needs root: kernel targets are set up in configfs and by kernel modules", hint)
