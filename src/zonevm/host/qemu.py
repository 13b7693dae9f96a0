"""Finds QEMU and tells its version. Starts no guest."""

from __future__ import annotations

import re
import subprocess
from dataclasses import dataclass
from pathlib import Path

from zonevm.errors import QemuError
from zonevm.host.programs import find_program

OLDEST = (6, 0)
"""The oldest QEMU that zonevm works with (``set-action``, shared memory by ``memory-backend``)."""


@dataclass(frozen=True)
class Qemu:
    """One QEMU system emulator of the host, and its version as (major, minor)."""

    path: Path
    version: tuple[int, int]

    def require(self, version: tuple[int, int], what: str) -> None:
        """Raise :class:`QemuError` unless this QEMU is at least ``version``; ``what`` is what needs it."""
        if self.version < version:
            raise QemuError(
                f"{self.path} is QEMU {_dotted(self.version)}; {what} needs {_dotted(version)} or later",
                "Install a newer QEMU, or name another one with --qemu PATH.",
            )


def find_qemu(explicit: str | None = None) -> Qemu:
    """Return the QEMU at path or of name ``explicit``, else the host's qemu-system-x86_64.

    Raises :class:`HostError` where there is none and :class:`QemuError` for a program that is not QEMU, or
    one that is too old.
    """
    path = find_program(explicit or "qemu-system-x86_64", "run the guest", "qemu-system-x86")
    try:
        answer = subprocess.run([path, "--version"], capture_output=True, text=True, timeout=20)
        text = answer.stdout + answer.stderr
    except (OSError, subprocess.TimeoutExpired) as error:
        text = str(error)
    match = re.search(r"QEMU emulator version (\d+)\.(\d+)", text)
    if match is None:
        first = text.strip().partition("\n")[0]
        raise QemuError(
            f"{path} does not tell its version as QEMU does: {first!r}",
            "Name a working qemu-system-x86_64 with --qemu PATH.",
        )
    qemu = Qemu(path, (int(match[1]), int(match[2])))
    qemu.require(OLDEST, "zonevm")
    return qemu


def _dotted(version: tuple[int, int]) -> str:
    return f"{version[0]}.{version[1]}"
