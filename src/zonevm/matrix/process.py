"""Runs the command of one cell, here or on a worker of somebody's cluster. Knows no matrix.

:func:`perform_on_worker` is what an executor gets: it can be pickled, and imported where zonevm is installed.
"""

from __future__ import annotations

import os
import shlex
import signal
import subprocess
import sys
import tempfile
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from threading import Event
from typing import IO, NamedTuple

from zonevm.errors import ZonevmError
from zonevm.processes import Keeper, Kept

NO_VERDICT = ZonevmError.exit_code
_TURN_SECONDS = 0.2
_END_SECONDS = 60
"""How long a cell that is interrupted has to end, before it is killed."""
_LONGEST = 16 * 2**20
"""Bytes of a log that a worker returns: its end."""


class Job(NamedTuple):
    """A command, run in the directory ``cwd``, with a new directory ``place`` for what comes of it."""

    command: tuple[str, ...]
    cwd: str
    place: str


@dataclass(frozen=True)
class Ended:
    """How a command ended: its exit code, below zero for a signal's number; after how many seconds.

    ``log``: what it wrote; None where that is in a file already.
    """

    exit_code: int
    seconds: float
    log: bytes | None = None


def perform(job: Job, log: IO[bytes], stop: Event) -> Ended:
    """Run a command, and write to ``log`` what it writes; ``stop`` interrupts it, as Ctrl-C does.

    It has a process group of its own, of which nothing is left, and ends with this process, however that
    ends. What this host does not let it do is in the log, with the exit code 125.
    """
    begun = time.monotonic()
    log.write(f"$ {shlex.join(job.command)}\n".encode())
    log.flush()
    try:
        Path(job.place).mkdir(parents=True, exist_ok=True)
        with Keeper() as keeper, Path(os.devnull).open("rb") as nothing:
            process = keeper.start(_reached(job), nothing, log, log)
            code = _ended(process, stop)
            _signal(process, signal.SIGKILL)
    except (OSError, ZonevmError) as error:
        log.write(f"zonevm: {error}\n".encode())
        code = NO_VERDICT
    return Ended(code, round(time.monotonic() - begun, 3))


def perform_on_worker(job: Job) -> Ended:
    """Run a command on a worker: as :func:`perform`, and return the end of its log too."""
    with tempfile.TemporaryFile() as log:
        ended = perform(job, log, Event())
        log.seek(max(0, log.seek(0, os.SEEK_END) - _LONGEST))
        return Ended(ended.exit_code, ended.seconds, log.read())


def _reached(job: Job) -> list[str]:
    """Return the command with its directory, and with a PATH that has this Python's programs too.

    A shell's background jobs ignore SIGINT, but cells are ended by it.
    """
    path = os.pathsep.join((os.environ.get("PATH", os.defpath), str(Path(sys.executable).parent)))
    return ["env", "--default-signal=INT", f"--chdir={job.cwd}", f"PATH={path}", *job.command]


def _ended(process: Kept, stop: Event) -> int:
    """Wait for the end of a process, which ``stop`` brings about; return its exit code."""
    while not stop.is_set():
        with suppress(subprocess.TimeoutExpired):
            return process.wait(_TURN_SECONDS)
    _signal(process, signal.SIGINT)
    with suppress(subprocess.TimeoutExpired):
        return process.wait(_END_SECONDS)
    process.kill()
    return process.wait()


def _signal(process: Kept, number: signal.Signals) -> None:
    """Send a signal to what is in the group of a process; there may be nothing any more."""
    with suppress(ProcessLookupError):
        os.killpg(process.pid, number)
