"""An event for a main thread that Ctrl-C may interrupt at any moment. Knows nothing of what it is for.

``threading.Event`` is not that: an exception out of a signal handler may leave its condition locked for
ever, and a signal that arrives just before a wait without an end does not interrupt it.
"""

from __future__ import annotations

import contextlib
import threading
import time

_TURN_SECONDS = 0.2


class Latch:
    """Set once something has happened; one thread waits for it."""

    def __init__(self) -> None:
        self._set = False
        self._changed = threading.Lock()
        self._changed.acquire()

    def set(self) -> None:
        """Let :meth:`wait` return."""
        self._set = True
        with contextlib.suppress(RuntimeError):  # nobody has taken notice of an earlier call
            self._changed.release()

    def clear(self) -> None:
        """Make :meth:`wait` wait again."""
        self._set = False

    def is_set(self) -> bool:
        """Whether it is set."""
        return self._set

    def wait(self, timeout: float | None = None) -> bool:
        """Wait until it is set, for ``timeout`` seconds at most; return whether it is."""
        end = float("inf") if timeout is None else time.monotonic() + timeout
        while not self._set and (left := end - time.monotonic()) > 0:
            self._changed.acquire(timeout=min(left, _TURN_SECONDS))
        return self._set
