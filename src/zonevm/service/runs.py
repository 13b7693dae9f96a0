"""The zonevm processes of this user that run a guest or serve disks: finds them and asks them things.

Anybody may put things where their sockets are, below /tmp: only what belongs to this user is spoken to, and
what it says is checked.
"""

from __future__ import annotations

import os
import socket
import stat
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from zonevm.errors import HostError, UsageError, ZonevmError
from zonevm.host import RUNTIME_PREFIX, runtime_base
from zonevm.service import control, lines

_LOOK_SECONDS = 5
_LOOK_BYTES = 1 << 20
_RETRY_SECONDS = 0.05


@dataclass(frozen=True)
class Run:
    """One of them. ``number`` is its process id; ``command`` is None where it does not answer."""

    number: int
    socket: Path
    disks: tuple[str, ...] = ()
    command: str | None = None


def runs() -> list[Run]:
    """Return what this user runs and serves, by number. Raises :class:`HostError` where one cannot look."""
    base = runtime_base()
    try:
        directories = [path for path in base.iterdir() if path.name.startswith(RUNTIME_PREFIX)]
    except OSError as error:
        raise HostError(
            f"cannot look for runs in {base}: {error.strerror}", "Set XDG_RUNTIME_DIR to your own directory."
        ) from error
    found = (_found(path / control.NAME) for path in directories)
    return sorted((run for run in found if run), key=lambda run: run.number)


def ask(run: Run, request: str, **arguments: object) -> Any:
    """Make a request of a run; return its answer.

    Raises :class:`UsageError` for what the run refuses, :class:`HostError` where it has ended or does not
    answer as it should, :class:`ZonevmError` for what failed there.
    """
    try:
        with _connected(run.socket, control.ANSWER_SECONDS) as connection:
            question = {"do": request, **arguments}
            answer = _asked(connection, question, control.ANSWER_BYTES, control.ANSWER_SECONDS)
    except lines.ClosedError as error:
        raise HostError(f"run {run.number} ended without an answer", "See: zonevm list") from error
    except lines.LineError as error:
        raise HostError(f"run {run.number} gave no answer: it {error}", "See: zonevm list") from error
    except OSError as error:
        raise HostError(
            f"run {run.number} cannot be reached: {error.strerror or error}", "See: zonevm list"
        ) from error
    if "error" in answer:
        kind = UsageError if answer.get("usage") is True else ZonevmError
        raise kind(str(answer["error"]), str(answer.get("hint", "")))
    return answer["answer"]


def _found(path: Path) -> Run | None:
    """Return the run at ``path``; None where there is none of this user, or it has just ended."""
    if not (_is_private(path.parent, stat.S_ISDIR) and _is_private(path, stat.S_ISSOCK)):
        return None
    try:
        with _connected(path, _LOOK_SECONDS) as connection:
            number, _ = lines.peer(connection)
            try:
                answer = _asked(connection, {"do": "describe"}, _LOOK_BYTES, _LOOK_SECONDS)
                return _described(number, path, answer.get("answer"))
            except lines.ClosedError:
                return None
            except lines.LineError:
                return Run(number, path)
    except OSError:
        return None


def _described(number: int, path: Path, answer: object) -> Run:
    match answer:
        case {"disks": [*disks], "command": str(command)}:
            return Run(number, path, tuple(map(str, disks)), command)
    return Run(number, path)


def _asked(connection: socket.socket, question: object, limit: int, seconds: float) -> dict[str, Any]:
    lines.send(connection, question, seconds)
    answer = lines.receive(connection, limit, seconds)
    if not answer.keys() & {"answer", "error"}:
        raise lines.LineError("is of another version of zonevm")
    return answer


@contextmanager
def _connected(path: Path, seconds: float) -> Iterator[socket.socket]:
    """Yield a connection to a process of this user. Raises :class:`OSError` where there is none."""
    end = time.monotonic() + seconds
    with socket.socket(socket.AF_UNIX) as connection:
        connection.settimeout(seconds)
        while True:
            try:
                connection.connect(str(path))
                break
            except BlockingIOError:  # more have connected than it has accepted
                if time.monotonic() > end:
                    raise
                time.sleep(_RETRY_SECONDS)
        if not lines.is_own(connection):
            raise PermissionError(f"{path} is another user's")
        yield connection


def _is_private(path: Path, kind: Callable[[int], bool]) -> bool:
    """Whether ``path``, which may not be a link, is of this kind and this user's, and nobody else's."""
    try:
        status = path.lstat()
    except OSError:
        return False
    return kind(status.st_mode) and status.st_uid == os.geteuid() and not status.st_mode & 0o077
