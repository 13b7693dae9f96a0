"""Keeps the logs of a run small, whatever a guest writes to its console or has QEMU say.

Whatever writes a log has to append to it (O_APPEND), since it is cut in its middle meanwhile. What is
written just then may be left out.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

LIMIT = 16 * 2**20
HEAD = 8 * 2**20
TAIL = 2**20
LEFT_OUT = b"\n[zonevm: this log is kept below 16 MiB, and what was written here is left out]\n"

_POLL_SECONDS = 0.2


@contextmanager
def capped(directory: Path) -> Iterator[None]:
    """Cut the logs in a directory down while entered, whenever one is longer than LIMIT."""
    over = threading.Event()

    def work() -> None:
        while not over.wait(_POLL_SECONDS):
            _cut_all(directory)

    thread = threading.Thread(target=work, name="zonevm-logs", daemon=True)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()
        _cut_all(directory)


def _cut_all(directory: Path) -> None:
    for path in directory.glob("*.log"):
        with suppress(OSError):
            if path.stat().st_size > LIMIT:
                _cut(path)


def _cut(path: Path) -> None:
    """Keep the beginning and the end of a log."""
    log = os.open(path, os.O_RDWR | os.O_APPEND | os.O_CLOEXEC)
    try:
        tail = os.pread(log, TAIL, os.fstat(log).st_size - TAIL)
        os.ftruncate(log, HEAD)
        os.write(log, LEFT_OUT + tail)
    finally:
        os.close(log)
