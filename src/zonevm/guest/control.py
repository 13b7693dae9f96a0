"""How one zonevm speaks to another that runs a guest or serves disks: a socket in its directory, JSON lines.

Only the same user can reach it. Knows no guest: it hands requests to functions.
"""

from __future__ import annotations

import json
import os
import socket
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from zonevm.errors import UsageError, ZonevmError
from zonevm.host import runtime_base

_NAME = "control.sock"
_ANSWER_SECONDS = 60
_LOOK_SECONDS = 2

Handler = Callable[..., object]


@contextmanager
def listening(directory: Path, handlers: Mapping[str, Handler]) -> Iterator[None]:
    """Answer requests while entered. A request names a handler and its keyword arguments."""
    path = directory / _NAME
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(path))
        listener.listen()
        thread = threading.Thread(
            target=_accept, args=(listener, handlers), name="zonevm-control", daemon=True
        )
        thread.start()
        try:
            yield
        finally:
            with suppress(OSError):
                listener.shutdown(socket.SHUT_RDWR)
            path.unlink(missing_ok=True)
            thread.join(_ANSWER_SECONDS)  # an answer under way is sent first


def runs() -> dict[int, Path]:
    """Return the sockets of what this user runs and serves, by the process ids of their zonevm."""
    found = {}
    for path in runtime_base().glob(f"zonevm-*/{_NAME}"):
        with suppress(OSError, ZonevmError):
            answer = ask(path, "describe", seconds=_LOOK_SECONDS)
            found[int(answer["pid"])] = path
    return dict(sorted(found.items()))


def ask(path: Path, request: str, seconds: float = _ANSWER_SECONDS, **arguments: object) -> dict[str, Any]:
    """Make a request of the run whose socket is at ``path``; return its answer.

    Raises :class:`UsageError` for what the run refuses, :class:`OSError` where it cannot be reached.
    """
    with socket.socket(socket.AF_UNIX) as connection:
        connection.settimeout(seconds)
        connection.connect(str(path))
        connection.sendall(json.dumps({"do": request, **arguments}).encode() + b"\n")
        with connection.makefile("rb") as file:
            line = file.readline()
    if not line:
        raise OSError("the run ended")
    answer: dict[str, Any] = json.loads(line)
    if "error" in answer:
        raise UsageError(answer["error"], answer.get("hint", ""))
    return answer


def _accept(listener: socket.socket, handlers: Mapping[str, Handler]) -> None:
    with suppress(OSError):
        while True:
            connection, _ = listener.accept()
            with connection, suppress(OSError, ValueError):
                connection.settimeout(_LOOK_SECONDS)
                with connection.makefile("rb") as file:
                    request = json.loads(file.readline())
                connection.sendall(json.dumps(_answer(request, handlers)).encode() + b"\n")


def _answer(request: dict[str, Any], handlers: Mapping[str, Handler]) -> dict[str, object]:
    handler = handlers.get(request.pop("do", ""))
    if handler is None:
        return {"error": "this run does not know the request: it is of another version of zonevm"}
    try:
        return {"pid": os.getpid(), "answer": handler(**request)}
    except ZonevmError as error:
        return {"error": error.message, "hint": error.hint}
    except TypeError as error:
        return {"error": f"the request is wrong: {error}"}
