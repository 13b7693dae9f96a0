"""Connects a guest's serial console with the caller's keyboard and screen. Knows no QEMU."""

from __future__ import annotations

import os
import select
import socket
from collections.abc import Callable

LEAVE = b"\x1d"
LEAVE_NAME = "Ctrl-]"
_AT_ONCE = 4096
_POLL_MILLISECONDS = 200
_READABLE = select.POLLIN | select.POLLHUP | select.POLLERR


def relay(console: socket.socket, keyboard: int, screen: int, alive: Callable[[], bool]) -> bool:
    """Move bytes both ways until the console closes or ``alive`` says no; return False if the user left.

    A key means that, :data:`LEAVE`, but only on a terminal: other input is handed on byte for byte, and its
    end leaves the console open.
    """
    interactive = os.isatty(keyboard)
    typed, ended = b"", False
    while True:
        waiting = select.poll()
        waiting.register(console, select.POLLIN | (select.POLLOUT if typed else 0))
        if not (typed or ended):
            waiting.register(keyboard, select.POLLIN)
        ready = dict(waiting.poll(_POLL_MILLISECONDS))
        if ready.get(console.fileno(), 0) & _READABLE:
            data = _received(console)
            if not data:
                return True
            _write(screen, data)
        elif typed and ready:
            typed = typed[console.send(typed, socket.MSG_DONTWAIT) :]
        if ready.get(keyboard, 0) & _READABLE:
            typed = _typed(keyboard)
            ended = not typed
            if interactive and LEAVE in typed:
                return False
        if not ready and not alive():
            return True


def _typed(keyboard: int) -> bytes:
    try:
        return os.read(keyboard, _AT_ONCE)
    except OSError:  # a terminal that hung up, or a standard input that is closed
        return b""


def _received(console: socket.socket) -> bytes:
    try:
        return console.recv(_AT_ONCE)
    except ConnectionResetError:
        return b""


def _write(screen: int, data: bytes) -> None:
    while data:
        data = data[os.write(screen, data) :]
