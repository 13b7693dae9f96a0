"""What programs of the host print, kept in the cache for that very binary. Knows no program."""

from __future__ import annotations

import subprocess
from contextlib import suppress
from pathlib import Path

from zonevm.errors import HostError
from zonevm.host.cache import key_of, store
from zonevm.host.dirs import cache_dir

_SECONDS = 20
_BINARY = b"\x7fELF"


def answer(program: Path, *arguments: str) -> bytes:
    """Return what ``program`` prints, its errors too; it is asked once, if it ends well.

    A script is asked each time: what it runs may have changed. Raises :class:`OSError` where it cannot be
    executed, :class:`subprocess.TimeoutExpired` for one that does not end.
    """
    kept = None
    with suppress(OSError):
        if _is_binary(program):
            kept = cache_dir() / "answers" / f"{key_of(program, *arguments)}.txt"
            return kept.read_bytes()
    done = subprocess.run(
        [program, *arguments],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        timeout=_SECONDS,
    )
    if kept and done.returncode == 0:
        with suppress(HostError):  # then it is asked again
            store(kept, done.stdout)
    return done.stdout


def _is_binary(program: Path) -> bool:
    with program.open("rb") as file:
        return file.read(len(_BINARY)) == _BINARY
