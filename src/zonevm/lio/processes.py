"""Who a process is, beyond its number, and how to end one. Knows no target."""

from __future__ import annotations

import contextlib
import os
import signal
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

_PROC = Path("/proc")
_POLL_SECONDS = 0.02


@dataclass(frozen=True)
class Process:
    """One process, for good: its number, when it started (clock ticks since boot), and in which boot."""

    pid: int
    start: int
    boot: str

    @classmethod
    def of(cls, pid: int) -> Process | None:
        """Return the process that has this number now; None for one that is no more, or a zombie."""
        try:
            # proc(5): the name, in parentheses, may have any character; state is field 3, starttime field 22.
            fields = (_PROC / str(pid) / "stat").read_text().rpartition(")")[2].split()
        except OSError:
            return None
        return None if fields[0] in "ZX" else cls(pid, int(fields[19]), _boot())

    @classmethod
    def current(cls) -> Process:
        process = cls.of(os.getpid())
        assert process is not None
        return process

    @property
    def alive(self) -> bool:
        """Whether this very process still runs."""
        return Process.of(self.pid) == self

    def end(self, patience: float = 5) -> None:
        """Ask the process to end, wait for ``patience`` seconds, then kill it."""
        for number in (signal.SIGTERM, signal.SIGKILL):
            if self.alive:
                os.kill(self.pid, number)
            until = time.monotonic() + patience
            while self.alive and time.monotonic() < until:
                time.sleep(_POLL_SECONDS)
        with contextlib.suppress(ChildProcessError):
            os.waitpid(self.pid, os.WNOHANG)


def with_arguments(program: str) -> Iterator[tuple[Process, list[str]]]:
    """Yield the processes that run a program of this name, with their command lines."""
    for entry in _PROC.iterdir():
        if not entry.name.isdigit():
            continue
        try:
            arguments = (entry / "cmdline").read_bytes().decode(errors="replace").rstrip("\0").split("\0")
        except OSError:
            continue
        if (
            arguments[0].rpartition("/")[2] == program
            and (process := Process.of(int(entry.name))) is not None
        ):
            yield process, arguments


def _boot() -> str:
    return (_PROC / "sys/kernel/random/boot_id").read_text().strip()
