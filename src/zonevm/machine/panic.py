"""Watches a guest's console for a panic that does not end the machine: a capture kernel runs, or nothing.

What ends with the panic itself is not its business: that is told by :meth:`RunningMachine.failure`.
"""

from __future__ import annotations

import logging
import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from zonevm.machine.capped import TAIL
from zonevm.machine.machine import PANIC, RunningMachine
from zonevm.patience import Patience

_log = logging.getLogger(__name__)

_POLL_SECONDS = 0.2
_ENDING_SECONDS = 2
_STILL_SECONDS = 120
_LINE_BYTES = 4096


@contextmanager
def watched(machine: RunningMachine, console: Path) -> Iterator[None]:
    """Warn of a panic that the machine survives, and end it once the console has been still for two minutes.

    That is the time for a capture kernel (kexec -p) to do its work. Waiting for the agent then fails as
    after any other panic.
    """
    watch = _Watch(machine, console)
    watch.start()
    try:
        yield
    finally:
        watch.stopped.set()
        watch.join()


class _Watch(threading.Thread):
    def __init__(self, machine: RunningMachine, console: Path) -> None:
        super().__init__(name="zonevm-panic", daemon=True)
        self.stopped = threading.Event()
        self._machine = machine
        self._console = console
        self._read = 0
        self._line = b""

    def run(self) -> None:
        """Look for panics until stopped, or until the machine has ended."""
        while self._goes_on():
            resets = self._machine.resets
            if panic := self._panic():
                self._await_end(panic, resets)

    def _await_end(self, panic: str, resets: int) -> None:
        ending = Patience(_ENDING_SECONDS, self._machine.pid)
        while not ending.is_over():
            if not self._goes_on():
                return
        _log.warning(
            "the guest's kernel panicked: %s. The machine runs on, as with a capture kernel; "
            "it ends once its console has been still for %d s",
            panic,
            _STILL_SECONDS,
        )
        still = Patience(_STILL_SECONDS, self._machine.pid, sign=self._machine.console_size)
        while not still.is_over():
            if not self._goes_on() or self._machine.resets != resets:
                return
        self._machine.kill()

    def _goes_on(self) -> bool:
        return not self.stopped.wait(_POLL_SECONDS) and self._machine.alive

    def _panic(self) -> str:
        """Return the text of a panic among the lines that were written since the last call, or ""."""
        try:
            with self._console.open("rb") as console:
                size = console.seek(0, os.SEEK_END)
                # It was cut, or has more than is kept of it.
                begin = self._read if self._read <= size <= self._read + TAIL else max(0, size - TAIL)
                console.seek(begin)
                new = console.read(size - begin)
        except OSError:
            return ""
        self._read = size
        *lines, self._line = (self._line + new).split(b"\n")
        self._line = self._line[-_LINE_BYTES:]
        for line in lines:
            if PANIC.encode() in line:
                return line.decode(errors="replace").partition(PANIC)[2].strip(": \r")
        return ""
