"""Finds QEMU and tells its version. Starts no guest."""

from __future__ import annotations

import os
import re
import subprocess
from dataclasses import dataclass
from pathlib import Path

from zonevm.errors import QemuError
from zonevm.host.answers import answer
from zonevm.host.dirs import cache_dir
from zonevm.host.programs import find_program

PROGRAM = "qemu-system-x86_64"
"""The program that runs guests."""

PULLED = "pulled"
"""What names, in the place of a program, the newest QEMU that was pulled."""

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
                "Get a newer QEMU with `zonevm qemu pull`, or name another one with --qemu PATH.",
            )

    def data_file(self, name: str) -> Path | None:
        """Return the file of that name among those that this QEMU comes with; None where it has none."""
        try:
            lines = answer(self.path, "-L", "help").splitlines()
        except (OSError, subprocess.TimeoutExpired):
            return None
        files = (Path(os.fsdecode(line), name) for line in lines)
        return next((file.resolve() for file in files if file.is_file()), None)


def find_qemu(explicit: str | None = None) -> Qemu:
    """Return the QEMU at path or of name ``explicit``, else the host's; :data:`PULLED`: one that was pulled.

    Raises :class:`HostError` where there is none and :class:`QemuError` for a program that is not QEMU, or
    one that is too old.
    """
    if explicit == PULLED:
        explicit = str(_newest_pulled())
    path = find_program(explicit or PROGRAM, "run the guest", "qemu-system-x86")
    try:
        text = answer(path, "--version").decode(errors="replace")
    except (OSError, subprocess.TimeoutExpired) as error:
        text = str(error)
    match = re.search(r"QEMU emulator version (\d+)\.(\d+)", text)
    if match is None:
        first = text.strip().partition("\n")[0]
        raise QemuError(
            f"{path} does not report its version as QEMU does: {first!r}",
            "Name a working qemu-system-x86_64 with --qemu PATH.",
        )
    qemu = Qemu(path, (int(match[1]), int(match[2])))
    qemu.require(OLDEST, "zonevm")
    return qemu


def pulled_dir() -> Path:
    """Return the directory of the cache with one directory for each QEMU that was pulled."""
    return cache_dir() / "qemus"


def pulled_program(directory: Path) -> Path:
    """Return the program of the pulled QEMU in ``directory``."""
    return directory / "bin" / PROGRAM


def pulled_qemus() -> list[Path]:
    """Return the programs of the QEMUs that were pulled, newest first."""
    found = [path for each in pulled_dir().glob("[!.]*") if (path := pulled_program(each)).exists()]
    return sorted(found, key=lambda path: _numbers(path.parents[1].name), reverse=True)


def _newest_pulled() -> Path:
    for path in pulled_qemus():
        return path
    raise QemuError("no QEMU was pulled", "Get one with `zonevm qemu pull`.")


def _numbers(version: str) -> list[int]:
    return [int(number) for number in re.findall(r"\d+", version)]


def _dotted(version: tuple[int, int]) -> str:
    return f"{version[0]}.{version[1]}"
