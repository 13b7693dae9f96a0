"""Waits for what comes about in its own time. Where it never does, the test's own timeout says so."""

from __future__ import annotations

import time
from collections.abc import Callable


def until(condition: Callable[[], object], pause: float = 0.05) -> None:
    """Wait for ``condition`` to return something true."""
    while not condition():
        time.sleep(pause)
