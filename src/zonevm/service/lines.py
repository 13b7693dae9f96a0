"""One line of JSON over a socket between two zonevm of one user, who believe nothing of each other.

Knows no requests: how long a line may be, how long it may take, who is on the other side.
"""

from __future__ import annotations

import json
import os
import socket
import struct
import time
from typing import Any

_CREDENTIALS = struct.Struct("3i")
_PIECE_BYTES = 1 << 16


class LineError(Exception):
    """The other side did not send a line that can be used. The text goes on after "it"."""


class ClosedError(LineError):
    """The other side closed the connection before the end of a line."""


def peer(connection: socket.socket) -> tuple[int, int]:
    """Return the process and user id of the other side, as the kernel knows them (SO_PEERCRED; unix(7)).

    For a connection that was accepted these are of who connected, else of who listens.
    """
    data = connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _CREDENTIALS.size)
    pid, user, _ = _CREDENTIALS.unpack(data)
    return pid, user


def is_own(connection: socket.socket) -> bool:
    """Whether the other side is the same user."""
    return peer(connection)[1] == os.geteuid()


def send(connection: socket.socket, value: object, seconds: float) -> None:
    """Send ``value``. Raises :class:`OSError` where the other side does not take all of it in ``seconds``."""
    connection.settimeout(seconds)
    connection.sendall(json.dumps(value).encode() + b"\n")


def receive(connection: socket.socket, limit: int, seconds: float) -> dict[str, Any]:
    """Return the object that comes within ``seconds`` in all, in a line of at most ``limit`` bytes.

    Raises :class:`LineError` for anything else, :class:`OSError` where the connection fails.
    """
    line = _line(connection, limit, time.monotonic() + seconds)
    try:
        value = json.loads(line)
    except (ValueError, RecursionError) as error:
        raise LineError("sent something that is not JSON") from error
    if not isinstance(value, dict):
        raise LineError("sent something that is not an object of JSON")
    return value


def _line(connection: socket.socket, limit: int, end: float) -> bytes:
    line = bytearray()
    while (left := end - time.monotonic()) > 0:
        connection.settimeout(left)
        try:
            piece = connection.recv(min(_PIECE_BYTES, limit + 1 - len(line)))
        except TimeoutError:
            break
        if not piece:
            raise ClosedError("closed the connection")
        head, newline, _ = piece.partition(b"\n")
        line += head
        if newline:
            return bytes(line)
        if len(line) > limit:
            raise LineError(f"sent a line of more than {limit} bytes")
    raise LineError("did not send a whole line in time")
