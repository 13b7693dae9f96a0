"""Says when to give up waiting: once nothing has moved for a while in which it could have moved.

A deadline by the clock alone fails where the host is busy. So time in which one of the processes that do the
work was ready to run, and had no processor, does not count: the kernel tells of each thread how long that was
(the second number of ``/proc/PID/task/TID/schedstat``; Documentation/scheduler/sched-stats.rst). A process
that was stopped, or whose threads wait for each other, is not ready to run: there the clock goes on.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from pathlib import Path

_LOOK_SECONDS = 0.1


class Patience:
    """Ends ``seconds`` after the last sign of work that this process and ``pids`` do together.

    ``sign`` returns something that differs once anything has moved, such as the length of a log.
    """

    def __init__(self, seconds: float, *pids: int, sign: Callable[[], object] = lambda: None) -> None:
        self._seconds = seconds
        self._pids = (os.getpid(), *pids)
        self._sign = sign
        self._seen = sign()
        self._since = self._next = time.monotonic()
        self._delays = self._all_delays()

    def is_over(self) -> bool:
        """Whether it has ended. To be asked again and again, at most some tenths of a second apart."""
        now = time.monotonic()
        if now < self._next:
            return False
        self._next = now + _LOOK_SECONDS
        seen = self._sign()
        if seen != self._seen:
            self._seen, self._since, self._delays = seen, now, self._all_delays()
        waited = now - self._since
        return waited > self._seconds and waited - self._starved() > self._seconds

    def _starved(self) -> float:
        """Return the seconds that the thread which lacked a processor longest has lacked one since."""
        delays = self._all_delays()
        return max((delay - self._delays.get(task, 0) for task, delay in delays.items()), default=0) / 1e9

    def _all_delays(self) -> dict[Path, int]:
        return {task: delay for pid in self._pids for task, delay in _delays(pid)}


def _delays(pid: int) -> list[tuple[Path, int]]:
    """Return the nanoseconds that each thread of a process was ready to run and did not."""
    threads = Path(f"/proc/{pid}/task")
    try:
        names = os.listdir(threads)  # noqa: PTH208  # Path.glob raises if the process ends meanwhile
    except OSError:
        return []
    found = []
    for task in (threads / name for name in names):
        try:
            found.append((task, int((task / "schedstat").read_text().split()[1])))
        except (OSError, ValueError, IndexError):  # it has ended, or this kernel does not count
            continue
    return found


def written(pid: int) -> tuple[int, ...]:
    """Return how many MiB this process and ``pid`` have written: a sign that a guest writes."""
    return tuple(_written(each) >> 20 for each in (os.getpid(), pid))


def _written(pid: int) -> int:
    try:
        counts = dict(line.split(": ") for line in Path(f"/proc/{pid}/io").read_text().splitlines())
    except OSError:  # it has ended
        return 0
    return int(counts["wchar"])
