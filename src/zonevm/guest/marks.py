"""Marks that commands in a guest write into the record of its disks: the host's side of their port.

The guest's is ``agent/bin/zonevm-mark``. A mark is a line, its answer another: ``ok``, or why not. The guest
is not trusted: a line is bounded, and what is wrong with one is told to it.
"""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

from zonevm.errors import QemuError, ZonevmError

PORT_NAME = "zonevm.mark"
LIMIT = 32 * 1024
"""Bytes of a mark."""


@contextlib.contextmanager
def answered(path: Path, mark: Callable[[str], object]) -> Iterator[None]:
    """Have ``mark`` called with each mark that comes by QEMU's socket at ``path`` while entered.

    It raises :class:`ZonevmError` for one that is not taken. Raises :class:`QemuError` where there is no such
    socket.
    """
    connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        connection.connect(str(path))
    except OSError as error:
        connection.close()
        raise QemuError(f"cannot reach the guest's port for marks at {path}: {error.strerror}") from error
    thread = threading.Thread(target=_answer, args=(connection, mark), name="zonevm-marks", daemon=True)
    thread.start()
    try:
        yield
    finally:
        with contextlib.suppress(OSError):
            connection.shutdown(socket.SHUT_RDWR)
        thread.join()
        connection.close()


def _answer(connection: socket.socket, mark: Callable[[str], object]) -> None:
    line = bytearray()
    skipping = False
    with contextlib.suppress(OSError):
        while data := connection.recv(LIMIT):
            *whole, rest = data.split(b"\n")
            for end in whole:
                line += end
                too_long = skipping or len(line) > LIMIT
                connection.sendall(_answer_to(bytes(line), too_long, mark))
                line.clear()
                skipping = False
            line += rest
            if len(line) > LIMIT:
                line.clear()
                skipping = True


def _answer_to(line: bytes, too_long: bool, mark: Callable[[str], object]) -> bytes:
    if too_long:
        return b"a mark has at most %d bytes\n" % LIMIT
    try:
        mark(line.decode(errors="replace"))
    except ZonevmError as error:
        return error.message.replace("\n", " ").encode() + b"\n"
    return b"ok\n"
